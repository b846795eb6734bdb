"""The payloads that producers publish: samples, what happens to devices, and their alarms.

Pure. `last_seen` is a monotonic time here; `stamped` turns it into a text when the event gets its own time.

A sample is `late` when it is not where it seems to be: its poll ran more than half an interval behind its
slot, so that the series has a gap before it; or it waited for more than two seconds (for a trusted clock, or
for a process that was killed) before the outbox had it, so that it is history already when it is told.
"""

from dataclasses import asdict
from math import isfinite
from typing import Any

from bus import instants
from bus.envelope import Envelope
from producers.adapter import Description, DeviceSpec, Values
from producers.alarms import Change
from producers.holding import Stamped
from producers.parts import PartChange

_LATE_US = 2_000_000
_LONGEST = {"detail": 500, "text": 500}
_LONGEST_TEXT = 120


def sample(spec: DeviceSpec, values: Values, *, partial: bool, late: bool) -> dict[str, Any]:
    """Make the payload of `sample.taken`."""
    data: dict[str, Any] = {"kind": spec.kind, "interval_ms": spec.interval_ms, "values": finite(values)}
    if partial:
        data["partial"] = True
    if late:
        data["late"] = True
    return data


def connected(spec: DeviceSpec) -> dict[str, Any]:
    """Make the payload of `device.connected`."""
    return _fact(spec, address=spec.address)


def disconnected(spec: DeviceSpec, reason: str, detail: str, seen_us: int | None) -> dict[str, Any]:
    """Make the payload of `device.disconnected`."""
    return _fact(spec, reason=reason, detail=detail, last_seen=seen_us)


def described(spec: DeviceSpec, description: Description) -> dict[str, Any]:
    """Make the payload of `device.described`."""
    return _fact(spec, address=spec.address, **asdict(description))


def part(spec: DeviceSpec, change: PartChange) -> dict[str, Any]:
    """Make the payload of what happened to a device behind the polled one."""
    said: dict[str, Any] = {"device": change.device, "kind": spec.kind}
    if change.type == "device.disconnected":
        said |= {"reason": change.reason, "detail": change.detail, "last_seen": change.seen_us}
    else:
        said["address"] = spec.address
    if change.description is not None:
        said |= asdict(change.description)
    return _clean(said)


def alarm(change: Change) -> dict[str, Any]:
    """Make the payload of `alarm.raised` or `alarm.cleared`."""
    return _clean({name: value for name, value in asdict(change).items() if name != "type"})


def stamped(item: Stamped, source: str, now_us: int) -> Envelope:
    """Make an event of a stamped payload; `now_us` is monotonic."""
    held, data = item.held, item.held.data
    if held.type == "sample.taken":
        data = {**data, **_flags(item, now_us)}
    elif data.get("last_seen") is not None:
        data = {**data, "last_seen": instants.text(item.time_us - held.monotonic_us + data["last_seen"])}
    return Envelope(held.id, source, held.type, held.subject, item.time_us, data)


def finite(values: Values) -> Values:
    """Turn what is no number (NaN, infinities) into "no value"."""
    if all(value is None or isfinite(value) for value in values.values()):
        return values
    return {name: value if value is not None and isfinite(value) else None for name, value in values.items()}


def line(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Turn any text into one printable line without blanks at its ends."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:longest].strip()


def _flags(item: Stamped, now_us: int) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    if not item.exact or now_us - item.held.monotonic_us > _LATE_US:
        flags["late"] = True
    if item.unsynced:
        flags |= {
            "unsynced": True,
            "boot_id": item.held.boot_id,
            "monotonic_us": max(0, item.held.monotonic_us),
        }
    return flags


def _fact(spec: DeviceSpec, **fields: Any) -> dict[str, Any]:
    return _clean({"device": spec.device_key[1], "kind": spec.kind, **fields})


def _clean(said: dict[str, Any]) -> dict[str, Any]:
    """Make texts what the schemas ask for, and leave out what is not said."""
    cleaned = {
        name: line(value, _LONGEST.get(name, _LONGEST_TEXT)) if isinstance(value, str) else value
        for name, value in said.items()
    }
    return {name: value for name, value in cleaned.items() if value not in {None, ""}}
