"""What was noted, raised, counted and lost in a span, taken from events for the reporter. Pure.

Rules that must stay true here:
- order is that of time, then of the journal, whatever order events come in;
- an alarm counts where it was raised inside the span or still stood at its beginning;
- of occurrences only what was confirmed is told.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bus import instants
from bus.envelope import Event
from bus.intake import SITE
from projectors import windows
from projectors.nodes import client_of
from projectors.report_fold import DROPPED
from projectors.report_past import ALARMS
from projectors.state_system import alarm_key
from reporter.facts import Alarm, Dropped, Occurred, Remark
from schemas.occurrences import TABLE

_DONE: Final = {windows.STARTED: "started", windows.ENDED: "ended", windows.CORRECTED: "corrected"}


def _ordered(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.time_us, event.position))


def remarks(events: Iterable[Event], system_id: str | None, from_us: int, to_us: int) -> Iterator[Remark]:
    """Yield notes, photos, places and what was done with windows; the end of the span is inside."""
    for event in _ordered(events):
        if not from_us <= event.time_us <= to_us:
            continue
        data = event.data
        about = system_id or (None if event.subject == SITE else event.subject)
        if event.type == "note.added":
            yield Remark(event.time_us, client_of(event), "note", data["text"], system_id=about)
        elif event.type == "photo.added":
            caption = data.get("caption")
            yield Remark(
                event.time_us,
                client_of(event),
                "photo",
                caption or "",
                data["sha256"],
                data.get("media_type"),
                caption,
                about,
            )
        elif event.type == windows.LOCATED:
            place = windows.fact_of(event).location or ""
            yield Remark(event.time_us, client_of(event), "location", place, system_id=about)
        elif event.type in _DONE:
            text, word = data.get("note", ""), _DONE[event.type]
            yield Remark(event.time_us, client_of(event), "window", text, caption=word, system_id=about)


def alarms(events: Iterable[Event], system_id: str, from_us: int, to_us: int) -> Iterator[Alarm]:
    """Join raising and clearing; raised again while it stands it is one alarm, of the worst level."""
    standing: dict[tuple[str, ...], list[Event]] = {}
    found: list[Alarm] = []
    for event in _ordered(event for event in events if event.type in ALARMS):
        key = alarm_key("alarm", event.data)
        if event.type == "alarm.raised":
            standing.setdefault(key, []).append(event)
        elif key in standing:
            found.append(_alarm(standing.pop(key), system_id, event.time_us))
    found += [_alarm(raised, system_id, None) for raised in standing.values()]
    inside = [one for one in found if one.from_us < to_us and (one.to_us is None or one.to_us >= from_us)]
    yield from sorted(inside, key=lambda one: (one.from_us, one.name, one.device, one.phase))


def _alarm(raised: Sequence[Event], system_id: str, to_us: int | None) -> Alarm:
    first, data = raised[0], raised[-1].data
    level = "alarm" if any(one.data.get("level") == "alarm" for one in raised) else data.get("level", "")
    return Alarm(
        data["alarm"],
        level,
        data.get("device", ""),
        data.get("phase", ""),
        data.get("text", ""),
        first.time_us,
        to_us,
        system_id,
    )


def occurrences(events: Iterable[Event], system_id: str, from_us: int, to_us: int) -> Iterator[Occurred]:
    """Yield what was confirmed, each with how long it lasted where its end is among the events."""
    counted = [
        event
        for event in _ordered(events)
        if event.type in TABLE.occurrences and event.data.get("stage") == "confirmed"
    ]
    following: dict[str, Event] = {}
    found: list[Occurred] = []
    for event in reversed(counted):
        if from_us <= event.time_us < to_us:
            ended = following.get(TABLE.ended_by(event.type) or "")
            found.append(
                Occurred(
                    event.type,
                    TABLE.get(event.type).severity,
                    event.time_us,
                    None if ended is None else _lasted_s(event, ended),
                    event.data.get("cause"),
                    system_id,
                )
            )
        following[event.type] = event
    yield from reversed(found)


def _lasted_s(event: Event, ended: Event) -> float:
    """Tell how long it lasted: as its end says, or from when it began."""
    if "duration_s" in ended.data:
        return float(ended.data["duration_s"])
    since = event.data.get("since")
    began_us = event.time_us if since is None else instants.parse(since)
    return (ended.time_us - began_us) / instants.SECOND_US


def dropped(events: Iterable[Event], from_us: int, to_us: int) -> Iterator[Dropped]:
    """Yield what senders had to drop of the span."""
    for event in _ordered(event for event in events if event.type == DROPPED):
        first_us, last_us = instants.parse(event.data["from"]), instants.parse(event.data["to"])
        if first_us < to_us and last_us >= from_us:
            yield Dropped(first_us, last_us, event.data["count"], event.data["reason"])
