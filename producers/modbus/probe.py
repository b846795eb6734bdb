"""What is there: which maps answer behind an address, what they tell, and how a site would write it down.

Nothing is written to any device, and nothing is asked twice at a time.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from producers.adapter import AlarmSeen, Description, DeviceError
from producers.modbus.connection import Connection, UnitRegisters
from producers.modbus.decode import Decoder
from producers.modbus.device_file import Unverified
from producers.modbus.entry import suffix
from producers.modbus.file_map import FileMap
from producers.modbus.maps import Map, all_maps
from producers.modbus.orders import best
from producers.modbus.plan import plan, plan_poll
from producers.modbus.points import Layout
from producers.modbus.power import suggests
from producers.modbus.registers import Registers, read_all
from schemas.errors import ConfigurationError

PORT: Final = 502
_MOST_AT_ONCE: Final = 32
_WITHIN_S: Final = 60.0
"""How long one address may take in a search."""


@dataclass(frozen=True, slots=True)
class BlockSeen:
    """A block whose order nobody has confirmed.

    Attributes:
        rows: address, value and likely name of each of its values.
        confirmed: the names that the values themselves confirm, in order of address; empty when they do not.
    """

    id: str
    meaning: str
    rows: tuple[tuple[int, float | None, str], ...]
    confirmed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answers to a map, or an unverified block of one.

    Attributes:
        entry: the lines for site.toml; empty when there is nothing to poll yet.
        values: of all its polls.
        warnings: what a person should look at.
    """

    host: str
    port: int
    unit: int
    map: str
    kind: str
    entry: str
    description: Description = field(default_factory=Description)
    values: Mapping[str, float | None] = field(default_factory=dict)
    alarms: Sequence[AlarmSeen] = ()
    warnings: Sequence[str] = ()
    block: BlockSeen | None = None


async def probe(
    host: str,
    port: int = PORT,
    units: Collection[int] = (),
    maps: Collection[str] = (),
    *,
    timeout_s: float = 2.0,
    known: Mapping[str, Map] | None = None,
) -> list[Found]:
    """Look which maps answer behind one address.

    Args:
        host: a name or an address.
        port: usually 502.
        units: to be asked; those that devices have as delivered when empty.
        maps: to be looked for; all that can be told from each other when empty.
        timeout_s: how long one answer may take.
        known: the maps there are, when a site has some of its own.

    Raises:
        DeviceError: nobody is there.
        ConfigurationError: there is no such map.
    """
    known = all_maps() if known is None else known
    if strange := [name for name in maps if name not in known]:
        raise ConfigurationError(f"there is no map {strange[0]}: there are {', '.join(known)}")
    wanted = [known[name] for name in maps] or [each for each in known.values() if each.automatic]
    connection = Connection(host, port, timeout_s=timeout_s)
    found: list[Found] = []
    try:
        await connection.ready()
        for unit in units or dict.fromkeys((1, *sorted({unit for each in wanted for unit in each.units}))):
            patient = bool(units) or unit == 1
            look = _Look(connection, unit, known)
            of_unit = await look.all(wanted, named=len(maps) == 1, patient=patient)
            found += [each for each in of_unit if not any(_same_device(each, other) for other in found)]
    finally:
        connection.close()
    return found


async def discover(
    targets: Iterable[tuple[str, int]],
    *,
    units: Collection[int] = (),
    maps: Collection[str] = (),
    at_once: int = _MOST_AT_ONCE,
    timeout_s: float = 1.0,
    known: Mapping[str, Map] | None = None,
    tell: Callable[[Found], None] = lambda _: None,
) -> list[Found]:
    """Look for devices at many addresses, a few at a time.

    Args:
        targets: hosts and ports.
        units: as `probe` takes them.
        maps: as `probe` takes them.
        at_once: how many addresses are asked at a time.
        timeout_s: how long one answer may take.
        known: as `probe` takes them.
        tell: called with every device as soon as it is found.
    """
    turn = asyncio.Semaphore(at_once)

    async def one(host: str, port: int) -> list[Found]:
        async with turn:
            try:
                async with asyncio.timeout(_WITHIN_S):
                    found = await probe(host, port, units, maps, timeout_s=timeout_s, known=known)
            except (DeviceError, TimeoutError):
                return []
        for each in found:
            tell(each)
        return found

    answers = await asyncio.gather(*(one(host, port) for host, port in targets))
    return [found for answer in answers for found in answer]


@dataclass(frozen=True, slots=True)
class _Look:
    """A look at one unit.

    Attributes:
        known: all maps there are.
    """

    connection: Connection
    unit: int
    known: Mapping[str, Map]

    @property
    def registers(self) -> UnitRegisters:
        return UnitRegisters(self.connection, self.unit)

    async def all(self, wanted: Sequence[Map], *, named: bool, patient: bool) -> list[Found]:
        """Look for maps; a patient look goes on when some of them are met by silence."""
        found: list[Found] = []
        for each in wanted:
            try:
                layout = await each.find(self.registers, {}, {}, named=named)
                if layout is not None:
                    found.append(await self._read(each, layout))
            except DeviceError as error:
                if error.reason == "refused":
                    found.append(self._found(each, warnings=(str(error),)))
                elif error.reason == "silent" or not patient:
                    return found  # its gateway says that nobody is there
        values = {name: value for each in found for name, value in each.values.items()}
        files = [map_ for map_ in self.known.values() if isinstance(map_, FileMap)]
        blocks = [(map_, block) for map_ in files for block in map_.file.unverified]
        seen = [(map_, await _look_at(self.registers, block, values)) for map_, block in blocks]
        return found + [self._found(map_, block=block) for map_, block in seen if block is not None]

    async def _read(self, map_: Map, layout: Layout) -> Found:
        """Read everything once, and compare powers with voltage times current."""
        registers = self.registers
        registers.gap_s = layout.min_gap_ms / 1000
        blocks = [*plan_poll(layout, "fast"), *plan_poll(layout, "slow")]
        read = await read_all(registers, blocks, layout.factors)
        warnings = list(layout.warnings)
        if (check := layout.power_check) is not None:
            now, choices = layout.factors[check.parameter], map_.parameters[check.parameter].choices
            other = suggests(read.values, check.place, choices, now)
            if other is None:
                warnings.append(f"without load nobody can tell if {check.parameter} is {now:g}: look again")
            elif other != now:
                read = await read_all(registers, blocks, dict(layout.factors) | {check.parameter: other})
                warnings.append(f"{check.parameter} is {other:g} here, as voltage times current says")
        found = self._found(map_, warnings=warnings)
        return replace(found, description=layout.description, values=read.values, alarms=read.alarms)

    def _found(self, map_: Map, *, warnings: Sequence[str] = (), block: BlockSeen | None = None) -> Found:
        host, port = self.connection.host, self.connection.port
        entry = self._entry(map_, block) if block is None or block.confirmed else ""
        return Found(host, port, self.unit, map_.name, map_.kind, entry, warnings=warnings, block=block)

    def _entry(self, map_: Map, block: BlockSeen | None) -> str:
        """Write the lines for site.toml."""
        host, port = self.connection.host, self.connection.port
        lines = [
            "[[producers.modbus.devices]]",
            f"host = {json.dumps(host)}",
            *([f"port = {port}"] if port != PORT else []),
            f"unit = {self.unit}",
            f"map = {json.dumps(map_.name)}",
            f"system_id = {json.dumps(f'{map_.kind}_{suffix(host, self.unit, map_.unit)}')}",
        ]
        if block is not None:
            names = ", ".join(json.dumps(name) for name in block.confirmed)
            lines.append(f"confirm = {{ {block.id} = [{names}] }}")
        return "\n".join(lines) + "\n"


async def _look_at(
    registers: Registers, block: Unverified, known: Mapping[str, float | None]
) -> BlockSeen | None:
    """Read an unverified block; None when the unit has none, or nothing in it."""
    (asked,) = plan(block.points)
    try:
        words = await registers.read(asked.function, asked.address, asked.count)
    except DeviceError:
        return None
    held = Decoder([asked], {})([words]).held
    values = [value if isinstance(value, int | float) else None for value in held.values()]
    if not any(values):
        return None
    names = (*block.orders[0], *[""] * len(values))
    rows = tuple(zip((point.address for point in asked.points), values, names, strict=False))
    return BlockSeen(block.id, block.meaning, rows, best(block.orders, values, known))


def _same_device(one: Found, other: Found) -> bool:
    """Tell whether a device answers as several units, as those do that have one only."""
    if one.map != other.map or one.unit == other.unit:
        return False
    if one.description.serial or other.description.serial:
        return one.description == other.description
    counters = [name for name in one.values if name.endswith(("_wh", "_varh", "_vah"))]
    return any(one.values[name] for name in counters) and all(
        one.values[name] == other.values.get(name) for name in counters
    )
