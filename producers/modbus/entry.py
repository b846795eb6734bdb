"""What a site says about its Modbus devices, checked once."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from bus.system_ids import canonical
from producers.modbus.connection import TIMEOUT_S, Framing
from producers.modbus.device import Wish
from producers.modbus.maps import Map
from producers.modbus.table import Table
from schemas.errors import ConfigurationError, InputError
from schemas.measurements import unknown

FAST_MS: Final = 1_000
SLOW_MS: Final = 10_000
_LEAST_MS: Final = 20
_MOST_MS: Final = 86_400_000
_LONGEST_TIMEOUT_MS: Final = 8_000
_LAST_UNIT: Final = 255


@dataclass(frozen=True, slots=True)
class Entry:
    """One device of a site.

    Attributes:
        system_id: empty when it is to be named after what is found.
        fast_ms: how often it is polled; 0 for never.
        slow_ms: as `fast_ms`, for what changes slowly.
        suffix: of automatic names: the host, and the unit when it is not the usual one.
    """

    wish: Wish
    system_id: str
    fast_ms: int
    slow_ms: int
    suffix: str

    def name(self, map_: str) -> str:
        """Give the system id of the device, when it has turned out to be of a map or kind."""
        return self.system_id or f"{map_}_{self.suffix}"


def entries(options: Mapping[str, Any], maps: Mapping[str, Map]) -> tuple[list[Entry], float]:
    """Read the options of the Modbus producer: its devices, and how long an answer may take, in seconds.

    Raises:
        ConfigurationError: they are wrong.
    """
    table = Table(options, "producers.modbus")
    intervals = _intervals(table, FAST_MS, SLOW_MS)
    timeout_ms = table.whole("timeout_ms", round(TIMEOUT_S * 1000), low=50, high=_LONGEST_TIMEOUT_MS)
    found = [_entry(each, maps, intervals) for each in table.tables("devices")]
    table.done()
    twice = Counter((entry.wish.address, entry.wish.maps) for entry in found)
    if wrong := [address for (address, _), count in twice.items() if count > 1]:
        raise ConfigurationError(f"producers.modbus: {wrong[0]} is given twice")
    return found, timeout_ms / 1000


def candidates(wish: Wish, maps: Mapping[str, Map]) -> list[Map]:
    """Give the maps that a device may be of."""
    return [maps[name] for name in wish.maps] or [each for each in maps.values() if each.automatic]


def _entry(table: Table, maps: Mapping[str, Map], intervals: tuple[int, int]) -> Entry:
    names = table.texts("map")
    if wrong := [name for name in names if name not in maps]:
        raise table.fault("map", f"{wrong[0]!r} is not known: there are {', '.join(maps)}")
    host = table.text("host").strip()
    if not host:
        raise table.fault("host", "is missing")
    usual = maps[names[0]] if names else None
    wish = Wish(
        host=host,
        port=table.whole("port", usual.port if usual else 502, low=1),
        unit=table.whole("unit", usual.unit if usual else 1, high=_LAST_UNIT),
        maps=names,
        parameters=table.map("parameters"),
        confirm=table.map("confirm"),
        framing=cast("Framing", table.text("framing", "tcp", among=get_args(Framing))),
    )
    possible = candidates(wish, maps)
    _check_parameters(table, wish, possible)
    _check_confirm(table, wish, possible)
    fast_ms, slow_ms = _intervals(table, *intervals)
    entry = Entry(
        wish, _system_id(table), fast_ms, slow_ms, suffix(wish.host, wish.unit, usual.unit if usual else 1)
    )
    table.done()
    return entry


def _intervals(table: Table, fast_ms: int, slow_ms: int) -> tuple[int, int]:
    found = (
        table.whole("fast_ms", fast_ms, high=_MOST_MS),
        table.whole("slow_ms", slow_ms, high=_MOST_MS),
    )
    if any(0 < each < _LEAST_MS for each in found):
        raise table.fault("fast_ms", f"and slow_ms must be at least {_LEAST_MS}, or 0 for never")
    return found


def _system_id(table: Table) -> str:
    said = table.text("system_id", "")
    try:
        return canonical(said) if said else ""
    except InputError as error:
        raise table.fault("system_id", error.hint) from error


def suffix(host: str, unit: int, usual: int) -> str:
    """Tell a device from others in its name: the host, and the unit when it is not the usual one."""
    last = host.rpartition(".")[2] if host.replace(".", "").isdigit() else host
    name = re.sub("[^a-z0-9]+", "_", last.lower()).strip("_")
    return name if unit == usual else f"{name}_{unit}"


def _check_parameters(table: Table, wish: Wish, possible: Sequence[Map]) -> None:
    for name, value in wish.parameters.items():
        known = [each.parameters[name] for each in possible if name in each.parameters]
        if not known:
            names = sorted({name for each in possible for name in each.parameters})
            raise table.fault("parameters", f"{name} is not known: there are {', '.join(names) or 'none'}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value:
            raise table.fault("parameters", f"{name} must be a number other than 0, got {value!r}")
        choices = {choice for parameter in known for choice in parameter.choices}
        if all(parameter.choices for parameter in known) and value not in choices:
            raise table.fault("parameters", f"{name} must be one of {sorted(choices)}: {known[0].meaning}")


def _check_confirm(table: Table, wish: Wish, possible: Sequence[Map]) -> None:
    for id_, names in wish.confirm.items():
        counts = [each.blocks[id_] for each in possible if id_ in each.blocks]
        if not counts:
            raise table.fault("confirm", f"{id_} is not known: name the block that the probe printed")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise table.fault("confirm", f"{id_} must be a list of measurements")
        if len(names) > max(counts):
            raise table.fault("confirm", f"{id_} has only {max(counts)} values")
        if wrong := unknown(dict.fromkeys(filter(None, names), 0)):
            raise table.fault("confirm", f"{id_}: {wrong[0]} is not in schemas/measurements.toml")
