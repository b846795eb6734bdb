"""Facts for reports: what a request is about, and what the past says of it, as the reporter wants it. Pure.

Rules that must stay true here: the same past and request give the same facts; nothing that was recorded after
the cut is among them, but what was told of earlier revisions; what was said of another event is another
client's, and no word of it is among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bus import instants
from bus.envelope import Event
from bus.intake import SITE
from projectors import windows
from projectors.nodes import HERE, name_of, plain, qualified
from projectors.report_past import Past
from projectors.report_said import alarms, dropped, occurrences, remarks
from projectors.windows import Window
from reporter.facts import EventFacts, MadeFrom, Segment, SystemFacts


@dataclass(frozen=True, slots=True)
class Part:
    """One system in one window, or in a part of it that was asked for.

    Attributes:
        window: None for a span in which the system took part in nothing.
        number: counts the windows of the system in the event, from 1.
        node: whose system it was; empty for ours.
    """

    system_id: str
    from_us: int
    to_us: int
    window: Window | None
    number: int
    node: str = HERE

    @property
    def name(self) -> str:
        """The system's name, with its node where that is not ours."""
        return qualified(self.system_id, self.node)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for.

    Attributes:
        system_id: None for the whole event.
        span: None for the newest window, or the whole event.
        position: of the request; None where none is recorded.
        systems: of an event, only these; none named: all.
    """

    event_id: str
    system_id: str | None
    span: tuple[int, int] | None
    revision: int
    reason: str
    position: int | None = None
    systems: tuple[str, ...] = ()


def parts(past: Past, wanted: Wanted) -> list[Part]:
    """Return what a report is about: windows, or their parts in the span asked for, by system and time.

    A span that is asked for of systems that took no part in the event is about these systems all the same.
    """
    now_us = past.now_us()
    numbers: dict[str, int] = {}
    found: list[Part] = []
    for name, window in past.members(wanted.event_id):
        system_id, node = plain(name)
        numbers[system_id] = number = numbers.get(system_id, 0) + 1
        from_us, to_us = window.started_us, window.ended_us if window.ended_us is not None else now_us
        if wanted.span is not None:
            from_us, to_us = max(from_us, wanted.span[0]), min(to_us, wanted.span[1])
        named = wanted.systems or ((wanted.system_id,) if wanted.system_id else ())
        if to_us > from_us and (not named or system_id in named):
            found.append(Part(system_id, from_us, to_us, window, number, node))
    if wanted.system_id is not None:
        found = _one(found, wanted)
    missing = set(wanted.systems or ((wanted.system_id,) if wanted.system_id else ()))
    missing -= {part.system_id for part in found}
    if wanted.span is not None:
        found += [Part(system_id, *wanted.span, None, 1) for system_id in sorted(missing)]
    return found


def _one(found: list[Part], wanted: Wanted) -> list[Part]:
    """Keep the window that is meant: the one with this beginning, or the newest."""
    if wanted.span is None:
        return sorted(found, key=_by_start)[-1:]
    exact = [part for part in found if (part.from_us, part.to_us) == wanted.span]
    if exact:
        return exact
    from_us, to_us = wanted.span
    inside = [part for part in found if part.window is not None and _within(part.window, from_us, to_us)]
    return [
        Part(one.system_id, from_us, to_us, one.window if inside else None, 1, one.node)
        for one in (inside or found)[:1]
    ]


def _within(window: Window, from_us: int, to_us: int) -> bool:
    """Tell whether a span lies inside of a window."""
    return window.started_us <= from_us and (window.ended_us is None or to_us <= window.ended_us)


def _by_start(part: Part) -> tuple[int, str]:
    return part.from_us, part.node


def windows_in(past: Past, event_id: str, part: Part) -> tuple[Window, ...]:
    """Return the windows of the event that a part is of, or that its span touches; none for a bare span."""
    if part.window is not None:
        return (part.window,)
    return tuple(
        window
        for name, window in past.members(event_id)
        if name == part.name
        and window.started_us < part.to_us
        and (window.ended_us is None or window.ended_us > part.from_us)
    )


def system_facts(
    past: Past, wanted: Wanted, part: Part, happened: Mapping[str, Sequence[Event]], made_from: MadeFrom
) -> SystemFacts:
    """Gather the facts of one system in one window; `late_samples` is for who reads samples."""
    window, known = part.window, past.known(part.name)
    from_us, to_us = part.from_us, part.to_us
    events = happened.get(part.name, ())
    own = [event for event in past.said.values() if _about(past, event, part)]
    told = [event for event in (*events, *own) if _concerns(past, event, own, part, wanted.event_id)]
    touched = windows_in(past, wanted.event_id, part)
    elsewhere = happened.get(qualified(SITE, part.node), ())
    return SystemFacts(
        event_id=wanted.event_id,
        system_id=part.system_id,
        from_us=from_us,
        to_us=to_us,
        made_from=made_from,
        ended=not any(one.active for one in touched),
        superseded=window is not None and window.superseded and to_us == window.ended_us,
        started_by=past.who(window.started_by) if window is not None else None,
        ended_by=past.who(window.ended_by) if window is not None else None,
        segments=tuple(one for window in touched for one in _segments(window, from_us, to_us)),
        registration=known.registration.data if known.registration is not None else {},
        described=tuple(event.data for _, event in sorted(known.described.items())),
        remarks=tuple(remarks(told, part.system_id, from_us, to_us)),
        alarms=tuple(alarms(events, part.system_id, from_us, to_us)),
        occurrences=tuple(occurrences(events, part.system_id, from_us, to_us)),
        dropped=tuple(dropped([*events, *elsewhere], from_us, to_us)),
        revision=wanted.revision,
        reason=wanted.reason,
        previous=previous(past, wanted, part.system_id, from_us),
        behind=(part.node,) if any(past.behind(part.node, one) for one in touched) else (),
    )


def event_facts(
    past: Past,
    wanted: Wanted,
    systems: Sequence[SystemFacts],
    happened: Mapping[str, Sequence[Event]],
    made_from: MadeFrom,
    attendance: int | None = None,
) -> EventFacts:
    """Gather the facts of a whole event from those of its systems, and from what was said of the event."""
    from_us, to_us = wanted.span or (min(one.from_us for one in systems), max(one.to_us for one in systems))
    named = [event for events in happened.values() for event in events if _names(event, wanted.event_id)]
    noted = {
        (one.time_us, one.system_id or "", one.kind, one.caption or "", one.text, one.client): one
        for one in (
            *(remark for facts in systems for remark in facts.remarks),
            *remarks(named, None, 0, 2**62),
        )
    }
    return EventFacts(
        event_id=wanted.event_id,
        from_us=from_us,
        to_us=to_us,
        made_from=made_from,
        ended=all(one.ended for one in systems),
        attendance=attendance,
        remarks=tuple(noted[key] for key in sorted(noted)),
        alarms=tuple(alarm for facts in systems for alarm in facts.alarms),
        occurrences=tuple(one for facts in systems for one in facts.occurrences),
        late_samples=sum(facts.late_samples for facts in systems),
        revision=wanted.revision,
        reason=wanted.reason,
        previous=previous(past, wanted, None, from_us),
        behind=tuple(sorted({node for facts in systems for node in facts.behind})),
    )


def previous(past: Past, wanted: Wanted, system_id: str | None, from_us: int) -> Mapping[str, Any] | None:
    """Return the totals that were told of the revision before; None when nothing was told."""
    if wanted.system_id != system_id:
        return None  # a system inside a whole event's report: its own reports tell what changed
    best: tuple[int, Mapping[str, Any]] | None = None
    for event in past.told:
        request = past.requests.get(event.data.get("request", ""))
        revision = event.data["revision"]
        if request is None or revision >= wanted.revision or not _same(past, request, wanted, from_us):
            continue
        if best is None or revision >= best[0]:
            best = revision, event.data.get("totals", {})
    return None if best is None else best[1]


def first_cut(past: Past, wanted: Wanted, part: Part) -> int | None:
    """Return the position up to which the first report on this counted; None for the first one."""
    one = Wanted(wanted.event_id, part.system_id, (part.from_us, part.to_us), wanted.revision, wanted.reason)
    cuts = [
        event.data["cut_position"]
        for event in past.requests.values()
        if _same(past, event, one, part.from_us) and event.data["cut_position"] < past.cut
    ]
    return min(cuts, default=None)


def _same(past: Past, request: Event, wanted: Wanted, from_us: int) -> bool:
    """Tell whether a request was about the same thing; one that names no beginning is about any."""
    data = request.data
    scope = "event" if wanted.system_id is None else "system"
    if (data["event_id"], data["scope"]) != (wanted.event_id, scope):
        return False
    if wanted.system_id is None:
        return wanted.reason != "operator" or "from" not in data or instants.parse(data["from"]) == from_us
    if past.aliases.resolve(request.subject) != wanted.system_id:
        return False
    return "from" not in data or instants.parse(data["from"]) == from_us


def _about(past: Past, event: Event, part: Part) -> bool:
    named = past.aliases.resolve(name_of(event))
    return named in {part.name, qualified(windows.ALL, part.node)}


def _concerns(past: Past, event: Event, own: Sequence[Event], part: Part, event_id: str) -> bool:
    """Tell whether what was said is of this event or of none; a correction is of what it corrects."""
    seen: set[str] = set()
    while event.type == windows.CORRECTED and event.data["corrects"] not in seen:
        seen.add(event.data["corrects"])
        found = next((one for one in own if one.id == event.data["corrects"]), None)
        if found is None:
            return False
        event = found
    outcome = past.known(part.name).windows.outcomes.get(event.position)
    named = event.data.get("event_id") or (None if outcome is None else outcome.event_id)
    return named in {None, event_id}


def _names(event: Event, event_id: str) -> bool:
    return bool(event.data.get("event_id") == event_id and event.type in {"note.added", "photo.added"})


def _segments(window: Window, from_us: int, to_us: int) -> tuple[Segment, ...]:
    cut = [
        Segment(
            one.location, max(from_us, one.from_us), min(to_us, to_us if one.to_us is None else one.to_us)
        )
        for one in window.segments
    ]
    return tuple(one for one in cut if one.to_us > one.from_us)
