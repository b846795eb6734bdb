"""Requests for reports on the stream: how ours are written, and what anyone's come to. Pure.

Rules that must stay true here:
- the id of a request follows from what made it due, so asking twice, after any crash, records it once;
- a request that others make is honoured as the next revision of what it is about, up to its own cut.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bus import instants
from bus.envelope import Envelope, Event
from bus.intake import SITE
from projectors.report_fold import SPANS, ReportFold, event_key
from projectors.report_lines import EVENT, OPERATOR, Line, Request
from projectors.windows import Window

REQUESTED: Final = "report.requested"
GENERATED: Final = "report.generated"
_LONGEST: Final = 4000
_SPACE = uuid.UUID("2f6d8f0e-6a35-5c0b-9d3e-7b1f4a90c6d2")


@dataclass(frozen=True, slots=True)
class Asked:
    """A report that was asked for, as it is to be made.

    Attributes:
        span: what was asked for; None: the newest window of the system, or the whole event.
    """

    event_id: str
    system_id: str | None
    span: tuple[int, int] | None
    revision: int
    cut: int
    reason: str


def envelope_of(request: Request, source: str) -> Envelope:
    """Write a request as the event that asks for it."""
    names = (request.scope, request.system_id or "", request.event_id, request.window or 0, request.trigger)
    return Envelope(
        id=name_of(REQUESTED, *names),
        source=source,
        type=REQUESTED,
        subject=request.system_id or SITE,
        time_us=request.time_us,
        data={
            "scope": request.scope,
            "event_id": request.event_id,
            "revision": request.revision,
            "cut_position": request.cut,
            "reason": request.reason,
            "from": instants.text(request.from_us),
            "to": instants.text(request.to_us),
        },
    )


def generated(source: str, job: Mapping[str, Any], result: Mapping[str, Any], time_us: int) -> Envelope:
    """Write that a report is there.

    Args:
        source: of our events.
        job: what was asked for; see `report_rows.next_make`.
        result: what was made; see `report_making.make`.
        time_us: by the stream's clock.
    """
    data = {
        "scope": job["scope"],
        "event_id": job["event_id"],
        "revision": job["revision"],
        "cut_position": job["cut"],
        "href": f"{job['directory']}/report.html",
        "sha256": result["sha256"],
        "journal_hash": result["journal_hash"],
        "incarnation": result["incarnation"],
        "request": job["id"],
        "totals": result["totals"],
    }
    if result["changed"]:
        data["changed"] = changes(result["changed"])
    subject = job["system_id"] or SITE
    return Envelope(name_of(GENERATED, job["source"], job["id"]), source, GENERATED, subject, time_us, data)


def changes(changed: Sequence[Mapping[str, Any]]) -> str:
    """Write what changed as one text."""
    text = "; ".join(
        f"{one['figure']}: {_number(one['before'])} -> {_number(one['after'])}" for one in changed
    )
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + " …"


def _number(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) else "unknown" if value is None else str(value)


def name_of(*parts: object) -> str:
    """Return the id that follows from these."""
    return str(uuid.uuid5(_SPACE, "\n".join(map(str, parts))))


def requested(fold: ReportFold, event: Event, *, own: bool) -> Asked:
    """Take in that a report was asked for, by us or by others, and return what is to be made.

    Others cannot know which revision it will be, nor whether something was asked for meanwhile: theirs is the
    next one. What another node asked for is made there, and is not for us.
    """
    data = event.data
    system_id = None if data["scope"] == EVENT else fold.aliases.resolve(event.subject)
    span = _span(data)
    cut = min(data["cut_position"], event.position)
    line = _line_of(fold, data["event_id"], system_id, span, exactly=not own)
    if own:
        revision = data["revision"]
        if line is not None:
            line.revision = max(line.revision, revision)
    elif line is not None:
        line.revision = revision = line.revision + 1
        if line.spec is not None and line.late <= cut:
            line.due_us = None
    else:
        revision = _again(fold, f"{data['event_id']} {system_id} {span}")
    return Asked(data["event_id"], system_id, span, revision, cut, data.get("reason", OPERATOR))


def _line_of(
    fold: ReportFold, event_id: str, system_id: str | None, span: tuple[int, int] | None, *, exactly: bool
) -> Line | None:
    """Find the line that a report belongs to; None for a span that is no window.

    Without a span the newest window of a system is meant, or the whole event.
    """
    if system_id is None:
        line = fold.events.get(event_id)
        if line is None or (exactly and span is not None and list(span) != (line.spec or [])[:2]):
            return None
        fold.touched.add(event_key(event_id))
        return line
    found = [
        (name, window)
        for name in fold.named(system_id)
        for window in fold.parts[name].windows.values()
        if window.event_id == event_id
    ]
    same = [one for one in found if (one[1].started_us, one[1].ended_us) == span]
    if span is not None and (same or exactly):
        found = same
    if not found:
        return None
    name, window = max(found, key=_by_start)
    fold.touched.add(name)
    return fold.parts[name].lines[window.started_by]


def _by_start(found: tuple[str, Window]) -> tuple[int, str]:
    return found[1].started_us, found[0]


def _again(fold: ReportFold, span: str) -> int:
    fold.touched.add(SPANS)
    fold.spans[span] = fold.spans.get(span, 0) + 1
    return fold.spans[span]


def _span(data: Mapping[str, Any]) -> tuple[int, int] | None:
    if "from" not in data or "to" not in data:
        return None
    return instants.parse(data["from"]), instants.parse(data["to"])
