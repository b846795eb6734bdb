"""Whether a device is connected, folded from the outcomes of its polls.

Pure. Rules that must stay true here:
- a device is one link, however many paces it is read at: it is connected while the last read of any of
  them worked;
- a change is told once, and a device that never answered is told as disconnected, once;
- a device that comes back is asked again what it is, since another one may hang on the cable now.
"""

from dataclasses import dataclass, field

from producers.adapter import Description

_ASK_AGAIN_US = 60_000_000


@dataclass(slots=True)
class Link:
    """The state of one device.

    Attributes:
        connected: None until the first verdict.
        detail: why it is not connected.
        seen_us: when it answered last, by the monotonic clock.
        failures: reads failed in a row, by poll.
        asked_us: when it was last asked what it is; None since it connected.
    """

    system_id: str
    device: str
    connected: bool | None = None
    detail: str = ""
    seen_us: int | None = None
    failures: dict[int, int] = field(default_factory=dict)
    described: Description | None = None
    asked_us: int | None = None

    def succeeded(self, interval_ms: int, now_us: int) -> bool:
        """Note a read that worked; True when the device is connected from now on and was not before."""
        self.failures[interval_ms] = 0
        self.seen_us = now_us
        if self.connected:
            return False
        self.connected, self.detail, self.asked_us = True, "", None
        return True

    def failed(self, interval_ms: int, detail: str, patience: int) -> bool:
        """Note a read that failed; True when the device is disconnected from now on and was not before."""
        self.failures[interval_ms] = self.failures.get(interval_ms, 0) + 1
        exhausted = max(self.failures.values()) >= patience and all(self.failures.values())
        if self.connected is False or not exhausted:
            return False
        self.connected, self.detail = False, detail
        return True

    def forget(self, interval_ms: int) -> None:
        """Note that the device is not read at this pace any more: how it went there says nothing now."""
        self.failures.pop(interval_ms, None)

    def stopped(self) -> bool:
        """Note that nobody asks any more; True when the device was connected until now."""
        was_connected, self.connected = self.connected, False
        return was_connected is True

    def ask(self, now_us: int) -> bool:
        """Tell whether it is time to ask what the device is: once a connection, and again until it says."""
        asked_us = self.asked_us
        if asked_us is not None and (self.described is not None or now_us - asked_us < _ASK_AGAIN_US):
            return False
        self.asked_us = now_us
        return True

    def learned(self, description: Description) -> bool:
        """Note what the device is; True when that is news."""
        news = description != self.described
        self.described = description
        return news
