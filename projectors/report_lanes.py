"""How far the samples of other nodes have come, and what is held until they have come further. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

Key = tuple[str, str, int]
SILENT_US: Final = 600_000_000
"""A node of which nothing newer than this is here is not waited for."""


@dataclass(slots=True)
class Lanes:
    """The lanes of samples, by node.

    Attributes:
        clocks: when each node recorded the newest of its samples that are here.
    """

    clocks: dict[str, int] = field(default_factory=dict)
    _held: dict[str, dict[Key, int]] = field(default_factory=dict)

    def came(self, node: str, recorded_us: int) -> Iterable[Key]:
        """Take in that a lane has come so far; return what was held until then."""
        if recorded_us <= self.clocks.get(node, 0):
            return ()
        self.clocks[node] = recorded_us
        held = self._held.get(node, {})
        free = [key for key, due_us in held.items() if due_us <= recorded_us]
        for key in free:
            del held[key]
        return free

    def hold(self, node: str, key: Key, due_us: int) -> bool:
        """Hold something until a lane has come so far; False when it has already."""
        if due_us <= self.clocks.get(node, 0):
            return False
        self._held.setdefault(node, {})[key] = due_us
        return True

    def drop(self, node: str, key: Key) -> None:
        """Hold something no longer."""
        self._held.get(node, {}).pop(key, None)

    def silent(self, node: str, now_us: int) -> bool:
        """Tell whether a node fell silent, by the stream's clock."""
        return self.clocks.get(node, 0) + SILENT_US < now_us
