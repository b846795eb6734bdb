"""Ask one address what it is, in each protocol that producers speak; nothing is written to a device."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from bus import ids
from ovr.discovered import Discovered, toml
from ovr.scanning import Target, accepts
from producers.adapter import Adapter, AlarmSeen, DeviceError, DeviceSpec, PartSeen, Read
from producers.clock import SystemClock
from producers.modbus import probe
from producers.modbus.maps import Map
from producers.source import Setting
from producers.ups.adapter import UpsAdapter
from producers.ups.client import PORT as UPSD_PORT
from producers.ups.client import Upsd
from producers.ups.options import system_id_of
from producers.victron.source import VictronSource

MQTT_PORT, MQTT_TLS_PORT = 1883, 8883
_UPSD_WITHIN_S: Final = 5.0
_MODBUS_WITHIN_S: Final = 90.0
_GX_WITHIN_S: Final = 10.0
_PORTAL_WITHIN_S: Final = 4.0
_CONNECT_WITHIN_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.1


async def probe_modbus(
    target: Target,
    units: Sequence[int],
    maps: Sequence[str],
    known: Mapping[str, Map],
    at_least_s: float = 0.0,
) -> list[Discovered]:
    """Ask a Modbus address for all its units; wait longer than usual where that is wished.

    Raises:
        DeviceError: nobody is there.
    """
    try:
        async with asyncio.timeout(max(_MODBUS_WITHIN_S, at_least_s)):
            answers = await probe.probe(target.host, target.port, units, maps, known=known)
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


async def probe_ups(target: Target, at_least_s: float = 0.0) -> list[Discovered]:
    """Ask an upsd for its UPSes; wait longer than usual where that is wished.

    Raises:
        DeviceError: it is no upsd.
    """
    upsd = Upsd(target.host, target.port)
    try:
        async with asyncio.timeout(max(_UPSD_WITHIN_S, at_least_s)):
            names = await upsd.ups()
        return [await _probe_one_ups(upsd, target, name) for name in sorted(names)]
    except TimeoutError as error:
        raise DeviceError(f"{target} does not speak NUT", reason="timeout") from error
    finally:
        upsd.close()


async def _probe_one_ups(upsd: Upsd, target: Target, name: str) -> Discovered:
    said: dict[str, Any] = {"host": target.host}
    said |= {"port": target.port} if target.port != UPSD_PORT else {}
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


async def probe_gx(target: Target) -> list[Discovered]:
    """Ask a GX device for its portal, its devices and its readings.

    Raises:
        DeviceError: it is none, or wants a password.
    """
    if not await accepts(target, _CONNECT_WITHIN_S):
        raise DeviceError(f"{target} cannot be reached", reason="refused")
    said: dict[str, Any] = {"host": target.host}
    if target.port == MQTT_TLS_PORT:
        said |= {"tls": True, "insecure": True}
    elif target.port != MQTT_PORT:
        said |= {"port": target.port}
    nowhere = Path(gettempdir(), f"ovr-probe-{ids.token()}")  # nothing is remembered
    source = VictronSource(Setting("probe", nowhere, nowhere, SystemClock(), {"gx": [said]}))
    known = asyncio.Event()
    holding = asyncio.create_task(source.run(known.set))
    try:
        async with asyncio.timeout(_PORTAL_WITHIN_S):
            await known.wait()
        async with asyncio.timeout(_GX_WITHIN_S):
            return [await _heard(list(source.specs()), target, said)]
    except TimeoutError as error:
        troubles = (one.get("trouble") for one in source.status()["gx"].values())
        detail = next((str(one) for one in troubles if one), f"{target} tells nothing that a GX tells")
        raise DeviceError(detail, reason="silent") from error
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)


async def _heard(specs: Sequence[DeviceSpec], target: Target, said: dict[str, Any]) -> Discovered:
    """Wait until every pace of the GX has told something."""
    values: dict[str, float | None] = {}
    alarms: dict[tuple[str, str, str], AlarmSeen] = {}
    parts: dict[str, PartSeen] = {}
    for spec in specs:
        read = await _first(spec.adapter)
        values |= read.values
        for seen in read.seen:
            if isinstance(seen, AlarmSeen):
                alarms[seen.alarm, seen.device, seen.phase] = seen
            else:
                parts[seen.device] = seen
    system_id = specs[0].system_id
    return Discovered(
        "victron",
        str(target),
        "victron",
        await specs[0].adapter.describe(),
        dict(sorted(values.items())),
        tuple(alarms.values()),
        texts=[_part(part) for _, part in sorted(parts.items()) if part.present],
        entry=toml("producers.victron.gx", said | {"system_id": system_id}),
    )


async def _first(adapter: Adapter) -> Read:
    while True:
        try:
            if (read := await adapter.read()).values:
                return read
        except DeviceError:
            pass
        await asyncio.sleep(_LOOK_AGAIN_S)


def _part(part: PartSeen) -> str:
    said = part.description
    words = (said.model, said.serial and f"serial {said.serial}") if said else ()
    return f"{part.device}: {', '.join(word for word in words if word) or 'is there'}"
