"""Ask addresses what they are, over the protocols that producers speak; nothing is written to a device.

Rules that must stay true here:
- few addresses are asked at a time, and the units behind one address one after the other;
- what is found is kept as it comes, so that whoever is interrupted has what there was.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ovr.discovered import Discovered, toml
from ovr.scanning import Target
from producers.adapter import AlarmSeen, DeviceError
from producers.modbus import maps as modbus_maps
from producers.modbus import probe
from producers.ups.adapter import UpsAdapter
from producers.ups.client import PORT, Upsd
from producers.ups.options import system_id_of
from schemas.errors import ConfigurationError

_AT_ONCE: Final = 16
_UPSD_WITHIN_S: Final = 5.0
_MODBUS_WITHIN_S: Final = 90.0


class Protocol(StrEnum):
    """What can be spoken to a device."""

    MODBUS = "modbus"
    UPS = "ups"


PORTS: Final = {502: Protocol.MODBUS, 3493: Protocol.UPS}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    Attributes:
        protocol: None for what the port says, or all.
        units: of Modbus; empty for the usual ones.
        maps: of Modbus; empty for all that can be told from each other.
    """

    protocol: Protocol | None
    units: tuple[int, ...]
    maps: tuple[str, ...]

    @classmethod
    def of(cls, protocol: str | None, units: Iterable[int] | None, maps: Iterable[str] | None) -> "Wanted":
        """Read what a person said.

        Raises:
            ConfigurationError: there is no such protocol or map.
        """
        if protocol is not None and protocol not in set(Protocol):
            raise ConfigurationError(f"there is no protocol {protocol}: choose {', '.join(Protocol)}")
        named = tuple(maps or ())
        if strange := [name for name in named if name not in modbus_maps.all_maps()]:
            known = ", ".join(modbus_maps.all_maps())
            raise ConfigurationError(f"there is no map {strange[0]}: choose one of {known}")
        asked = Protocol(protocol) if protocol else (Protocol.MODBUS if named or units else None)
        return cls(asked, tuple(units or ()), named)

    @property
    def ports(self) -> list[int]:
        """Give the ports that such devices have as delivered."""
        return [port for port, spoken in PORTS.items() if self.protocol in {None, spoken}]

    def of_port(self, port: int) -> Sequence[Protocol]:
        """Give what is to be spoken on a port."""
        if self.protocol is not None:
            return [self.protocol]
        return [PORTS[port]] if port in PORTS else list(Protocol)


@dataclass(slots=True)
class Found:
    """What came of it.

    Attributes:
        problems: by address, why something that answers was not recognised.
    """

    devices: list[Discovered] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


async def probe_all(
    targets: Sequence[Target], wanted: Wanted, found: Found, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Ask every address, and keep what it says in `found`, in their order."""
    by_target: dict[Target, list[Discovered]] = {}
    left = iter(targets)

    async def walk() -> None:
        for target in left:
            by_target[target] = await _probe(target, wanted, found.problems)
            found.devices = [device for one in targets for device in by_target.get(one, ())]
            progress(len(by_target))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_AT_ONCE, len(targets))):
            group.create_task(walk())


async def _probe(target: Target, wanted: Wanted, problems: dict[str, str]) -> list[Discovered]:
    faults = []
    for protocol in wanted.of_port(target.port):
        try:
            if found := await (
                probe_ups(target) if protocol is Protocol.UPS else probe_modbus(target, wanted)
            ):
                return found
            faults.append("nothing that we know answers")
        except DeviceError as error:
            faults.append(str(error))
    problems[str(target)] = "; ".join(faults)
    return []


async def probe_modbus(target: Target, wanted: Wanted) -> list[Discovered]:
    """Ask a Modbus address for all its units.

    Raises:
        DeviceError: nobody is there.
    """
    try:
        async with asyncio.timeout(_MODBUS_WITHIN_S):
            answers = await probe.probe(target.host, target.port, wanted.units, wanted.maps)
    except TimeoutError as error:
        raise DeviceError(f"{target} does not answer Modbus requests", reason="timeout") from error
    first = {found.unit: found for found in reversed(answers)}  # in order of the maps' priority
    return [_of_modbus(target, one, alternative=first[one.unit] is not one) for one in answers]


def _of_modbus(target: Target, found: probe.Found, *, alternative: bool) -> Discovered:
    texts: list[str] = []
    if found.block is not None:
        texts.append(
            f"{found.block.id}: {found.block.meaning}; nothing of it is polled until it is confirmed"
        )
        for address, value, name in found.block.rows:
            likely = f"  {name}?" if name else ""
            texts.append(f"  0x{address:04X}  {'no value' if value is None else f'{value:.7g}'}{likely}")
        if not found.block.confirmed:
            texts.append("its values do not tell which order is right: compare them with the display")
    return Discovered(
        "modbus",
        f"{target} unit {found.unit}",
        found.map,
        found.description,
        found.values,
        found.alarms,
        texts=texts,
        notes=found.warnings,
        entry=found.entry,
        alternative=alternative,
    )


async def probe_ups(target: Target) -> list[Discovered]:
    """Ask an upsd for its UPSes.

    Raises:
        DeviceError: it is no upsd.
    """
    upsd = Upsd(target.host, target.port)
    try:
        async with asyncio.timeout(_UPSD_WITHIN_S):
            names = await upsd.ups()
        return [await _probe_one_ups(upsd, target, name) for name in sorted(names)]
    except TimeoutError as error:
        raise DeviceError(f"{target} does not speak NUT", reason="timeout") from error
    finally:
        upsd.close()


async def _probe_one_ups(upsd: Upsd, target: Target, name: str) -> Discovered:
    said: dict[str, Any] = {"host": target.host}
    said |= {"port": target.port} if target.port != PORT else {}
    said |= {"ups": name, "system_id": system_id_of(name)}
    address, entry = f"{name}@{target}", toml("producers.ups.upsd", said)
    adapter = UpsAdapter(upsd, name)
    try:
        async with asyncio.timeout(_UPSD_WITHIN_S):
            read = await adapter.read()
            description = await adapter.describe()
    except (DeviceError, TimeoutError) as error:
        return Discovered("ups", address, "ups", notes=[str(error) or "it does not answer"], entry=entry)
    alarms = tuple(seen for seen in read.seen if isinstance(seen, AlarmSeen))
    return Discovered("ups", address, "ups", description, read.values, alarms, entry=entry)
