"""Walking through a SunSpec device: marker, models, end.

The walk asks by yielding an address and a count, and is answered with words, or None when the device
refuses: it knows no connection.

Rules that must stay true here:
- every step goes to a higher address, and there is a last one: no device can make it go on for ever;
- what a broken chain held before it broke is still good, and it says where it broke.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

MARKER: Final = (0x5375, 0x6E53)
BASES: Final = (40_000, 0, 50_000)
_END: Final = 0xFFFF
_NO_MODEL: Final = 0
_HEAD: Final = 2
_SPACE: Final = 0x10000
_MOST_MODELS: Final = 128


@dataclass(frozen=True, slots=True)
class Link:
    """One model of a device.

    Attributes:
        address: of the register with its number.
        length: as the device tells it: the registers behind number and length.
    """

    model: int
    address: int
    length: int

    @property
    def end(self) -> int:
        """Give the address behind it."""
        return self.address + _HEAD + self.length


@dataclass(frozen=True, slots=True)
class Chain:
    """All models of a device.

    Attributes:
        base: the address of the marker.
        fault: why it broke off before its end; empty when it did not.
    """

    base: int
    links: tuple[Link, ...]
    fault: str = ""


Walk = Generator[tuple[int, int], Sequence[int] | None, Chain | None]


def walk(bases: Sequence[int] = BASES) -> Walk:
    """Look for the marker, and walk from model to model; gives None when there is no marker."""
    for base in bases:
        if tuple((yield base, len(MARKER)) or ()) == MARKER:
            return (yield from _models(base))
    return None


def _models(base: int) -> Generator[tuple[int, int], Sequence[int] | None, Chain]:
    links: list[Link] = []
    address = base + len(MARKER)
    while len(links) < _MOST_MODELS:
        if address + _HEAD > _SPACE:
            return Chain(base, tuple(links), f"the models run over the last address, at {address}")
        head = yield address, _HEAD
        if head is None:
            return Chain(base, tuple(links), f"the models break off at {address}")
        link = Link(head[0], address, head[1])
        if link.model == _END:
            return Chain(base, tuple(links))
        if link.model == _NO_MODEL:
            return Chain(base, tuple(links), f"the models end without a mark at {address}")
        if link.end > _SPACE:
            return Chain(
                base, tuple(links), f"model {link.model} at {address} is longer than there are addresses"
            )
        links.append(link)
        address = link.end
    return Chain(base, tuple(links), f"there are more than {_MOST_MODELS} models")
