"""The devices behind a polled one, folded from what its reads tell of them.

Pure. Rules that must stay true here:
- a part is connected while it is there and the device before it answers: when that one falls silent nobody
  knows what is behind it, so its parts are told as disconnected with it, and come back with it;
- a part that was never there does not leave;
- a part that an earlier life of this process left as connected counts as there until the device has answered
  for a minute without a word of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from producers.adapter import Description, PartSeen
from producers.link import Link

BEHIND = "behind"
LEFT = "left"
_FORGOTTEN_AFTER_US = 60_000_000
_PACE = 0  # a part has no polls of its own: its link knows one pace


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part that came, went, or said what it is.

    Attributes:
        type: device.connected, device.disconnected or device.described.
        seen_us: when a part that went was there last.
    """

    type: str
    device: str
    reason: str = ""
    detail: str = ""
    seen_us: int | None = None
    description: Description | None = None


@dataclass(slots=True)
class _Part:
    link: Link
    there: bool = True
    mentioned: bool = True


class Parts:
    """The parts of one polled device."""

    def __init__(self, system_id: str) -> None:
        self._system_id = system_id
        self._parts: dict[str, _Part] = {}

    def fold(self, seen: PartSeen, at_us: int, answered_us: int | None) -> Iterator[PartChange]:
        """Take in what a read told of a part.

        Args:
            seen: the state.
            at_us: when.
            answered_us: when the device answered before this read.
        """
        part = self._parts.setdefault(seen.device, _Part(Link(self._system_id, seen.device)))
        part.mentioned, part.there = True, seen.present
        if not seen.present:
            before_us = None if answered_us is None else min(answered_us, at_us)
            yield from self._went(part, seen.reason, seen.detail, before_us)
            return
        yield from self._came(part, at_us)
        if seen.description is not None and part.link.learned(seen.description):
            yield PartChange("device.described", seen.device, description=seen.description)

    def answering(self, now_us: int, since_us: int) -> Iterator[PartChange]:
        """Let parts be there again, and miss those of an earlier life; the device answers since then."""
        for part in self._parts.values():
            if not part.mentioned and now_us - since_us >= _FORGOTTEN_AFTER_US:
                part.mentioned, part.there = True, False
                yield from self._went(part, LEFT, "it was not there any more after a restart", None)
            elif part.there and part.mentioned:
                yield from self._came(part, now_us)

    def silent(self, device: str, detail: str, answered_us: int | None) -> Iterator[PartChange]:
        """Let all parts be unknown: the device does not answer."""
        why = f"{device} does not answer: {detail}" if detail else f"{device} does not answer"
        for part in self._parts.values():
            if part.there:
                yield from self._went(part, BEHIND, why, answered_us)

    def stopped(self, answered_us: int | None) -> Iterator[PartChange]:
        """Let all parts go: nobody asks the device any more."""
        for part in self._parts.values():
            if part.link.stopped():
                yield PartChange("device.disconnected", part.link.device, "stopped", seen_us=answered_us)

    def dump(self) -> list[str]:
        """Name the parts that are told as connected: what a next life must know."""
        return [name for name, part in self._parts.items() if part.link.connected]

    def load(self, devices: Iterable[str]) -> None:
        """Go on from what `dump` wrote."""
        for device in devices:
            link = Link(self._system_id, device, connected=True)
            self._parts[device] = _Part(link, mentioned=False)

    def _came(self, part: _Part, at_us: int) -> Iterator[PartChange]:
        if part.link.succeeded(_PACE, at_us):
            yield PartChange("device.connected", part.link.device)

    def _went(self, part: _Part, reason: str, detail: str, seen_us: int | None) -> Iterator[PartChange]:
        if part.link.connected is not None and part.link.failed(_PACE, detail, patience=1):
            yield PartChange("device.disconnected", part.link.device, reason, detail, seen_us)
