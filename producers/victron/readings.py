"""The readings of one system at one pace, from what its services told last.

Pure. Rules that must stay true here:
- a name that nobody tells is missing; one that is told as `null` is None; neither is ever zero;
- where several tell one name, the first in the order of the mapping that has a value counts;
- a total that nobody tells is the sum of its phases.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from producers.victron.mapping import GxMap, Pace, Reading
from producers.victron.mirror import ABSENT, Leaf, Service

Source = tuple[Leaf, Reading]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the readings come from."""

    sources: Sequence[tuple[str, Sequence[Source]]]
    sums: Mapping[str, Sequence[str]]

    def values(self) -> dict[str, float | None]:
        """Read them."""
        values: dict[str, float | None] = {}
        for name, sources in self.sources:
            for leaf, reading in sources:
                raw = leaf.raw
                if raw is ABSENT:
                    continue
                value = values[name] = reading.value(raw)
                if value is not None:
                    break
        for name, parts in self.sums.items():
            if values.get(name) is None and any(part in values for part in parts):
                told = [value for part in parts if (value := values.get(part)) is not None]
                values[name] = round(sum(told), 1) if told else None
        return values


class Plans:
    """Plans by system and pace, made anew when services have changed."""

    def __init__(self, map_: GxMap) -> None:
        self._map = map_
        self._plans: dict[tuple[str, Pace], tuple[int, Plan]] = {}

    def of(self, system_id: str, pace: Pace, services: Iterable[Service], version: int) -> Plan:
        """Give the plan for services as they are at `version`."""
        known = self._plans.get((system_id, pace))
        if known is None or known[0] != version:
            known = self._plans[system_id, pace] = version, self._plan(pace, services)
        return known[1]

    def _plan(self, pace: Pace, services: Iterable[Service]) -> Plan:
        found: dict[str, list[Source]] = {}
        for service in services:
            if not service.number:
                continue
            for leaf in service.leaves.values():
                for reading in leaf.readings:
                    name = service.map.named(reading.name, service.number)
                    if name is not None and reading.pace is pace:
                        found.setdefault(name, []).append((leaf, reading))
        for sources in found.values():
            sources.sort(key=_rank)
        sums = {
            name: parts
            for name, parts in self._map.sums.items()
            if self._map.paces[name] is pace and any(part in found for part in parts)
        }
        return Plan(sorted(found.items()), sums)


def _rank(source: Source) -> int:
    return source[1].rank
