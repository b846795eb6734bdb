"""Reports made on demand: asked of the running node, or made here from the journal.

Rules that must stay true here:
- what a node is asked for is recorded, so that it is listed, kept and made again by a rebuild;
- what is made here is a copy for somebody: nothing is recorded, and nothing of the node is changed.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from bus import ids, instants
from bus.envelope import Envelope
from bus.intake import SITE
from bus.journal_sqlite import SqliteJournalReader
from ovr.confirming import confirm
from ovr.node import Node
from ovr.reports import wishes
from projectors.archive_reader import ArchiveReader
from projectors.report_facts import Wanted
from projectors.report_index import Report, Reports
from projectors.report_lines import EVENT, OPERATOR, SYSTEM
from projectors.report_making import Made, Sources, make
from projectors.report_requests import REQUESTED
from reporter.render import DATA, PAGE, PAPER, paper
from schemas.errors import ConfigurationError, InputError, TransientError
from schemas.registry import Registry

FORMATS: Final = {"json": DATA, "html": PAGE, "pdf": PAPER, "csv": "blocks.csv"}
_LOOK_S: Final = 0.1
_CONFIRM_S: Final = 10.0
Span = tuple[int, int]


def ask(node: Node, user: str, event_id: str, system_id: str | None, span: Span | None) -> str:
    """Have a node record that a report is wanted; return the request's id.

    Raises:
        InputError: the recorder refuses it.
        TransientError: nobody confirms it.
    """
    broker = node.broker(user)
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        head = reader.head().position
    now_us = instants.now_us()
    data = {
        "scope": EVENT if system_id is None else SYSTEM,
        "event_id": event_id,
        "revision": 1,  # the projector gives it the next one
        "cut_position": head,
        "reason": OPERATOR,
    }
    if span is not None:
        data |= {"from": instants.text(span[0]), "to": instants.text(span[1])}
    client = broker.username or user
    fact = Envelope(
        id=ids.uuid7(now_us),
        source=f"/{node.site.node_id}/{client}",
        type=REQUESTED,
        subject=system_id or SITE,
        time_us=now_us,
        data=data,
        version=Registry.load().newest(REQUESTED),
    )
    answer = confirm(broker, client, fact, limit_s=time.monotonic() + _CONFIRM_S)
    if "position" not in answer:
        raise InputError(answer["reason"], answer.get("field", ""), answer["hint"])
    return fact.id


def wait(
    node: Node, request_id: str, limit_s: float, tell: Callable[[str], None], *, printed: bool = True
) -> Report:
    """Wait until a report is there, its PDF too where `printed`.

    Args:
        node: the node.
        request_id: of the request.
        limit_s: the monotonic time to give up at.
        tell: told how it stands.
        printed: wait for the PDF as well.

    Raises:
        InputError: it failed, and why.
        TransientError: it was not there in time.
    """
    index = Reports(node.layout.data)
    while time.monotonic() < limit_s:
        report = next((one for one in index.find(limit=200) if one.request_id == request_id), None)
        tell("asked for" if report is None else report.state)
        if report is not None and report.state == "failed":
            raise InputError(
                "report", "", f"the report failed: {report.error}; `ovr report retry` tries again"
            )
        if report is not None and report.state == "ready" and (not printed or report.pdf != "waiting"):
            return report
        time.sleep(_LOOK_S)
    raise TransientError("the report is not there yet: see `ovr report list`, and `ovr status`")


def make_here(
    node: Node,
    event_id: str,
    systems: Sequence[str],
    span: Span | None,
    target: Path,
    progress: Callable[[int, int], None],
    *,
    printed: bool = True,
) -> Made:
    """Make a report from the journal as it is now into a directory.

    Args:
        node: the node.
        event_id: the event; any name where a span of systems is asked for.
        systems: one: a report of it; several: one of all of them; none: the whole event.
        span: instead of the windows.
        target: the directory; it must not exist.
        progress: told how many systems are done, and of how many.
        printed: with PDFs.

    Raises:
        ConfigurationError: there is no journal, or the target exists.
        InputError: there is nothing to report.
    """
    if target.exists():
        raise ConfigurationError(f"{target} exists: name a new directory, or move it away")
    said = wishes(node.site.reports)
    archive, photos = node.layout.data / "archive", node.layout.data / "photos"
    wanted = Wanted(
        event_id,
        systems[0] if len(systems) == 1 else None,
        span,
        1,
        OPERATOR,
        systems=tuple(systems) if len(systems) > 1 else (),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        sources = Sources(
            reader, ArchiveReader(archive) if archive.is_dir() else None, photos, said.of, said.attendance
        )
        made = make(sources, wanted, reader.head().position, target, target.parent, progress)
    if printed:
        shown = {one["sha256"]: photos / one["sha256"] for one in made.document["photos"]}
        there = {sha256: path for sha256, path in shown.items() if path.is_file()}
        (target / PAPER).write_bytes(paper(made.document, there))
    return made


def take_out(made: Callable[[Path], object], name: str, output: Path) -> None:
    """Make a report beside `output`, and keep only one of its files, at `output`."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".report-", dir=output.parent) as directory:
        target = Path(directory, "report")
        made(target)
        shutil.move(target / name, output)
