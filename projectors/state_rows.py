"""How the state of systems looks as rows of `state_schema.sql`. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from bus.envelope import Event
from projectors.fleet import Node
from projectors.nodes import client_of
from projectors.state_fold import NOTE, PHOTO
from projectors.state_system import Alarm, AlarmKey, Device, Stamped, Stream, System
from projectors.windows import Verdict, WindowFact, Windows

Key = tuple[str, str, int, int]
Values = tuple[Any, ...]
_IDLE = {Verdict.NOTHING_ACTIVE, Verdict.OTHER_ACTIVE}


def derived(
    system_id: str, system: System, shared: Mapping[int, WindowFact], windows: Windows
) -> dict[Key, Values]:
    """Return all rows that follow from a system's windows, by table and primary key.

    Args:
        system_id: whose.
        system: its facts; those of `windows` are among them.
        shared: facts about all systems.
        windows: what the facts came to, at one time.
    """
    rows: dict[Key, Values] = {}
    for window in windows.windows:
        rows["windows", system_id, window.started_by, 0] = (
            system_id,
            window.started_by,
            window.event_id,
            window.started_us,
            window.ended_us,
            window.ended_by,
            int(window.superseded),
            window.location,
        )
        for index, part in enumerate(window.segments):
            rows["segments", system_id, window.started_by, index] = (
                system_id,
                window.started_by,
                index,
                part.location,
                part.from_us,
                part.to_us,
            )
    for position, outcome in windows.outcomes.items():
        fact = system.facts.get(position) or shared[position]
        if position in system.facts or outcome.verdict not in _IDLE:
            rows["outcomes", system_id, position, 0] = (
                system_id,
                position,
                outcome.verdict.value,
                outcome.time_us,
                outcome.event_id,
                outcome.superseded,
                outcome.corrected_by,
            )
        if fact.location is not None and outcome.verdict is not Verdict.UNDONE:
            place = system.places.get(position, {})
            where = (place.get("lat"), place.get("lon"), place.get("accuracy_m"))
            rows["locations", system_id, position, 0] = (
                system_id,
                position,
                outcome.time_us,
                fact.location,
                *where,
            )
    return rows


def system_row(system_id: str, system: System) -> Values:
    """Return a system's own row."""
    said = system.registration.data if system.registration else {}
    active, by = system.windows.active, system.windows.located_by
    place = system.places.get(by, {}) if by is not None else {}
    return (
        system_id,
        said.get("name"),
        said.get("kind"),
        _json(said) if said else None,
        active.event_id if active else None,
        active.started_us if active else None,
        system.windows.location,
        place.get("lat"),
        place.get("lon"),
        system.windows.outcomes[by].time_us if by is not None else None,
    )


def sample_row(system_id: str, stream: Stream, sample: Stamped) -> Values:
    """Return the newest sample of a stream."""
    brought = (sample.node_position, sample.node_recorded_us)
    return system_id, *stream, sample.time_us, sample.position, _json(sample.data), *brought


def node_row(name: str, node: Node) -> Values:
    """Return a node, as far as its events are here."""
    facts_us, facts = node.facts
    samples_us, samples = node.samples
    said = node.restored
    restored = None if said is None else orjson.dumps([said.time_us, said.position, said.data]).decode()
    told_us, told = node.progressed
    places = (facts, facts_us, samples, samples_us, told, told_us)
    return name, node.incarnation, *places, node.brought_us, restored


def device_row(system_id: str, name: str, device: Device) -> Values:
    """Return a device."""
    connected = None if device.connected is None else int(device.connected)
    return system_id, name, connected, *_stamped(device.connection), *_stamped(device.description)


def alarm_row(system_id: str, key: AlarmKey, alarm: Alarm) -> Values:
    """Return an alarm, active or not."""
    raised = alarm.ordered()
    newest = raised[-1].data if raised else {}
    return (
        system_id,
        *key,
        raised[0].time_us if raised else None,
        newest.get("level") or newest.get("severity"),
        newest.get("text"),
        alarm.cleared.time_us if alarm.cleared else None,
        alarm.cleared.position if alarm.cleared else None,
        orjson.dumps([[said.time_us, said.position, said.data] for said in raised]).decode(),
        alarm.seen and orjson.dumps([alarm.seen.time_us, alarm.seen.position, alarm.seen.data]).decode(),
    )


def log_rows(system_id: str, event: Event) -> Iterator[tuple[str, Values]]:
    """Yield what a fact adds to the audit log and, with a note or photo, to their tables."""
    yield (
        "audit_log",
        (
            event.position,
            system_id,
            event.subject,
            event.time_us,
            event.recorded_us,
            client_of(event),
            event.source,
            event.id,
            event.type,
            _json(event.data),
        ),
    )
    head = (event.position, system_id, event.time_us, client_of(event), event.data.get("event_id"))
    if event.type == NOTE:
        yield "notes", (*head, event.data["text"])
    elif event.type == PHOTO:
        names = ("sha256", "media_type", "caption", "bytes", "width", "height")
        yield "photos", (*head, *(event.data.get(name) for name in names))


def _stamped(said: Stamped | None) -> tuple[str | None, int | None, int | None]:
    return (None, None, None) if said is None else (_json(said.data), said.time_us, said.position)


def _json(data: Mapping[str, Any]) -> str:
    return orjson.dumps(data).decode()
