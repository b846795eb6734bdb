"""Reads `producers/devices/victron.toml`: what the paths of a GX's services mean.

Rules that must stay true here:
- every name is in the vocabulary or free (`x_`), and has one pace, whoever tells it;
- a site's own file has the same form; what it says of a path replaces what ours says of it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from producers.adapter import Description
from producers.victron.mapping import AlarmPath, GxMap, Pace, Reading, ServiceMap
from schemas.errors import ConfigurationError
from schemas.measurements import FREE_PREFIX, MEASUREMENTS

_PHASES = range(1, 4)
_TRACKERS = range(4)
_FREE_DECIMALS = 6
_OWN_TABLES = frozenset({"kind", "services"})
_TABLES = _OWN_TABLES | {"scales", "decimals", "description", "gx", "sums"}
_READING = frozenset({"name", "scale", "magnitude", "last"})
_FIELDS = frozenset(part.name for part in fields(Description))


@dataclass(slots=True)
class _Service:
    """One type of service while it is read: `readings` are by path, each with its pace."""

    about: dict[str, Any] = field(default_factory=dict)
    readings: dict[str, list[tuple[Pace, Mapping[str, Any]]]] = field(default_factory=dict)
    alarms: dict[str, list[AlarmPath]] = field(default_factory=dict)


@cache
def packaged() -> GxMap:
    """Give the mapping that comes with the program."""
    return read(packaged_text())


def of_site(path: Path) -> GxMap:
    """Give the mapping with what a site's own file says otherwise.

    Raises:
        ConfigurationError: it cannot be read, or says what cannot be.
    """
    try:
        return read(packaged_text(), path.read_text(encoding="utf-8"), where=path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error


def read(text: str, own: str = "", *, where: str = "victron.toml") -> GxMap:
    """Read a mapping, and one that replaces parts of it.

    Raises:
        ConfigurationError: they say what cannot be; `where` names the file.
    """
    try:
        document, replaced = tomllib.loads(text), tomllib.loads(own)
        _expect(document, _TABLES)
        _expect(replaced, _OWN_TABLES)
        drafts = {type_: _service(said) for type_, said in document["services"].items()}
        for type_, said in replaced.get("services", {}).items():
            _replace(drafts.setdefault(type_, _Service()), _service(said))
        return _mapping(document, drafts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{where}: {error}") from error


def packaged_text() -> str:
    """Give the file that comes with the program."""
    return files("producers").joinpath("devices/victron.toml").read_text(encoding="utf-8")


def _expect(said: Mapping[str, Any], keys: frozenset[str]) -> None:
    if strange := said.keys() - keys:
        raise ValueError(f"there is no {min(strange)}: it may be one of {', '.join(sorted(keys))}")


def _service(said: Mapping[str, Any]) -> _Service:
    tables = {"fast", "slow", "alarms", "faults"}
    _expect(said, frozenset(tables | {"place", "first_by", "exact", "part", "alarm_names"}))
    draft = _Service({key: value for key, value in said.items() if key not in tables})
    for pace in Pace:
        for path, given in _spelled(said.get(pace, {})):
            for one in given if isinstance(given, list) else [given]:
                reading = {"name": one} if isinstance(one, str) else one
                _expect(reading, _READING)
                draft.readings.setdefault(path, []).append((pace, reading))
    for table in ("alarms", "faults"):
        for path, word in _spelled(said.get(table, {})):
            phase = next((part.lower() for part in path.split("/") if part in {"L1", "L2", "L3"}), "")
            draft.alarms.setdefault(path, []).append(AlarmPath(word, phase, fault=table == "faults"))
    return draft


def _spelled(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Spell out phases and trackers."""
    for path, given in table.items():
        if not path.startswith("/"):
            raise ValueError(f"a path begins with /, {path} does not")
        if "{n}" in path:
            yield from ((path.replace("{n}", str(n)), _filled(given, "{n}", n)) for n in _PHASES)
        elif "{t}" in path:
            yield from ((path.replace("{t}", str(t)), _filled(given, "{t}", t + 1)) for t in _TRACKERS)
        else:
            yield path, given


def _filled(given: Any, mark: str, number: int) -> Any:
    if isinstance(given, str):
        return given.replace(mark, str(number))
    if isinstance(given, list):
        return [_filled(one, mark, number) for one in given]
    return {key: _filled(value, mark, number) if key == "name" else value for key, value in given.items()}


def _replace(draft: _Service, own: _Service) -> None:
    draft.about |= own.about
    draft.readings |= own.readings
    draft.alarms |= own.alarms


def _mapping(document: Mapping[str, Any], drafts: Mapping[str, _Service]) -> GxMap:
    paces: dict[str, Pace] = {}
    services = {
        type_: _finished(type_, draft, 1000 * index, document, paces)
        for index, (type_, draft) in enumerate(drafts.items())
    }
    sums = {
        name: tuple(part.replace("{n}", str(n)) for n in _PHASES) for name, part in document["sums"].items()
    }
    for name, parts in sums.items():
        paces.setdefault(name, paces[parts[0]])
    about = {**document["description"], **document["gx"]}
    if strange := set(about.values()) - _FIELDS:
        raise ValueError(f"a description has no {min(strange)}")
    return GxMap(services, document["description"], document["gx"], sums, paces)


def _finished(
    type_: str, draft: _Service, rank: int, document: Mapping[str, Any], paces: dict[str, Pace]
) -> ServiceMap:
    about = ServiceMap(type_, **{**draft.about, "first_by": tuple(draft.about.get("first_by", ()))})
    given = {path: list(said) for path, said in draft.readings.items()}
    for path, told in draft.alarms.items():
        for name in filter(None, (about.alarm_reading(alarm) for alarm in told)):
            given.setdefault(path, []).append((Pace.SLOW, {"name": name}))
    readings = {
        path: tuple(_reading(pace, said, rank, document, about) for pace, said in said_of if said["name"])
        for path, said_of in given.items()
    }
    for path, found in readings.items():
        for reading in found:
            if paces.setdefault(reading.name, reading.pace) is not reading.pace:
                raise ValueError(f"{type_} {path}: {reading.name} is told at both paces")
    alarms = {path: tuple(found) for path, found in draft.alarms.items()}
    return replace(about, readings=readings, alarms=alarms)


def _reading(
    pace: Pace, said: Mapping[str, Any], rank: int, document: Mapping[str, Any], about: ServiceMap
) -> Reading:
    name = said["name"]
    if name.startswith(FREE_PREFIX):
        return Reading(name, pace, said.get("scale", 1.0), _FREE_DECIMALS, bool(said.get("magnitude")), rank)
    if about.named(name, 1) is None and about.named(name, 2) is None:
        raise ValueError(f"{about.type}: {name} is not in the vocabulary")
    measurement = MEASUREMENTS[about.named(name, 1) or about.named(name, 2) or name]
    unit = measurement.name.rpartition("_")[2]
    scale = document["scales"].get(unit, 1.0) * said.get("scale", 1.0)
    last = bool(said.get("last", False))
    return Reading(
        name, pace, scale, document["decimals"][unit], bool(said.get("magnitude", False)), rank + last * 10**6
    )
