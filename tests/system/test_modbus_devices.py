"""Modbus devices of a site over real sockets: found, polled, partly refused, doubted, reconfigured."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from producers.adapter import DeviceError, DeviceSpec, Read
from producers.clock import SystemClock
from producers.modbus import device, source
from producers.modbus.connection import Connection
from producers.modbus.device_reading import parse
from producers.modbus.file_map import FileMap
from producers.modbus.maps import Map, all_maps
from producers.modbus.source import ModbusSource
from producers.source import Setting
from schemas.errors import ConfigurationError
from tests.modbus_peers import RawServer, Request, holding, raw, simulated
from tests.modbus_words import acuvim_ii, f32
from tests.waiting import PATIENCE_S

Registers = Mapping[int, Sequence[int]]


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(limited())


OTHER = """
name = "other"
maker = "Maker"
model = "Other"
kind = "other"
source = "made up"
priority = 99
[[probe]]
address = 7
type = "u16"
equals = 77
[[point]]
address = 7
type = "u16"
name = "soc_pct"
"""
MAPS: Mapping[str, Map] = dict(all_maps()) | {"other": FileMap(parse(OTHER, "other.toml"))}


def site(tmp_path: Path, *devices: Mapping[str, Any], **more: Any) -> ModbusSource:
    named = [
        {"host": "127.0.0.1", "map": "acuvim_ii", "system_id": "meter"} | dict(device) for device in devices
    ]
    options = {"devices": named, **more}
    return ModbusSource(Setting("site", tmp_path, tmp_path / "modbus.json", SystemClock(), options), MAPS)


async def close(specs: Sequence[DeviceSpec]) -> None:
    for spec in specs:
        await spec.adapter.close()


def connection_of(adapter: Any) -> Connection:
    connection = adapter.device._connection
    assert isinstance(connection, Connection)
    return connection


async def until(state: Callable[[], bool]) -> None:
    while not state():  # noqa: ASYNC110 - the state of another thread or of the kernel sets no event
        await asyncio.sleep(0.005)


def test_both_polls_share_the_connection_and_what_was_found(tmp_path: Path) -> None:
    async def test() -> None:
        seen: list[tuple[int, int]] = []
        async with raw(holding(acuvim_ii(), seen)) as server:
            specs = list(site(tmp_path, {"port": server.port}).specs())
            assert [(spec.kind, spec.interval_ms) for spec in specs] == [("acuvim", 1000), ("acuvim", 10000)]
            fast, slow = await asyncio.gather(*(spec.adapter.read() for spec in specs))
            assert server.connections == 1
            assert seen.count((0x4000, 2)) == 1, "one search, though both polls waited for it"
            assert (fast.missing, slow.missing) == ("", "")
            assert fast.values["ac_power_w"] == pytest.approx(6900)
            assert slow.values["ac_energy_import_wh"] == 17_807_783_300
            assert not fast.values.keys() & slow.values.keys()
            description = await specs[1].adapter.describe()
            assert description is not None
            assert (description.maker, description.serial) == ("Accuenergy", "AH15090001")
            before = len(seen)
            await specs[0].adapter.read()
            assert len(seen) == before + 1, "thirty values in one request"
            await close(specs)

    run(test)


def test_what_a_device_does_not_have_is_said_once_and_asked_for_no_more(tmp_path: Path) -> None:
    async def test() -> None:
        seen: list[tuple[int, int]] = []
        registers = acuvim_ii(demand=False)
        registers[0x4048] = registers[0x4048][:-2]  # and no apparent energy: a hole in the middle of a block
        async with raw(holding(registers, seen)) as server:
            specs = list(site(tmp_path, {"port": server.port}).specs())
            slow = specs[1].adapter
            first = await slow.read()
            assert first.missing.startswith("the device has no ac_apparent_energy_vah")
            assert first.values["ac_energy_total_wh"] == 17_807_783_300
            assert first.values["ac_l1_voltage_thd_pct"] == 2.25
            assert "ac_apparent_energy_vah" not in first.values
            while (await slow.read()).missing:
                pass  # many registers are missing: a few requests at a time find out which
            await slow.read()
            seen.clear()
            again = await slow.read()
            assert not again.missing
            assert again.values == first.values
            assert len(seen) == 2, "the two parts that are there, however they were found out"
            await close(specs)

    run(test)


def test_a_gap_that_was_read_through_and_is_refused_is_left_out(tmp_path: Path) -> None:
    async def test() -> None:
        registers = {0x1003: [0] * 7, 0x3000: f32(50.0, 230.0, 230.0, 230.0), 0x300A: f32(400, 400, 400)}
        registers |= {0x3012: f32(1, 1, 1), 0x301C: f32(230, 230, 230, 690), 0x302A: f32(0)}
        registers |= {0x3032: f32(690), 0x303A: f32(1)}
        async with raw(holding(registers)) as server:
            specs = list(site(tmp_path, {"port": server.port, "map": "acuvim_l_fast"}).specs())
            read = await specs[0].adapter.read()
            assert len(read.values) == 17, "all of them, though no request across the gaps is answered"
            assert "ac_frequency_hz" in read.values
            assert not read.missing, "nothing is missing, only the requests are smaller"
            await close(specs)

    run(test)


def test_a_device_that_refuses_everything_for_a_while_is_asked_for_everything_again(tmp_path: Path) -> None:
    async def test() -> None:
        well = holding(acuvim_ii())
        async with raw(well) as server:
            specs = list(site(tmp_path, {"port": server.port}).specs())
            await specs[0].adapter.read()

            async def booting(request: Request) -> bytes | None:
                return request.refuse(2)

            server.reply = booting
            for _ in range(3):
                with pytest.raises(DeviceError, match="has no such registers"):
                    await specs[0].adapter.read()
            server.reply = well
            read = await specs[0].adapter.read()
            assert (len(read.values), read.missing) == (30, "")
            await close(specs)

    run(test)


def test_when_the_device_falls_silent_in_the_middle_the_rest_is_missing(tmp_path: Path) -> None:
    async def test() -> None:
        well = holding(acuvim_ii())

        async def half_deaf(request: Request) -> bytes | None:
            return b"" if request.address >= 0x4600 else await well(request)  # its identity included

        async with raw(half_deaf) as server:
            made = site(tmp_path, {"port": server.port}, timeout_ms=200)
            specs = list(made.specs())
            read = await specs[1].adapter.read()
            assert "ac_l1_current_demand_a" in read.missing
            assert "does not answer" in read.missing
            assert read.values["ac_energy_import_wh"] == 17_807_783_300
            assert not [name for name in read.values if name.startswith("ac_l1_energy")]
            await close(specs)

    run(test)


def test_kilowatts_are_found_out_and_nothing_wrong_is_told_meanwhile(tmp_path: Path) -> None:
    async def test() -> None:
        async with simulated({1: acuvim_ii(unit_w=1000)}) as port:
            made = site(tmp_path, {"port": port})
            specs = list(made.specs())
            fast, slow = (spec.adapter for spec in specs)
            reads: list[Read] = []
            for _ in range(4):
                reads.append(await fast.read())
                slowly = await slow.read()
                assert slowly.values.get("ac_power_demand_w") in (None, pytest.approx(6900))
            assert [read.values.get("ac_power_w") for read in reads] == [
                None,
                None,
                pytest.approx(6900),
                pytest.approx(6900),
            ]
            assert "contradict" in reads[0].missing
            assert reads[0].values["ac_l1_voltage_v"] == 230
            assert not reads[2].missing
            assert made.status()["warnings"] == {
                "meter": ["power_scale is 1000, as voltage times current says"]
            }
            await close(specs)

    run(test)


def test_a_device_that_contradicts_what_the_site_says_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with simulated({1: acuvim_ii(unit_w=1000)}) as port:
            specs = list(site(tmp_path, {"port": port, "parameters": {"power_scale": 1}}).specs())
            fast, slow = (spec.adapter for spec in specs)
            for _ in range(2):
                assert "ac_power_w" not in (await fast.read()).values
            for adapter in (fast, slow, fast):
                with pytest.raises(DeviceError, match="leave power_scale out"):
                    await adapter.read()
            await close(specs)

    run(test)


def test_a_poll_that_runs_out_of_time_does_not_end_the_search_for_the_device(tmp_path: Path) -> None:
    async def test() -> None:
        well = holding(acuvim_ii())

        async def slowly(request: Request) -> bytes | None:
            await asyncio.sleep(0.05)
            return await well(request)

        async with raw(slowly) as server:
            specs = list(site(tmp_path, {"port": server.port}).specs())
            first = asyncio.create_task(specs[0].adapter.read())
            while not server.requests:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0)
            first.cancel()
            tries = 0
            while True:
                try:
                    async with asyncio.timeout(0.08):
                        read = await specs[0].adapter.read()
                    break
                except TimeoutError:
                    tries += 1
            assert tries >= 2
            assert len(read.values) == 30
            assert server.connections == 1
            await close(specs)

    run(test)


def test_after_a_new_connection_the_device_is_looked_for_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with raw(holding(acuvim_ii())) as server:
            specs = list(site(tmp_path, {"port": server.port}).specs())
            fast = specs[0].adapter
            assert (await fast.read()).values["ac_l1_voltage_v"] == 230
            server.reply = holding(acuvim_ii(mode=0, ratios=(4000, 1000, 100, 5)))
            server.close_all()
            await until(lambda: not connection_of(fast).connected)
            assert (await fast.read()).values["ac_l1_voltage_v"] == 920, "the ratios that are set now"
            await close(specs)

    run(test)


def test_something_else_at_the_address_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with simulated({1: {0x4000: f32(50.0)}}) as port:
            specs = list(site(tmp_path, {"port": port}).specs())
            with pytest.raises(DeviceError, match="answers, and is none of: acuvim_ii"):
                await specs[0].adapter.read()
            await close(specs)

    run(test)


def test_units_behind_one_gateway_share_its_connection(tmp_path: Path) -> None:
    async def test() -> None:
        replies = {unit: holding(acuvim_ii(volts=200.0 + unit)) for unit in (1, 2, 3)}

        async def gateway(request: Request) -> bytes | None:
            return await replies[request.unit](request) if request.unit in replies else request.refuse(11)

        async with raw(gateway) as server:
            devices = [{"port": server.port, "unit": unit, "system_id": f"m{unit}"} for unit in (1, 2, 3, 4)]
            specs = [spec for spec in site(tmp_path, *devices).specs() if spec.interval_ms == 1000]
            reads = await asyncio.gather(*(spec.adapter.read() for spec in specs), return_exceptions=True)
            volts = [read.values["ac_l1_voltage_v"] for read in reads if isinstance(read, Read)]
            assert volts == [201, 202, 203]
            assert "does not answer its gateway" in str(reads[3])
            assert server.connections == 1
            await close(specs)

    run(test)


def test_a_reload_keeps_the_adapters_of_unchanged_devices(tmp_path: Path) -> None:
    async def test() -> None:
        async with simulated({1: acuvim_ii(), 2: acuvim_ii(), 3: acuvim_ii()}) as port:
            one, two, three = (
                dict[str, Any](port=port, unit=unit, system_id=f"m{unit}") for unit in (1, 2, 3)
            )
            made = site(tmp_path, one, two)
            before = list(made.specs())
            for spec in before:
                await spec.adapter.read()

            full = [
                {"host": "127.0.0.1", "map": "acuvim_ii"} | each
                for each in (one, two | {"fast_ms": 500}, three)
            ]
            made.configure({"devices": full})
            after = list(made.specs())

            assert after[:2] == before[:2]
            assert [spec.interval_ms for spec in after[2:]] == [500, 10_000, 1000, 10_000]
            await close(before[2:])
            for spec in after:
                assert (await spec.adapter.read()).values

            with pytest.raises(ConfigurationError, match="two devices are named m1"):
                made.configure({"devices": [full[0], full[1] | {"system_id": "m1"}]})
            assert list(made.specs()) == after
            await close(after)

    run(test)


def test_a_device_of_unknown_kind_is_looked_for_and_remembered(tmp_path: Path) -> None:
    async def test() -> None:
        async with simulated({1: acuvim_ii()}) as port:
            made = site(tmp_path, {"port": port, "map": ["acuvim_ii", "acuvim_l"], "system_id": ""})
            assert [spec.system_id for spec in made.specs()] == ["acuvim_1"] * 2, "one kind: no need to look"
            await close(list(made.specs()))

            unknown = {"port": port, "map": [], "system_id": ""}
            made = site(tmp_path, unknown)
            assert not list(made.specs())
            changed = asyncio.Event()
            running = asyncio.create_task(made.run(changed.set))
            await changed.wait()
            specs = list(made.specs())
            assert [(spec.system_id, spec.kind) for spec in specs] == [("acuvim_1", "acuvim")] * 2
            assert (await specs[0].adapter.read()).values["ac_l1_voltage_v"] == 230
            made.save()
            running.cancel()
            await close(specs)

            again = site(tmp_path, unknown)
            specs = list(again.specs())
            assert [spec.kind for spec in specs] == ["acuvim"] * 2, "known from the life before"
            await close(specs)

    run(test)


def test_settings_that_somebody_changes_at_the_meter_are_noticed_beside_the_polls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with raw(holding(acuvim_ii())) as server:
            specs = list(site(tmp_path, {"port": server.port}).specs())
            fast = specs[0].adapter
            assert (await fast.read()).values["ac_l1_voltage_v"] == 230
            monkeypatch.setattr(device, "REFRESH_S", 0.0)
            server.reply = holding(acuvim_ii(mode=0, ratios=(4000, 1000, 100, 5)))
            while (read := await fast.read()).values["ac_l1_voltage_v"] == 230:
                assert not read.missing
            assert read.values["ac_l1_voltage_v"] == 920
            assert server.connections == 1
            await close(specs)

    run(test)


def test_a_device_that_turns_out_to_be_of_another_kind_is_looked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        monkeypatch.setattr(source, "_LOOK_AGAIN_S", 0.02)
        async with raw(holding(acuvim_ii())) as server:
            made = site(tmp_path, {"port": server.port, "map": ["acuvim_ii", "other"], "system_id": ""})
            changes = asyncio.Queue[None]()
            running = asyncio.create_task(made.run(lambda: changes.put_nowait(None)))
            await changes.get()
            before = list(made.specs())
            assert {spec.kind for spec in before} == {"acuvim"}
            await before[0].adapter.read()

            server.reply = holding({7: [77]})  # somebody has put another device there
            server.close_all()
            await until(lambda: not connection_of(before[0].adapter).connected)
            with pytest.raises(DeviceError, match="is none of: acuvim_ii"):
                await before[0].adapter.read()
            await changes.get()
            await changes.get()

            after = list(made.specs())
            assert [(spec.system_id, spec.kind) for spec in after] == [("other_1", "other")]
            assert (await after[0].adapter.read()).values == {"soc_pct": 77}
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await close([*before, *after])

    run(test)


def test_a_map_that_a_device_is_silent_about_does_not_hide_the_next(tmp_path: Path) -> None:
    async def test() -> None:
        only = holding({7: [77]})

        async def picky(request: Request) -> bytes | None:
            return await only(request) if request.address == 7 else b""

        async with raw(picky) as server:
            device_ = {"port": server.port, "map": ["acuvim_ii", "other"], "system_id": "it"}
            made = site(tmp_path, device_, timeout_ms=50)
            unit = made._units[0]
            for _ in range(2):
                with pytest.raises(DeviceError, match="does not answer"):
                    await unit.device.found()
            assert (await unit.device.found()).map == "other"
            unit.drop()

    run(test)


def test_what_is_still_looked_for_is_said(tmp_path: Path) -> None:
    async def test() -> None:
        async with raw() as server:
            port = server.port
        made = site(tmp_path, {"port": port, "map": [], "system_id": ""})
        assert not list(made.specs())
        running = asyncio.create_task(made.run(lambda: None))
        await until(lambda: any(made.status()["looking_for"].values()))
        assert "cannot be reached" in made.status()["looking_for"][f"127.0.0.1:{port}/1"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(test)


def test_the_last_poll_of_a_device_closes_its_connection(tmp_path: Path) -> None:
    async def test() -> None:
        server: RawServer
        async with raw(holding(acuvim_ii())) as server:
            specs = list(site(tmp_path, {"port": server.port}).specs())
            await asyncio.gather(*(spec.adapter.read() for spec in specs))
            assert len(server.open) == 1
            await specs[0].adapter.close()
            assert (await specs[1].adapter.read()).values
            await specs[1].adapter.close()
            await until(lambda: not server.open)

    run(test)


def test_the_pause_that_a_map_wants_is_kept_from_the_first_request_on(tmp_path: Path) -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        well = holding({7: [77]})

        async def timed(request: Request) -> bytes | None:
            times.append(loop.time())
            return await well(request)

        careful = FileMap(parse("min_gap_ms = 40\n" + OTHER, "other.toml"))
        async with raw(timed) as server:
            options = {"devices": [{"host": "127.0.0.1", "port": server.port, "map": "other"}]}
            setting = Setting("site", tmp_path, tmp_path / "modbus.json", SystemClock(), options)
            specs = list(ModbusSource(setting, {"other": careful}).specs())
            for _ in range(3):
                await specs[0].adapter.read()
            await close(specs)
        assert len(times) == 4, "a probe, and three reads"
        assert all(later - earlier >= 0.04 for earlier, later in pairwise(times))

    run(test)


def test_a_site_has_maps_of_its_own(tmp_path: Path) -> None:
    async def test() -> None:
        folder = tmp_path / "maps"
        folder.mkdir()
        (folder / "other.toml").write_text(OTHER)
        options = {"devices": [{"host": "127.0.0.1", "map": "other"}]}

        def made(port: int) -> ModbusSource:
            options["devices"][0] |= {"port": port}  # type: ignore[dict-item]
            return ModbusSource(Setting("site", tmp_path, tmp_path / "modbus.json", SystemClock(), options))

        async with simulated({1: {7: [77]}}) as port:
            specs = list(made(port).specs())
            assert (await specs[0].adapter.read()).values == {"soc_pct": 77}
            await close(specs)
            (folder / "bad.toml").write_text(OTHER)
            with pytest.raises(ConfigurationError, match=r"bad\.toml: name must be bad"):
                made(port)

    run(test)


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ({"host": ""}, "devices 1: host is missing"),
        ({"prot": 502}, "devices 1: prot is not known here: did you mean port?"),
        ({"port": 0}, "port must be a whole number from 1 to 65535"),
        ({"map": "acuvim_9"}, "'acuvim_9' is not known: there are acuvim_ii"),
        ({"fast_ms": 5}, "must be at least 20, or 0 for never"),
        ({"system_id": "a/b"}, "name the system with letters"),
        ({"parameters": {"energy_skale": 1}}, "energy_skale is not known: there are ct_ratio, energy_scale"),
        ({"parameters": {"power_scale": 10}}, "power_scale must be one of"),
        ({"parameters": {"energy_scale": 0}}, "energy_scale must be a number other than 0"),
        ({"confirm": {"block_3400": ["ac_power_w"]}}, "block_3400 is not known"),
        (
            {"map": "acuvim_3400", "confirm": {"block_3400": ["power"]}},
            "power is not in schemas/measurements.toml",
        ),
        ({"map": "acuvim_3400", "confirm": {"block_3400": [""] * 16}}, "block_3400 has only 15 values"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, device: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        site(tmp_path, device)


def test_devices_that_would_have_one_name_are_refused(tmp_path: Path) -> None:
    twice = ({"host": "10.0.0.7", "system_id": ""}, {"host": "10.1.0.7", "system_id": ""})
    with pytest.raises(ConfigurationError, match="two devices are named acuvim_ii_7: give each a system_id"):
        site(tmp_path, *twice)
    with pytest.raises(ConfigurationError, match="is given twice"):
        site(tmp_path, {"system_id": "a"}, {"system_id": "b"})
