"""Deciding which corrections of facts count. Pure.

Rules that must stay true here:
- the ruling depends on which facts there are, never on the order in which they came;
- of several corrections of one fact the latest by (time, position) counts;
- a correction is a fact: it can be undone, or made to say something else, by a correction of its own;
- a correction that leads to no fact, or round in a circle, rules nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


class Correctable(Protocol):
    """A fact, or a correction of one, as far as this module looks at it."""

    @property
    def position(self) -> int:
        """Its place in the journal."""
        ...

    @property
    def time_us(self) -> int:
        """When it was said."""
        ...

    @property
    def id(self) -> str:
        """Its name, by which a correction refers to it."""
        ...

    @property
    def corrects(self) -> str | None:
        """Return the id of what it corrects; None for what is no correction."""
        ...

    @property
    def undo(self) -> bool:
        """Whether it says that what it corrects did not happen."""
        ...

    @property
    def moved_us(self) -> int | None:
        """Return when it says that what it corrects happened."""
        ...


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the corrections of one fact come to.

    Attributes:
        by: position of the correction that counts.
        undo: the fact does not count.
        moved_us: when it happened instead; None leaves the time that was recorded.
    """

    by: int
    undo: bool
    moved_us: int | None


@dataclass(frozen=True, slots=True)
class Rulings:
    """What all corrections come to.

    Attributes:
        of: by position of the fact or correction that is corrected.
        counting: positions of the corrections that made them.
        aimless: positions of corrections that lead to no fact.
    """

    of: Mapping[int, Ruling]
    counting: frozenset[int]
    aimless: frozenset[int]


def rule(facts: Iterable[Correctable]) -> Rulings:
    """Decide which corrections count."""
    by_position = {fact.position: fact for fact in facts}
    targets = _targets(by_position)
    children: dict[int, list[Correctable]] = defaultdict(list)
    for position, target in targets.items():
        children[target].append(by_position[position])
    rulings: dict[int, Ruling] = {}
    aimed = set[int]()
    for target in _outermost_first(targets, children, by_position):
        aimed.update(child.position for child in children[target])
        ruling = _latest(children[target], rulings)
        if ruling is not None:
            rulings[target] = ruling
    aimless = {p for p, fact in by_position.items() if fact.corrects is not None} - aimed
    counting = frozenset(ruling.by for ruling in rulings.values())
    return Rulings(rulings, counting, frozenset(aimless))


def _targets(facts: Mapping[int, Correctable]) -> dict[int, int]:
    """Return, for each correction, the position of what it corrects: the first fact with that id."""
    first: dict[str, int] = {}
    for position in sorted(facts):
        first.setdefault(facts[position].id, position)
    return {
        position: first[fact.corrects]
        for position, fact in facts.items()
        if fact.corrects is not None and fact.corrects in first
    }


def _outermost_first(
    targets: Mapping[int, int],
    children: Mapping[int, list[Correctable]],
    facts: Mapping[int, Correctable],
) -> list[int]:
    """Return all that is corrected, each after the corrections of its corrections; circles are left out."""
    left = [target for target in children if target not in targets and facts[target].corrects is None]
    order: list[int] = []
    while left:
        target = left.pop()
        order.append(target)
        left += (child.position for child in children[target] if child.position in children)
    return order[::-1]


def _latest(corrections: Iterable[Correctable], rulings: Mapping[int, Ruling]) -> Ruling | None:
    standing = [c for c in corrections if not ((ruling := rulings.get(c.position)) and ruling.undo)]
    if not standing:
        return None
    latest = max(standing, key=lambda c: (c.time_us, c.position))
    again = rulings.get(latest.position)
    if again is not None and again.moved_us is not None:
        return Ruling(latest.position, undo=False, moved_us=again.moved_us)
    return Ruling(latest.position, latest.undo, None if latest.undo else latest.moved_us)
