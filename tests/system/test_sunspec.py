"""SunSpec devices over real Modbus TCP: a hybrid, its meter on the same connection, probing, the night."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from producers.adapter import DeviceError
from producers.clock import SystemClock
from producers.modbus.probe import probe
from producers.modbus.source import ModbusSource
from producers.simulator.layouts.catalogue import units
from producers.simulator.modbus_server import UNPLUGGED, Failure, Fault, ModbusServer
from producers.source import Setting
from tests.modbus_peers import holding, raw, simulated
from tests.sunspec_images import Memory, Oracle, chain, common, model, unknown
from tests.waiting import PATIENCE_S

SCALES: dict[str, Any] = {"DCA_SF": -2, "DCV_SF": -1, "DCW_SF": 0, "DCWH_SF": 0, "N": 4}
MODULES: list[dict[str, Any]] = [
    {"IDStr": "String 1", "DCA": 750, "DCV": 4003, "DCW": 3001, "DCWH": 7_000_000},
    {"IDStr": "String 2", "DCA": 500, "DCV": 3998, "DCW": 1999, "DCWH": 5_000_000},
    {"IDStr": "StCha 3", "DCA": 0, "DCV": 4105, "DCW": 0, "DCWH": 900_100},
    {"IDStr": "StDisCha 4", "DCA": 438, "DCV": 4105, "DCW": 1800, "DCWH": 800_200},
]
INVERTER: dict[str, Any] = {
    "W": 30_104,
    "W_SF": -1,
    "PhVphA": 2301,
    "V_SF": -1,
    "WH": 12_345_678,
    "WH_SF": 0,
    "St": 4,
}
HYBRID = chain(
    common(),
    model(103, INVERTER),
    model(120, {"DERTyp": 82, "WRtg": 100, "WRtg_SF": 2}),
    unknown(64_111, 12),
    model(160, SCALES, MODULES),
    model(124, {"ChaState": 6725, "ChaState_SF": -2, "ChaSt": 3}),
)
METER = chain(common(padded=True), model(213, {"W": -90_500.0, "WphA": -30_170.0, "TotWhExp": 5e6}))
DARK: dict[str, float | None] = {"inverter_state_code": 2, "ac_out_energy_import_wh": 12_345_678.0}
LIGHT = DARK | {"inverter_state_code": 4, "ac_out_power_w": 3_000.0}


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(limited())


def site(tmp_path: Path, *devices: Mapping[str, Any]) -> ModbusSource:
    entries = [{"host": "127.0.0.1", "map": "sunspec"} | dict(device) for device in devices]
    options = {"devices": entries, "timeout_ms": 500}
    return ModbusSource(Setting("site", tmp_path, tmp_path / "modbus.json", SystemClock(), options))


async def poll(source: ModbusSource) -> dict[str, dict[str, float | None]]:
    """Read all once, by system."""
    values: dict[str, dict[str, float | None]] = {}
    for spec in source.specs():
        read = await spec.adapter.read()
        assert not read.missing
        values.setdefault(spec.system_id, {}).update(read.values)
    return values


async def close(source: ModbusSource) -> None:
    for spec in source.specs():
        await spec.adapter.close()


def test_a_hybrid_and_its_meter_are_read_as_the_reference_reads_them(tmp_path: Path) -> None:
    async def test() -> None:
        async with simulated({1: {40_000: HYBRID}, 200: {40_000: METER}}) as port:
            source = site(
                tmp_path,
                {"port": port, "system_id": "pv"},
                {"port": port, "unit": 200, "system_id": "feed"},
            )
            values = await poll(source)
            pv, feed = values["pv"], values["feed"]
            theirs, meter = Oracle(Memory(HYBRID)).models, Oracle(Memory(METER)).models
            inverter, module = theirs[103][0].points, theirs[160][0].groups["module"]
            assert pv["ac_out_power_w"] == inverter["W"].cvalue == 3010.4
            assert pv["pv_1_power_w"] == module[0].points["DCW"].cvalue == 3001
            assert pv["pv_power_w"] == 5000
            assert pv["battery_power_w"] == -module[3].points["DCW"].cvalue == -1800
            assert (pv["battery_current_a"], pv["battery_voltage_v"]) == (-4.38, 410.5)
            assert pv["soc_pct"] == theirs[124][0].points["ChaState"].cvalue == 67.25
            assert feed["ac_power_w"] == meter[213][0].points["W"].cvalue == -90_500
            assert feed["ac_energy_export_wh"] == 5_000_000
            assert "ac_energy_import_wh" in feed
            (fast, *_) = source.specs()
            described = await fast.adapter.describe()
            assert described is not None
            assert (described.maker, described.rated_w, described.phases) == ("Fronius", 10_000, 3)
            await close(source)

    run(test)


def test_units_share_one_connection_and_each_poll_is_a_few_requests(tmp_path: Path) -> None:
    async def test() -> None:
        seen: list[tuple[int, int]] = []
        replies = {1: holding({40_000: HYBRID}, seen), 200: holding({40_000: METER}, seen)}

        async def gateway(request: Any) -> bytes | None:
            return await replies[request.unit](request)

        async with raw(gateway) as server:
            source = site(
                tmp_path,
                {"port": server.port, "system_id": "pv"},
                {"port": server.port, "unit": 200, "system_id": "feed"},
            )
            await poll(source)
            assert server.connections == 1
            seen.clear()
            pv_fast, _, feed_fast, _ = source.specs()
            await pv_fast.adapter.read()
            assert len(seen) <= 3
            seen.clear()
            await feed_fast.adapter.read()
            assert len(seen) == 1
            await close(source)

    run(test)


def test_a_probe_finds_the_inverter_and_the_meter_behind_one_address() -> None:
    async def test() -> None:
        async with simulated({1: {40_000: HYBRID}, 200: {40_000: METER}}) as port:
            found = await probe("127.0.0.1", port)
            assert [(each.unit, each.map) for each in found] == [(1, "sunspec"), (200, "sunspec")]
            inverter, meter = found
            assert inverter.values["battery_power_w"] == -1800
            assert "unit = 200" in meter.entry
            assert 'map = "sunspec"' in meter.entry

    run(test)


@pytest.mark.parametrize(
    "fault", [UNPLUGGED, Fault(Failure.SILENT), Fault(Failure.REFUSING, code=11)], ids=str
)
@pytest.mark.parametrize(
    ("told", "storage", "asleep"),
    [(DARK, False, True), (LIGHT, False, False), (DARK, True, False)],
    ids=["night", "day", "hybrid"],
)
def test_silence_after_sleep_is_the_night_and_any_other_a_fault(
    tmp_path: Path, fault: Fault, told: dict[str, float | None], *, storage: bool, asleep: bool
) -> None:
    async def test() -> None:
        server = ModbusServer(units("fronius", lambda: told, storage=storage))
        await server.start()
        try:
            source = site(tmp_path, {"port": server.port, "system_id": "pv"})
            await poll(source)
            await server.fail(fault)
            for spec in source.specs():
                with pytest.raises(DeviceError) as error:
                    await spec.adapter.read()
                assert (error.value.reason == "asleep") == asleep
            await server.fail(None)
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        values = await poll(source)
                        break
                    except DeviceError:
                        await asyncio.sleep(0.1)
            assert values["pv"]["ac_out_energy_import_wh"] == 12_345_678
            await close(source)
        finally:
            await server.close()

    run(test)
