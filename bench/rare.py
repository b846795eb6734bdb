"""Rare events as a season brings them: devices that come and go, alarms, notes, and facts of operators."""

from collections.abc import Iterator, Mapping
from typing import Any

from bus import ids, instants
from bus.envelope import Envelope

SYSTEMS = 100
_STEP_US = 10_000

Fact = tuple[str, Mapping[str, Any]]


def events(count: int) -> Iterator[Envelope]:
    """Make events that end now: alarms, devices, notes, and one in twenty of a window."""
    start_us = instants.now_us() - count * _STEP_US
    for n in range(count):
        turn, system = divmod(n, SYSTEMS)
        type_, data = _fact(turn)
        time_us = start_us + n * _STEP_US
        yield Envelope(ids.uuid7(), "/bench/rare", type_, f"rig_{system:03d}", time_us, data)


def _fact(turn: int) -> Fact:
    round_, step = divmod(turn, 20)
    if step == 0:
        return _window(round_)
    if step % 5 == 0 or step == 1:
        return "note.added", {"text": f"Generator refuelled, {turn} litres, level checked by the crew"}
    device = f"vebus/{turn // 4 % 4}"
    if step % 5 <= 2:
        came = {"device": device, "kind": "victron", "address": "192.168.1.20"}
        return ("device.connected", came) if turn % 2 else ("device.disconnected", {"device": device})
    alarm = {"alarm": f"low_battery_{turn // 4 % 3}", "device": device}
    return ("alarm.raised", {**alarm, "level": "warning"}) if turn % 2 else ("alarm.cleared", alarm)


def _window(round_: int) -> Fact:
    event_id = f"Concert {round_ // 3}"
    return (
        ("window.started", {"event_id": event_id, "location": "Main stage"}),
        ("location.set", {"name": "Back stage", "lat": 52.1, "lon": 5.2}),
        ("window.ended", {"event_id": event_id}),
    )[round_ % 3]
