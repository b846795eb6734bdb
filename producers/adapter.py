"""What a device adapter is: it reads, and everything else is the runner's.

Rules that must stay true here:
- `read` gives all readings of one poll; None is "the device has no value now", a missing name is "not asked";
- alarms and parts are told as states, as often as one likes: the runner finds out what has changed;
- `read` may be cancelled at any await, and the next call must work all the same;
- an adapter never blocks the event loop: what can only block runs in a thread of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import TransientError

Values = Mapping[str, float | None]


class DeviceError(TransientError):
    """The device could not be read.

    Attributes:
        reason: one word, as `device.disconnected` knows them: left, silent, timeout, refused, link_lost …;
            the message is the detail.
    """

    def __init__(self, detail: str, *, reason: str = "silent") -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Description:
    """What a device says about itself; None where it does not."""

    maker: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    hardware: str | None = None
    product_id: str | None = None
    rated_w: float | None = None
    rated_va: float | None = None
    rated_a: float | None = None
    phases: int | None = None
    capacity_ah: float | None = None


@dataclass(frozen=True, slots=True)
class AlarmSeen:
    """The state of one alarm as the device told it.

    Attributes:
        alarm: a word: grid_lost, overload, high_temperature …
        level: "warning" or "alarm"; None when it is not active.
        device: of the system; the poll's own when left out.
        phase: l1, l2 or l3 when it concerns one.
        code: the device's own number for it.
        text: the device's own words.
        at_us: when it was seen, by the monotonic clock; the middle of the read when left out.
    """

    alarm: str
    level: str | None
    device: str = ""
    phase: str = ""
    code: float | None = None
    text: str = ""
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class PartSeen:
    """A device behind the one that is polled: a service of a GX device, a unit behind a gateway.

    Attributes:
        device: its name within the system, such as `vebus/276`.
        reason: why it is not present, as `device.disconnected` knows reasons.
        description: what it is, once known.
        at_us: as in `AlarmSeen`.
    """

    device: str
    present: bool
    reason: str = "left"
    detail: str = ""
    description: Description | None = None
    at_us: int | None = None


Seen = AlarmSeen | PartSeen


@dataclass(frozen=True, slots=True)
class Read:
    """What one read gave.

    Attributes:
        values: may be empty, then there is no sample.
        seen: states of alarms and parts in order of time.
        missing: what could not be read, in words; the sample is flagged `partial` then.
    """

    values: Values
    seen: Sequence[Seen] = ()
    missing: str = ""


class Adapter(Protocol):
    """Reads one device, or one part of it that is polled together."""

    async def read(self) -> Read:
        """Read once.

        Raises:
            DeviceError: nothing could be read.
        """
        ...

    async def describe(self) -> Description | None:
        """Tell what the device is; None when it cannot say yet, and the runner asks again."""
        ...

    async def close(self) -> None:
        """Let go of connections; called once, after the last read."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One poll of one device.

    Several specs of one (system_id, device) are one device, read at several paces: it is connected while
    any of them works, and described once.

    Attributes:
        kind: of the samples, such as `victron`; the series are named after it.
        device: which device of the system, such as `vebus/276`; the kind when left out.
        address: where it is reached.
        timeout_ms: how long one read may take before it counts as failed.
        patience: reads that fail in a row before the device counts as disconnected.
        longest_pause_ms: how long a device that does not answer is left alone at most; 0 when asking is free.
    """

    system_id: str
    kind: str
    interval_ms: int
    adapter: Adapter
    device: str = ""
    address: str = ""
    timeout_ms: int = 2_000
    patience: int = 3
    longest_pause_ms: int = 60_000

    @property
    def device_key(self) -> tuple[str, str]:
        """Name the device."""
        return self.system_id, self.device or self.kind

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Name the poll: no two of one runner share it."""
        return self.system_id, self.device or self.kind, self.kind, self.interval_ms
