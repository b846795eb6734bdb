"""A fold that tells as a process: beside the recorder, with an outbox of its own."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bus.connection import Broker
from bus.journal import JournalReader
from bus.sender import Sender
from detection.telling import Fold, Telling
from projectors.following import follow
from projectors.generations import Generations
from projectors.live import Live, stop_signals
from projectors.run import wait_for_journal
from projectors.runner import Runner

_LAST_WORDS_S = 2.0


def source_of(node_id: str, name: str) -> str:
    """Name the source of what a process of a site tells."""
    return f"/{node_id}/{name}"


def run(
    data: Path,
    broker: Broker,
    fold: Fold,
    *,
    source: str,
    own: Collection[str],
    doing: str,
    kept: Callable[[], object] = lambda: None,
    turn: Callable[[int], object] = lambda _: None,
    figures: Callable[[], Mapping[str, Any]] = dict,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Follow the journal and tell, until SIGTERM, SIGINT or `stopped()`.

    Args:
        data: the data directory.
        broker: where to publish.
        fold: what follows from the stream.
        source: of what is told.
        own: types of what is told.
        doing: what only one process may do at a time, in words.
        kept: called when what is folded is what is remembered.
        turn: called once a turn with how many events are still to be taken.
        figures: of others, for health.
        stopped: asked now and then; without it, signals end the process.

    Raises:
        ConfigurationError: another process does this already.
    """
    stopped = stopped or stop_signals()
    memory = data / fold.name / "memory.sqlite"
    with Generations(memory.parent).only(doing):
        reader = wait_for_journal(data, stopped)
        if reader is None:
            return
        sender = Sender(
            broker, client=fold.name, name=fold.name, path=data / "outbox" / f"{fold.name}.sqlite"
        )
        telling = Telling(
            fold,
            memory,
            publish=sender.put,
            told_upto=lambda: newest_own(reader, source, own),
            kept=kept,
            turn=lambda: turn(runner.behind),
            figures=figures,
        )
        runner = Runner(reader, telling)

        def live() -> Live:
            nonlocal runner
            runner = Runner(reader, telling)
            return Live(runner, telling, broker, process=fold.name)

        try:
            follow(live, reader, memory, fold.name, fold.version, stopped)
            sender.flush(_LAST_WORDS_S)
        finally:
            sender.close()
            reader.close()


def newest_own(reader: JournalReader, source: str, own: Collection[str]) -> int:
    """Return the position of the newest event of a source among some types; 0 when there is none."""
    return max((one.position for one in reader.read(types=own) if one.source == source), default=0)
