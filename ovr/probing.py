"""Ask addresses what they are, over the protocols that producers speak; nothing is written to a device.

Rules that must stay true here:
- few addresses are asked at a time, and the units behind one address one after the other;
- what is found is kept as it comes, so that whoever is interrupted has what there was.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ovr import probes
from ovr.discovered import Discovered
from ovr.scanning import Target
from producers.adapter import DeviceError
from producers.modbus import probe
from producers.modbus.maps import Map
from producers.ups import client
from schemas.errors import ConfigurationError

_AT_ONCE: Final = 16


class Protocol(StrEnum):
    """What can be spoken to a device."""

    MODBUS = "modbus"
    UPS = "ups"
    VICTRON = "victron"


PORTS: Final = {
    probe.PORT: Protocol.MODBUS,
    client.PORT: Protocol.UPS,
    probes.MQTT_PORT: Protocol.VICTRON,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    Attributes:
        protocol: None for what the port says, or all.
        units: of Modbus; empty for the usual ones.
        maps: of Modbus; empty for all that can be told from each other.
        known: all maps there are, a site's own too.
        at_least_s: how long an answer may take, where that is more than usual.
    """

    protocol: Protocol | None
    units: tuple[int, ...]
    maps: tuple[str, ...]
    known: Mapping[str, Map]
    at_least_s: float = 0.0

    @classmethod
    def of(
        cls,
        protocol: str | None,
        units: Iterable[int] | None,
        maps: Iterable[str] | None,
        known: Mapping[str, Map],
        at_least_s: float = 0.0,
    ) -> "Wanted":
        """Read what a person said.

        Raises:
            ConfigurationError: there is no such protocol or map.
        """
        if protocol is not None and protocol not in set(Protocol):
            raise ConfigurationError(f"there is no protocol {protocol}: choose {', '.join(Protocol)}")
        named = tuple(maps or ())
        if strange := [name for name in named if name not in known]:
            raise ConfigurationError(f"there is no map {strange[0]}: choose one of {', '.join(known)}")
        asked = Protocol(protocol) if protocol else (Protocol.MODBUS if named or units else None)
        return cls(asked, tuple(units or ()), named, known, at_least_s)

    @property
    def ports(self) -> list[int]:
        """Give the ports that such devices have as delivered."""
        return [port for port, spoken in PORTS.items() if self.protocol in {None, spoken}]

    def of_port(self, port: int) -> Sequence[Protocol]:
        """Give what is to be spoken on a port."""
        if self.protocol is not None:
            return [self.protocol]
        if port == probes.MQTT_TLS_PORT:
            return [Protocol.VICTRON]
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
            if found := await _ask(protocol, target, wanted):
                return found
            faults.append("nothing that we know answers")
        except DeviceError as error:
            faults.append(str(error))
    problems[str(target)] = "; ".join(faults)
    return []


async def _ask(protocol: Protocol, target: Target, wanted: Wanted) -> list[Discovered]:
    match protocol:
        case Protocol.MODBUS:
            return await probes.probe_modbus(
                target, wanted.units, wanted.maps, wanted.known, wanted.at_least_s
            )
        case Protocol.UPS:
            return await probes.probe_ups(target, wanted.at_least_s)
        case Protocol.VICTRON:
            return await probes.probe_gx(target)
