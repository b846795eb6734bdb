"""A projector of a SQLite read model as a process, as the command line starts it."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from bus.connection import Broker
from bus.journal_sqlite import SqliteJournalReader
from bus.topics import Topics
from projectors.generations import Generations
from projectors.kind import Kind
from projectors.live import Live, stop_signals
from projectors.rebuild import must_rebuild, rebuild
from projectors.runner import BATCH, Runner
from schemas.errors import TransientError

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.25


def run(
    kind: Kind,
    data: Path,
    broker: Broker,
    *,
    batch: int = BATCH,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Keep a read model up to date until SIGTERM, SIGINT or `stopped()`.

    Raises:
        ConfigurationError: the model is of another journal, or another process keeps it already.
    """
    stopped = stopped or stop_signals()
    generations = Generations(data / kind.name)
    with generations.only("projecting"):
        reader = wait_for_journal(data, stopped)
        if reader is None:
            return
        if must_rebuild(kind, generations):
            log.info("the %s was made by an older version: rebuilding it", kind.name)
            rebuild(kind, data)
        projector = kind.make(generations, Topics(broker.prefix))
        Live(Runner(reader, projector, batch=batch), projector, broker).run(stopped)
        reader.close()


def wait_for_journal(data: Path, stopped: Callable[[], bool]) -> SqliteJournalReader | None:
    """Open the journal once there is one; None when asked to stop before."""
    said = False
    while not stopped():
        try:
            return SqliteJournalReader(data / "journal")
        except TransientError as error:
            if not said:
                log.info("%s", error)
            said = True
            time.sleep(_LOOK_EVERY_S)
    return None
