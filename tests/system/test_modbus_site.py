"""Every Modbus map read by the real producer from a simulated device gives back the readings told.

The simulated registers and the maps were written apart from each other, from the tables of the makers: what
is wrong in one of them shows here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from producers.adapter import DeviceError
from producers.clock import SystemClock
from producers.modbus.maps import all_maps
from producers.modbus.source import ModbusSource
from producers.simulator.layouts.catalogue import units
from producers.simulator.modbus_image import Image, Several
from producers.simulator.modbus_pdu import Registers
from producers.simulator.modbus_server import Failure, Fault, ModbusServer
from producers.simulator.sunspec_image import SunSpecImage
from producers.source import Setting
from schemas.measurements import unknown
from tests.waiting import PATIENCE_S

Readings = dict[str, float | None]
USUAL = {
    "hz": 50.0, "v": 230.0, "a": 10.0, "w": 2_300.0, "var": 200.0, "va": 2_310.0, "ratio": 0.9,
    "wh": 2_000_000.0, "varh": 300_000.0, "vah": 2_100_000.0, "ah": 100.0,
    "pct": 50.0, "c": 25.0, "s": 7_200.0, "ohm": 900.0,
}  # fmt: skip
CODES: dict[str, float] = {
    "ac_load_type_code": 76,
    "ac_in_source_code": 1,
    "state_code": 9,
    "mode_code": 3,
    "inverter_vendor_state_code": 307,
}
SIGNED = (
    *("ac_", "grid_", "battery_", "genset_", "invertercharger_", "vebus_", "dc_system_"),
    *("load_in_", "load_out_"),
)
ASKED_FOR = (
    *("ac_frequency_hz", "ac_l1_voltage_v", "ac_l1_current_a", "ac_l1_power_w"),
    *("battery_voltage_v", "soc_pct"),
)

OF_ITS_OWN = {
    "ac_load_type_code",
    "inverter_vendor_state_code",
    "inverter_state_code",
    "ac_out_connected_code",
}
SAYS_NO_VALUE = {"sma_sunny_island"}


@dataclass(frozen=True)
class Device:
    """A simulated device and how the site names it.

    Attributes:
        map: of the producer.
        layout: of the simulator.
        given: more readings, or others than the usual ones.
        more: readings that the map works out, beside those told.
        unread: readings that the device has and the map leaves out.
        face: which of several makes the map reads, of a device that speaks as several.
    """

    map: str
    layout: str
    unit: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    confirm: Mapping[str, Sequence[str]] = field(default_factory=dict)
    given: Mapping[str, float] = field(default_factory=dict)
    more: Sequence[str] = ()
    unread: Sequence[str] = ()
    face: int = 0


AT_3400 = [
    *(f"ac_{position}_voltage_v" for position in ("l1", "l2", "l3", "l12", "l23", "l31")),
    *(f"ac_{position}_current_a" for position in ("l1", "l2", "l3")),
    *("ac_power_w", "ac_reactive_power_var", "ac_frequency_hz"),
]
NOT_AT_3400 = (
    "ac_l1_power_w",
    "ac_l2_power_w",
    "ac_l3_power_w",
    "ac_apparent_power_va",
    "ac_power_factor_ratio",
)


def hybrid(battery_w: float) -> dict[str, float]:
    """Give readings of a hybrid inverter that fit each other."""
    return {
        "pv_1_power_w": 3_000.5, "pv_2_power_w": 1_999.5, "pv_power_w": 5_000.0,
        "pv_1_energy_wh": 7_000_000.0, "pv_2_energy_wh": 5_000_000.0, "pv_energy_wh": 12_000_000.0,
        "battery_power_w": battery_w, "battery_voltage_v": 400.0, "battery_current_a": battery_w / 400.0,
        "battery_energy_charged_wh": 900_100.0, "battery_energy_discharged_wh": 800_200.0,
        "battery_charge_power_limit_w": 11_520.0, "ac_out_connected_code": 1.0,
    }  # fmt: skip


ARRAYS = {f"pv_{number}_power_w": number * 1_010.0 for number in (1, 2, 3, 4)} | {"pv_power_w": 10_100.0}
NAMEPLATE = ("ac_out_nominal_power_w", "battery_capacity_ah")
DEVICES = [
    Device("acuvim_ii", "acuvim_ii"),
    Device("acuvim_ii", "acuvim_ii", options={"secondary": True}),
    Device("acuvim_l", "acuvim_l"),
    Device("acuvim_l_fast", "acuvim_l_fast"),
    Device("acuvim_3", "acuvim_3"),
    Device("sungrow_sh", "sungrow_sh"),
    Device("sma_sunny_island", "sma_sunny_island", unit=3, more=("battery_power_w",)),
    Device("deye_hybrid_3p", "deye_hybrid", given=ARRAYS),
    Device("deye_hybrid_3p", "deye_hybrid_hv", parameters={"power_scale": 10}, given=ARRAYS),
    Device("victron_gx_system", "victron_gx", unit=100, given={"battery_voltage_v": 52.3}),
    Device("victron_gx_battery", "victron_gx", unit=225, given={"battery_voltage_v": 52.34}),
    Device(
        "victron_gx_vebus",
        "victron_gx",
        unit=227,
        unread=("ac_in_frequency_hz", "ac_out_frequency_hz"),
        more=(*(f"ac_in_l{phase}_frequency_hz" for phase in (1, 2, 3)), "ac_out_l1_frequency_hz"),
    ),
    *(
        Device("sunspec", layout, options={"storage": True}, given=hybrid(battery_w), unread=NAMEPLATE)
        for layout, battery_w in (("fronius", 1_800.0), ("fronius_float", -2_400.0))
    ),
    Device(
        "sunspec",
        "fronius",
        options={"storage": False},
        given=hybrid(battery_w=0.0),
        unread=(*NAMEPLATE, *(name for name in hybrid(0.0) if name.startswith("battery"))),
    ),
    Device("sunspec", "fronius_meter", unit=200),
    Device("sunspec", "fronius_meter_float", unit=200),
    Device("sunspec", "datamanager_meter", unit=240),
    Device("sunspec", "acuvim_ii", face=1),
    Device("acuvim_3400", "acuvim_l_fast", confirm={"block_3400": AT_3400}, unread=NOT_AT_3400),
]


def names_in(registers: Registers, face: int) -> Iterator[str]:
    """Give all readings that registers tell."""
    if isinstance(registers, Several):
        yield from names_in(registers._registers[face], 0)
    elif isinstance(registers, Image):
        yield from (cell.name for cell in registers.cells)
    elif isinstance(registers, SunSpecImage):
        for model in registers.places.values():
            yield from (point.reading for point in model.points if point.reading)


def finest(registers: Registers, face: int, told: Readings) -> Iterator[tuple[str, float]]:
    """Give how far from each reading its register may be."""
    if isinstance(registers, Several):
        yield from finest(registers._registers[face], 0, told)
    elif isinstance(registers, Image):
        yield from (
            (cell.name, 0.0 if cell.type[0] == "f" else abs(cell.per) / 2) for cell in registers.cells
        )
    elif isinstance(registers, SunSpecImage):
        derived = registers._derive(told)
        for model in registers.places.values():
            scales = model._scales({point.name: point.value(derived) for point in model.points})
            for point in model.points:
                half = 0.0 if point.type == "float32" else 0.5 * 10.0 ** (scales.get(point.scale) or 0)
                yield point.reading, half / point.factor


def readings(names: Iterable[str], given: Mapping[str, float], *, exporting: bool) -> Readings:
    """Make readings that differ from each other, with powers that fit voltages and currents."""
    told: Readings = {}
    for name in names:
        unit = name.rpartition("_")[2]
        value = USUAL.get(unit, 1.0) * (1.0 + crc32(name.encode()) % 1000 / 10_000)
        if unit == "code":
            value = CODES.get(name, crc32(name.encode()) % 3)
        if (
            exporting
            and unit in {"w", "var"}
            and name.endswith(("_power_w", "_power_var"))
            and name.startswith(SIGNED)
        ):
            value = -value
        told[name] = value
    return told | dict(given)


def source(device: Device, port: int, tmp_path: Path, *, named: bool = True) -> ModbusSource:
    entry: dict[str, Any] = {"host": "127.0.0.1", "port": port, "unit": device.unit, "system_id": "device"}
    if named:
        entry |= {"map": device.map, "parameters": dict(device.parameters), "confirm": dict(device.confirm)}
    state = tmp_path / "modbus.json"
    return ModbusSource(Setting("site", tmp_path, state, SystemClock(), {"devices": [entry]}), all_maps())


@asynccontextmanager
async def served(made: Mapping[int, Registers]) -> AsyncIterator[ModbusServer]:
    server = ModbusServer(made)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def poll(made: ModbusSource) -> Readings:
    """Read everything once, fast and slow."""
    values: Readings = {}
    for spec in made.specs():
        read = await spec.adapter.read()
        assert not read.missing
        values |= read.values
    return values


async def close(made: ModbusSource) -> None:
    for spec in made.specs():
        await spec.adapter.close()


def telling(device: Device, *, exporting: bool = False) -> tuple[Readings, Mapping[int, Registers]]:
    """Make a device that tells all it can, and say what."""
    told: Readings = {}
    made = units(device.layout, lambda: told, **device.options)
    names = set(names_in(made[device.unit], device.face))
    told |= readings(names - set(unknown(dict.fromkeys(names))), device.given, exporting=exporting)
    return told, made


def told_and_read(
    device: Device, tmp_path: Path, *, exporting: bool = False
) -> tuple[Readings, Readings, Mapping[str, float]]:
    told, made = telling(device, exporting=exporting)

    async def read() -> Readings:
        async with served(made) as server:
            producer = source(device, server.port, tmp_path)
            values = await poll(producer)
            await close(producer)
            return values

    return told, asyncio.run(read()), dict(finest(made[device.unit], device.face, told))


def name_of(device: Device) -> str:
    return (
        f"{device.map}-{device.layout}{''.join(f'-{name}={value}' for name, value in device.options.items())}"
    )


@pytest.mark.parametrize("exporting", [False, True], ids=["import", "export"])
@pytest.mark.parametrize("device", DEVICES, ids=name_of)
def test_what_is_read_is_what_was_told(device: Device, tmp_path: Path, *, exporting: bool) -> None:
    told, read, halves = told_and_read(device, tmp_path, exporting=exporting)

    wrong = {
        name: (value, told[name])
        for name, value in read.items()
        if name in told and value != pytest.approx(told[name], rel=2e-6, abs=halves.get(name, 0.02) * 1.001)
    }
    assert not wrong, "name: (read, told)"
    assert set(read) - set(told) <= set(device.more), "readings that nobody told"


@pytest.mark.parametrize("device", DEVICES, ids=name_of)
def test_all_that_the_device_tells_is_read(device: Device, tmp_path: Path) -> None:
    told, read, _ = told_and_read(device, tmp_path)

    unread = {name for name in told if name not in read}
    assert unread <= set(device.unread)


@pytest.mark.parametrize(
    "device",
    [device for device in DEVICES if all_maps()[device.map].automatic and not device.face],
    ids=name_of,
)
def test_a_device_is_known_by_its_answers(device: Device, tmp_path: Path) -> None:
    _, made = telling(device)

    async def look() -> str:
        async with served(made) as server:
            producer = source(device, server.port, tmp_path, named=False)
            news = asyncio.Event()
            running = asyncio.create_task(producer.run(news.set))
            async with asyncio.timeout(PATIENCE_S):
                if not list(producer.specs()):
                    await news.wait()
            await poll(producer)
            (unit,) = producer._units
            await close(producer)
            running.cancel()
            assert unit.device.layout is not None
            return unit.device.layout.map

    assert asyncio.run(look()) == device.map


@pytest.mark.parametrize("device", DEVICES, ids=name_of)
def test_nothing_is_made_of_a_device_that_measures_nothing(device: Device, tmp_path: Path) -> None:
    """On a line that is dead, or at night: zero where the device says so, no value where it says that."""

    async def read() -> Readings:
        async with served(units(device.layout, dict, **device.options)) as server:
            producer = source(device, server.port, tmp_path)
            values = await poll(producer)
            await close(producer)
            return values

    values = {name: value for name, value in asyncio.run(read()).items() if name not in OF_ITS_OWN}
    assert not {name: value for name, value in values.items() if value}
    if device.layout in SAYS_NO_VALUE:
        assert set(values.values()) == {None}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Failure.SILENT),
        Fault(Failure.RESET),
        Fault(Failure.SLOW, delay_s=60),
        Fault(Failure.REFUSING, code=4),
        Fault(Failure.REFUSING, code=11),
        Fault(Failure.HALF),
        Fault(Failure.STALE),
        Fault(Failure.UNPLUGGED),
        Fault(Failure.GONE),
    ],
    ids=lambda fault: f"{fault.failure}-{fault.code}",
)
def test_what_fails_is_said_in_time_and_ends_with_the_failure(fault: Fault, tmp_path: Path) -> None:
    device = Device("acuvim_ii", "acuvim_ii")
    told = readings(ASKED_FOR, {}, exporting=False)

    async def through() -> None:
        async with served(units(device.layout, lambda: told)) as server:
            producer = source(device, server.port, tmp_path)
            assert (await poll(producer))["ac_l1_voltage_v"] == pytest.approx(told["ac_l1_voltage_v"])
            (fast, *_) = producer.specs()
            await server.fail(fault)
            with pytest.raises(DeviceError):
                async with asyncio.timeout(fast.timeout_ms / 1000):
                    await fast.adapter.read()
            await server.fail(None)
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        read = await fast.adapter.read()
                        break
                    except DeviceError:
                        await asyncio.sleep(0.1)
            assert read.values["ac_l1_voltage_v"] == pytest.approx(told["ac_l1_voltage_v"])
            await close(producer)

    asyncio.run(through())


def test_every_map_has_a_simulated_device() -> None:
    assert set(all_maps()) <= {device.map for device in DEVICES}
