"""The process of the archive projector, as the command line starts it."""

import logging
from collections.abc import Callable
from pathlib import Path

from bus.connection import Broker
from projectors.archive import EVERY_S, ArchiveProjector
from projectors.archive_rebuild import must_rebuild, rebuild_archive
from projectors.archive_store import NAME
from projectors.generations import Generations
from projectors.live import Live, stop_signals
from projectors.run import wait_for_journal
from projectors.runner import BATCH, Runner

log = logging.getLogger(__name__)


def run_archive(
    data: Path,
    broker: Broker,
    *,
    every_s: float = EVERY_S,
    batch: int = BATCH,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Keep the archive up to date until SIGTERM, SIGINT or `stopped()`.

    Raises:
        ConfigurationError: it is of another journal, or another process keeps it already.
    """
    stopped = stopped or stop_signals()
    generations = Generations(data / NAME, trees=True)
    with generations.only("projecting"):
        reader = wait_for_journal(data, stopped)
        if reader is None:
            return
        if must_rebuild(generations):
            log.info("the archive was made by an older version: rebuilding it")
            rebuild_archive(data)
        projector = ArchiveProjector(generations, every_s=every_s)
        Live(Runner(reader, projector, batch=batch), projector, broker).run(stopped)
        reader.close()
