"""The reports projector as a process, as the command line starts it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bus.connection import Broker
from bus.journal import JournalReader
from bus.sender import Sender
from projectors.following import follow
from projectors.generations import Generations
from projectors.live import Live, stop_signals
from projectors.report_files import tidy
from projectors.report_index import FILE, NAME
from projectors.report_requests import REQUESTED
from projectors.report_wishes import ReportWishes
from projectors.report_workshop import Workers
from projectors.reports import VERSION, Reports, Wishes
from projectors.run import wait_for_journal
from projectors.runner import BATCH, Runner
from schemas.registry import Registry

PROCESS: Final = f"projector-{NAME}"
_LAST_WORDS_S: Final = 2.0


def run_reports(
    data: Path,
    broker: Broker,
    *,
    node_id: str,
    said: ReportWishes,
    wishes: Wishes,
    delivery: Mapping[str, Any],
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Ask for reports, make them and send them until SIGTERM, SIGINT or `stopped()`.

    Args:
        data: the data directory.
        broker: where to publish.
        node_id: names the site.
        said: what reports say.
        wishes: which are made, and who gets them.
        delivery: how they are sent, as JSON.
        stopped: asked now and then; without it, signals end the process.

    Raises:
        ConfigurationError: another process does this already.
    """
    stopped = stopped or stop_signals()
    directory = data / NAME
    memory = directory / FILE
    source = source_of(node_id)
    with Generations(directory).only("making reports"):
        tidy(directory)
        reader = wait_for_journal(data, stopped)
        if reader is None:
            return
        sender = Sender(broker, client=PROCESS, name=NAME, path=data / "outbox" / f"{PROCESS}.sqlite")
        workers = Workers(data, asdict(said), delivery)
        reports = Reports(
            memory,
            Registry.load(),
            source=source,
            publish=sender.put,
            silent_upto=lambda: past(reader, source),
            workshop=workers,
            wishes=wishes,
            caught_up=lambda: runner.behind <= BATCH,
        )
        runner = Runner(reader, reports)

        def live() -> Live:
            nonlocal runner
            runner = Runner(reader, reports)
            return Live(runner, reports, broker, process=PROCESS, wake=workers.wake)

        try:
            follow(live, reader, memory, NAME, VERSION, stopped)
            sender.flush(_LAST_WORDS_S)
        finally:
            workers.close()
            sender.close()
            reader.close()


def source_of(node_id: str) -> str:
    """Name the source of a node's own requests."""
    return f"/{node_id}/{NAME}"


def past(reader: JournalReader, source: str) -> int:
    """Return the position up to which nothing is asked for any more.

    That of the newest own request; without one all that is there now: at its first start on a journal with a
    past, nobody wants reports of years mailed.
    """
    own = [recorded.position for recorded in reader.read(types=(REQUESTED,)) if recorded.source == source]
    return max(own) if own else reader.head().position
