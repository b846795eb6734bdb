"""From a chain of SunSpec models to points with addresses, which planner and decoder read like any others.

Rules that must stay true here:
- the first model of each role counts: a second meter or inverter is named in a warning, not mixed in;
- a point that does not lie wholly in the length that the device tells is not there;
- registers of models that we do not know are never asked for;
- power on the DC side is called PV only where nothing else can be behind it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from producers.modbus.decode import Value
from producers.modbus.points import DYNAMIC, Hole, Point
from producers.modbus.sunspec_chain import Chain, Link
from producers.modbus.sunspec_models import Kind, Model, Modules, Slot, label_of

PV: Final = 4
"""What a nameplate says of an inverter that has nothing but PV."""

_MEASURES: Final = frozenset({"inverter", "meter", "storage", "trackers", "status"})
_MOST_MODULES: Final = 32
_QUIET: Final = frozenset({"common", "nameplate", "status"})
"""Roles of which a second one is no news."""


class Part(NamedTuple):
    """A model that we know, where the device has it."""

    model: Model
    link: Link

    @property
    def prefix(self) -> str:
        """Tell the ids of its points from those of other models."""
        return f"{self.link.model}."


@dataclass(frozen=True, slots=True)
class Chosen:
    """What counts of a chain.

    Attributes:
        parts: by role.
        holes: what is never asked for.
        warnings: what a person should look at.
    """

    parts: Mapping[str, Part]
    holes: tuple[Hole, ...]
    warnings: tuple[str, ...]

    @property
    def measures(self) -> bool:
        """Tell whether there is anything to poll."""
        return not _MEASURES.isdisjoint(self.parts)


class Candidate(NamedTuple):
    """A point, and whether it is left out while the device does not implement it."""

    point: Point
    optional: bool


def choose(chain: Chain, models: Mapping[int, Model]) -> Chosen:
    """Choose the models that count."""
    parts: dict[str, Part] = {}
    holes: list[Hole] = []
    warnings = [chain.fault] if chain.fault else []
    for link in chain.links:
        model = models.get(link.model)
        if model is not None and model.role not in parts:
            parts[model.role] = Part(model, link)
            continue
        holes.append(Hole(link.address, link.end - 1))
        if model is not None and model.role not in _QUIET:
            warnings.append(f"a second {model.role} (model {link.model} at {link.address}) is not read")
    return Chosen(parts, tuple(holes), tuple(warnings))


def questions(chosen: Chosen) -> tuple[Point, ...]:
    """Give what has to be known before the points are: kinds and numbers of what is behind the device."""
    asked: list[Point] = []
    for part in chosen.parts.values():
        asked += [placed(part, slot) for slot in part.model.slots if slot.point.id and _fits(part, slot)]
        if modules := part.model.modules:
            asked += [_label(part, modules, at) for at in range(_room(part, modules))]
    return tuple(asked)


def candidates(chosen: Chosen, held: Mapping[str, Value]) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Give all points that the device may have, and what a person should look at."""
    pv_only = is_pv(chosen, held) and "trackers" not in chosen.parts
    found: list[Candidate] = []
    warnings: list[str] = []
    for part in chosen.parts.values():
        found += [
            Candidate(placed(part, slot), slot.optional)
            for slot in part.model.slots
            if _fits(part, slot) and (pv_only or not slot.pv_only)
        ]
        if part.model.modules:
            for number, kind, at in _of_kinds(part, part.model.modules, chosen, held, warnings):
                found += [
                    Candidate(_in_module(placed(part, slot, at), number), slot.optional)
                    for slot in kind.slots
                ]
    ids = {each.point.id for each in found}
    return tuple(each for each in found if set(each.point.needs) <= ids), tuple(warnings)


def is_pv(chosen: Chosen, held: Mapping[str, Value]) -> bool:
    """Tell whether the nameplate says that there is nothing but PV, and nothing contradicts it."""
    kinds = [held.get(f"{part.prefix}DERTyp") for part in chosen.parts.values()]
    return PV in kinds and "storage" not in chosen.parts


def may_sleep(chosen: Chosen, points: Collection[Point]) -> bool:
    """Tell whether the device may be without power at night: an inverter without a battery."""
    battery = any(point.name.startswith("battery_") for point in points)
    return "inverter" in chosen.parts and "storage" not in chosen.parts and not battery


def placed(part: Part, slot: Slot, at: int = 0) -> Point:
    """Give a point its address, `at` being the offset of its module, and its scale factors their ids."""
    point = slot.point
    scale = tuple(
        f"{DYNAMIC}{part.prefix}{each.removeprefix(DYNAMIC)}"
        if isinstance(each, str) and each.startswith(DYNAMIC)
        else each
        for each in point.scale
    )
    id_ = f"{part.prefix}{point.id}" if point.id else ""
    return replace(point, address=part.link.address + at + point.address, scale=scale, id=id_)


def _fits(part: Part, slot: Slot) -> bool:
    applies = not slot.only or part.link.model in slot.only
    return applies and part.link.address + slot.point.end <= part.link.end


def _room(part: Part, modules: Modules) -> int:
    """Tell how many modules the length of the model has room for, up to what any device has."""
    room = (part.link.end - part.link.address - modules.at) // modules.length
    return max(0, min(_MOST_MODULES, room))


def _label(part: Part, modules: Modules, index: int) -> Point:
    at = part.link.address + modules.at + index * modules.length
    return replace(modules.label, address=at + modules.label.address, id=f"{part.prefix}label.{index + 1}")


def _of_kinds(
    part: Part, modules: Modules, chosen: Chosen, held: Mapping[str, Value], warnings: list[str]
) -> Iterator[tuple[int, Kind, int]]:
    """Give each module's number among its kind, its kind, and its offset."""
    room = _room(part, modules)
    said = held.get(f"{part.prefix}{modules.count}")
    count = min(room, int(said)) if isinstance(said, int | float) else room
    labels = [label_of(held.get(f"{part.prefix}label.{number + 1}")) for number in range(count)]
    known = {kind.unlabelled for kind in modules.kinds if kind.unlabelled}
    guessed = "storage" in chosen.parts and not any(labels) and count == max(known, default=0)
    if guessed:
        warnings.append(
            f"the modules of model {part.link.model} have no names: {sorted(known)} taken for the battery"
        )
    numbers: dict[int, int] = {}
    for index, label in enumerate(labels):
        kind = _kind(modules.kinds, label, index + 1 if guessed else None)
        if kind is None:
            continue
        number = numbers[id(kind)] = numbers.get(id(kind), 0) + 1
        if number > kind.most:
            warnings.append(f"module {index + 1} of model {part.link.model} is one too many, and not read")
            continue
        yield number, kind, modules.at + index * modules.length


def _kind(kinds: Sequence[Kind], label: str, unlabelled: int | None) -> Kind | None:
    for kind in kinds:
        if unlabelled is not None and kind.unlabelled == unlabelled:
            return kind
        if label.startswith(kind.begins) if kind.begins else True:
            return kind
    return None


def _in_module(point: Point, number: int) -> Point:
    return replace(point, name=point.name.format(n=number))
