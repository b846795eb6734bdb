"""Making all reports anew, and checking that they come out as they lie there.

Rules that must stay true here: nothing is asked for, told or sent; what lies there is replaced one report
at a time, each in one step.
"""

import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from bus.envelope import Envelope
from bus.journal import Head, JournalReader
from bus.journal_sqlite import SqliteJournalReader
from ovr.node import Node
from ovr.reports import wishes
from projectors.generations import Generations
from projectors.report_files import tidy
from projectors.report_index import FILE, NAME, Report
from projectors.report_index import Reports as Index
from projectors.report_rows import MAKE, Job
from projectors.report_worker import answer, worker
from projectors.report_workshop import Workers
from projectors.reports import Reports, Wishes
from projectors.run_reports import past, source_of
from projectors.runner import Progress, Runner
from schemas.errors import ConfigurationError, TransientError
from schemas.registry import Registry

_LOOK_S: Final = 0.1
_ALL: Final = 10**9
_DIFFERENCES: Final = ("software", "configuration_sha256", "incarnation")


def rebuild(node: Node, progress: Progress) -> Head:
    """Make every report anew; with the process running, it does it, else this one does.

    Without an index it is made again too, of the requests in the journal.

    Raises:
        ConfigurationError: there is no index of reports, and the process that keeps it runs.
        TransientError: there is no journal.
    """
    data = node.layout.data
    index = Index(data)
    with closing(SqliteJournalReader(data / "journal")) as reader, ExitStack() as alone:
        try:
            alone.enter_context(Generations(data / NAME).only("making reports"))
        except ConfigurationError:
            _wait(index, progress)  # its process does it
        else:
            _make(node, reader, index, progress)
        return reader.head()


def _wait(index: Index, progress: Progress) -> None:
    if not index.there():
        raise ConfigurationError(
            f"{index.path} is gone: stop the node, or its `projector-reports`, and start it again"
        )
    total = _again(index)
    while left := sum(one.state in {"requested", "making"} for one in index.find(limit=_ALL)):
        progress(total - left, total)
        time.sleep(_LOOK_S)


def _again(index: Index) -> int:
    """Let all reports be made again; return how many there are."""
    found = index.find(limit=_ALL)
    if found:
        index.retry(report.position for report in found)
    return len(found)


def _make(node: Node, reader: JournalReader, index: Index, progress: Progress) -> None:
    data = node.layout.data
    tidy(data / NAME)
    said, source = wishes(node.site.reports), source_of(node.site.node_id)
    workers = Workers(data, asdict(said), None)
    reports = Reports(
        data / NAME / FILE,
        Registry.load(),
        source=source,
        publish=_keep,
        silent_upto=lambda: past(reader, source),
        workshop=workers,
        wishes=Wishes(automatic=node.site.reports.automatic),
    )
    try:
        Runner(reader, reports).finish()
        total = _again(index)
        while True:
            list(reports.messages(time.monotonic()))
            status = reports.status()
            progress(total - status["to_make"], total)
            if not status["to_make"] and not status["to_print"]:
                return
            time.sleep(_LOOK_S)
    finally:
        workers.close()
        reports.close()


def _keep(_: Envelope) -> None:
    """Leave what is to be told to the process whose it is.

    Raises:
        TransientError: always.
    """
    raise TransientError("a rebuild publishes nothing")


def verify(node: Node, progress: Progress) -> dict[str, Any]:
    """Make every report that is there again, beside it, and compare the bytes of data.json."""
    data = node.layout.data
    found = [one for one in Index(data).find(limit=_ALL) if one.state == "ready"]
    differences: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ovr-reports-", dir=data) as directory:
        make = worker(
            {
                "kind": MAKE,
                "data": str(data),
                "wishes": orjson.loads(orjson.dumps(asdict(wishes(node.site.reports)))),
            }
        )
        for number, report in enumerate(found, 1):
            target = Path(directory, f"r{number}")
            said = _job(report, str(target.relative_to(data))).said
            got = answer(make, said, lambda _: None)
            if "error" in got:
                differences.append(f"{report.directory}: it cannot be made: {got['error']}")
            elif got["result"]["sha256"] != report.sha256:
                differences.append(f"{report.directory}: {_why(data, report, target)}")
            progress(number, len(found))
    with closing(SqliteJournalReader(data / "journal")) as reader:
        head = reader.head()
    return {
        "model": NAME,
        "equal": not differences,
        "journal": head.journal,
        "incarnation": head.incarnation,
        "position": head.position,
        "hash": head.hash.hex(),
        "compared": len(found),
        "different": len(differences),
        "differences": differences,
    }


def _job(report: Report, directory: str) -> Job:
    said = {
        "source": report.source,
        "id": report.request_id,
        "scope": report.scope,
        "event_id": report.event_id,
        "system_id": report.system_id,
        "from_us": report.from_us,
        "to_us": report.to_us,
        "revision": report.revision,
        "reason": report.reason,
        "cut": report.cut_position,
        "directory": directory,
        "position": report.position,
    }
    return Job(MAKE, report.position, said, 1)


def _why(data: Path, report: Report, target: Path) -> str:
    """Say what the two were made from differs in; where in nothing, one of them is wrong."""
    try:
        there, here = (
            orjson.loads((path / "data.json").read_bytes())["made_from"]
            for path in (data / report.directory, target)
        )
    except (OSError, orjson.JSONDecodeError, KeyError):
        return "what lies there cannot be read"
    other = [name for name in _DIFFERENCES if there.get(name) != here.get(name)]
    return f"made with another {' and '.join(other)}" if other else "not what the journal gives"
