"""Who took part in an event: one member a system, with the reports of all its windows. Pure.

Rules that must stay true here: a system counts once, whatever its windows; what lies behind another system
is shown and never added to it; what a system is comes from its registration, else from what it measures.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reporter.facts import Document, ReportSettings
from reporter.figures import figure
from reporter.profile import Profile

_PRODUCERS: Final = frozenset({"inverter", "pv"})
_SILENT: Final = frozenset({"host"})
CONSUMING: Final = frozenset({"bess", "meter", "ups", "genset", "other"})


@dataclass(frozen=True, slots=True)
class SystemPart:
    """Hold the report of one system in one window, its profile, and where the report is."""

    document: Mapping[str, Any]
    profile: Profile
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """Hold one system of an event.

    Attributes:
        kind: bess, meter, inverter, ups, genset, host or other.
        behind: the member that it lies behind.
        counts: whether its energy is added to the totals; if not, `why` says so.
    """

    system_id: str
    parts: tuple[SystemPart, ...]
    kind: str
    behind: str | None
    why: str | None

    @property
    def counts(self) -> bool:
        """Tell whether its energy is part of the totals."""
        return self.why is None

    @property
    def documents(self) -> list[Mapping[str, Any]]:
        """Give the reports of its windows, in order of time."""
        return [part.document for part in self.parts]

    @property
    def duration_s(self) -> float:
        """Give how long it took part."""
        return sum(float(document["window"]["duration_s"]) for document in self.documents)

    def newest(self, *path: str) -> Any:
        """Give what the report of its last window says at a path; None where that has nothing."""
        return at(self.parts[-1].document, *path)

    def told(self, *path: str) -> list[Any]:
        """Give what the reports of its windows say at a path, without those that have nothing."""
        found = (at(document, *path) for document in self.documents)
        return [one for one in found if one is not None]


def members(parts: Sequence[SystemPart], settings: ReportSettings) -> list[Member]:
    """Put the windows of each system together, in order of system_id."""
    of_system: dict[str, list[SystemPart]] = {}
    for part in sorted(parts, key=lambda part: (part.profile.system_id, part.profile.from_us)):
        of_system.setdefault(part.profile.system_id, []).append(part)
    made = []
    for system_id, own in of_system.items():
        kind = _kind(own[-1].document)
        behind = _nearest_behind(system_id, settings.behind, of_system.keys())
        made.append(Member(system_id, tuple(own), kind, behind, _why_not(kind, behind, own)))
    return made


def at(document: Mapping[str, Any], *path: str) -> Any:
    """Give what a document has at a path; None where any step of it is missing or null."""
    found: Any = document
    for step in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def known(member: Member, *path: str) -> bool:
    """Tell whether a figure of a member has a value in any of its windows."""
    return any(one["value"] is not None for one in member.told(*path))


def above(member: Member, of: Sequence[Member]) -> list[Member]:
    """Give the members that a member lies behind, the nearest first."""
    by_id = {one.system_id: one for one in of}
    found: list[Member] = []
    step = member.behind
    while step is not None and step != member.system_id and by_id[step] not in found:
        found.append(by_id[step])
        step = by_id[step].behind
    return found


def rooted(
    of: Sequence[Member], has: Callable[[Member], bool], covers: Callable[[Member], bool] | None = None
) -> list[Member]:
    """Give the members that have something, without those that lie behind one that covers it already.

    Energy that came through a meter is in the meter's own figure; the litres of a generator behind it are
    not. `covers` None: whoever has it covers it.
    """
    covering = covers or has
    return [one for one in of if has(one) and not any(covering(other) for other in above(one, of))]


def summed(of: Iterable[Member], *path: str) -> Document:
    """Add a figure up over members; its coverage is weighted by the time each took part.

    A member that does not have the figure at all is left out; `systems` says how many do. One whose figure
    is null counts with no coverage.
    """
    value, weighted, duration_s, knowing, asked = 0.0, 0.0, 0.0, 0, 0
    for member in of:
        found = [(at(document, *path), document) for document in member.documents]
        told = [(one, document) for one, document in found if one is not None]
        if not told:
            continue
        asked += 1
        knowing += any(one["value"] is not None for one, _ in told)
        for one, document in told:
            seconds = float(document["window"]["duration_s"])
            duration_s += seconds
            if one["value"] is not None:
                value += one["value"]
                weighted += seconds * one["coverage_pct"]
    coverage_pct = weighted / duration_s if duration_s > 0 else 0.0
    made = figure(value if knowing else None, coverage_pct, why="not_measured")
    return made | {"systems": asked, "systems_known": knowing}


def _kind(document: Mapping[str, Any]) -> str:
    registered = at(document, "system", "kind")
    if registered:
        return str(registered)
    family, place = at(document, "system", "device", "family"), at(document, "system", "device", "place")
    if family in {"ups", "host"}:
        return str(family)
    if at(document, "battery") is not None:
        return "bess"
    if at(document, "pv") is not None and at(document, "grid") is None:
        return "inverter"
    return "meter" if place == "ac" else "genset" if place == "genset" else "other"


def _why_not(kind: str, behind: str | None, own: Sequence[SystemPart]) -> str | None:
    if behind is not None:
        return "behind"
    if kind in _SILENT or all(at(part.document, "system", "device", "place") is None for part in own):
        return "no_power"
    produces = kind in _PRODUCERS and all(at(part.document, "battery") is None for part in own)
    return "produces" if produces else None


def _nearest_behind(system_id: str, behind: Mapping[str, str], present: Iterable[str]) -> str | None:
    """Give the nearest system on the way to the source that takes part too."""
    there, seen, found = set(present), {system_id}, behind.get(system_id)
    while found is not None and found not in seen:
        if found in there:
            return found
        seen.add(found)
        found = behind.get(found)
    return None
