"""`ovr devices` against real servers: simulated meters on Modbus TCP, and UPSes behind upsd."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import orjson
import psutil
import pytest
from typer.testing import CliRunner, Result

from ovr import importing, probing
from ovr.commands import devices
from ovr.main import app
from producers.clock import SystemClock
from producers.modbus.maps import all_maps
from producers.modbus.source import ModbusSource
from producers.simulator.gx_server import GxOptions
from producers.simulator.layouts import catalogue
from producers.simulator.modbus_server import ModbusServer
from producers.source import Setting
from producers.ups.source import UpsSource
from producers.victron import mapping_file
from producers.victron.source import VictronSource
from projectors.lines import load_compatibility
from tests import gx_site
from tests.nut import ON_LINE, Nut, start_nut
from tests.waiting import PATIENCE_S, until

T = TypeVar("T")
OK, NOTHING, USAGE, CONFIGURATION, INTERRUPTED = 0, 1, 2, 78, 130
METER: dict[str, float | None] = {
    "ac_frequency_hz": 50.0,
    **{f"ac_l{n}_voltage_v": 229.0 + n for n in (1, 2, 3)},
    **{f"ac_l{n}_current_a": 10.0 for n in (1, 2, 3)},
    **{f"ac_l{n}_power_w": 2290.0 + 10 * n for n in (1, 2, 3)},
    **{f"ac_l{n}_power_factor_ratio": 1.0 for n in (1, 2, 3)},
    "ac_voltage_v": 231.0,
    "ac_power_w": 6930.0,
    "ac_apparent_power_va": 6930.0,
    "ac_power_factor_ratio": 1.0,
    "ac_energy_import_wh": 123_456_000.0,
}


@contextmanager
def served(*servers: AbstractAsyncContextManager[T]) -> Iterator[list[T]]:
    """Run servers in a thread of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def entered(server: AbstractAsyncContextManager[T]) -> T:
        return await server.__aenter__()

    async def left(server: AbstractAsyncContextManager[T]) -> None:
        await server.__aexit__(None, None, None)

    try:
        yield [asyncio.run_coroutine_threadsafe(entered(server), loop).result(20) for server in servers]
    finally:
        for server in servers:
            asyncio.run_coroutine_threadsafe(left(server), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


@asynccontextmanager
async def meter(layout: str) -> AsyncIterator[str]:
    server = ModbusServer(catalogue.units(layout, lambda: METER))
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.close()


@asynccontextmanager
async def gx(directory: Path, options: GxOptions | None = None) -> AsyncIterator[str]:
    async with gx_site.running(directory, gx_site.Rig().services(), options) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def acuvim() -> Iterator[str]:
    with served(meter("acuvim_ii")) as (address,):
        yield address


@pytest.fixture(scope="module")
def nut() -> Iterator[Nut]:
    with start_nut(rack=ON_LINE, foh=ON_LINE | {"ups.status": "OB DISCHRG"}) as running:
        yield running


def ovr(*words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["devices", *words], input=text)


def entries(output: str) -> dict[str, list[dict[str, object]]]:
    _, _, text = output.partition("for site.toml:")
    found: dict[str, list[dict[str, object]]] = tomllib.loads(text)["producers"]
    return found


def setting(tmp_path: Path, options: dict[str, object]) -> Setting:
    return Setting("edge-01", tmp_path, tmp_path / "state.json", SystemClock(), options)


# --- list


def test_what_is_supported_is_listed() -> None:
    said = ovr("list")
    assert said.exit_code == OK
    for name in ("victron", "ups", "host", *all_maps()):
        assert re.search(rf"^{name} ", said.output, re.MULTILINE), name


def test_the_list_tells_wiring_and_sources() -> None:
    said = ovr("list", "--notes")

    assert "energy_scale: kWh" in said.output
    assert "from Acuvim II user's manual" in said.output


def test_the_list_is_json_for_programs() -> None:
    listed = {one["name"]: one for one in orjson.loads(ovr("list", "--json").output)}

    assert listed["acuvim_ii"]["kind"] == "acuvim"
    assert listed["acuvim_ii"]["found"] is True
    assert listed["acuvim_3400"]["found"] is False


# --- probe


def test_a_meter_tells_what_it_is_and_what_site_toml_should_say(acuvim: str, tmp_path: Path) -> None:
    said = ovr("probe", acuvim, "--protocol", "modbus")

    assert said.exit_code == OK, said.output
    assert re.search(r"unit 1: Accuenergy .*serial AH15090001.* \(acuvim_ii\)", said.output)
    assert re.search(r"ac_l1_voltage_v +230 V", said.output)
    assert re.search(r"ac_energy_import_wh +123,456,000 Wh", said.output)
    (entry,) = entries(said.output)["modbus"]["devices"]  # type: ignore[call-overload]
    assert entry["map"] == "acuvim_ii"
    (spec, *_) = ModbusSource(setting(tmp_path, {"devices": [entry]})).specs()
    assert spec.address == f"{acuvim}/1"


def test_a_probe_is_json_for_programs(acuvim: str) -> None:
    said = orjson.loads(ovr("probe", acuvim, "--protocol", "modbus", "--json").output)

    first = said["devices"][0]
    assert (first["producer"], first["map"], first["alternative"]) == ("modbus", "acuvim_ii", False)
    assert first["description"]["serial"] == "AH15090001"
    assert first["values"]["ac_power_w"] == pytest.approx(6930.0)
    assert tomllib.loads(first["entry"])
    assert all(one["alternative"] for one in said["devices"][1:])


def test_a_map_that_is_named_is_the_only_one_looked_for(acuvim: str) -> None:
    assert ovr("probe", acuvim, "--map", "acuvim_l").exit_code == NOTHING
    said = orjson.loads(ovr("probe", acuvim, "--map", "acuvim_ii", "--unit", "1", "--json").output)
    assert {one["map"] for one in said["devices"]} <= {"acuvim_ii", "acuvim_3400"}


def test_a_map_of_the_site_s_own_is_looked_for(acuvim: str, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    ours = files("producers").joinpath("devices/acuvim_ii.toml").read_text(encoding="utf-8")
    own = ours.replace('name = "acuvim_ii"', 'name = "of_ours"').replace("priority = 10", "priority = 1")
    (tmp_path / "maps" / "of_ours.toml").write_text(own)

    said = ovr("probe", acuvim, "--map", "of_ours", "--data", str(tmp_path))

    assert said.exit_code == OK, said.output
    assert "(of_ours)" in said.output
    assert "of_ours" in ovr("list", "--data", str(tmp_path)).output
    assert ovr("probe", acuvim, "--map", "of_ours").exit_code == CONFIGURATION


def test_all_upses_of_an_upsd_are_told(nut: Nut, tmp_path: Path) -> None:
    said = ovr("probe", f"127.0.0.1:{nut.port}", "--protocol", "ups")

    assert said.exit_code == OK, said.output
    assert f"rack@127.0.0.1:{nut.port}: Dummy Manufacturer Dummy UPS (ups)" in said.output
    assert re.search(r"ups_on_battery_code +1 \(yes\)", said.output)
    assert "warning: on_battery" in said.output
    upsd = entries(said.output)["ups"]["upsd"]  # type: ignore[call-overload]
    specs = UpsSource(setting(tmp_path, {"upsd": upsd})).specs()
    assert [spec.system_id for spec in specs] == ["ups_foh", "ups_rack"]


def test_a_gx_tells_its_portal_its_devices_and_what_they_read(tmp_path: Path) -> None:
    with served(gx(tmp_path)) as (address,):
        said = ovr("probe", address, "--protocol", "victron")

    assert said.exit_code == OK, said.output
    assert "vebus/276: MultiPlus" in said.output
    assert re.search(r"soc_pct +80 %", said.output)
    assert re.search(r"\d+ more have no value now", said.output)
    (entry,) = entries(said.output)["victron"]["gx"]  # type: ignore[call-overload]
    assert entry["system_id"] == "gx_b00001"
    VictronSource(setting(tmp_path, {"gx": [entry]}))


def test_a_gx_that_wants_a_password_says_so(tmp_path: Path) -> None:
    with served(gx(tmp_path, GxOptions(password="secret"))) as (address,):
        said = ovr("probe", address, "--protocol", "victron")

    assert said.exit_code == NOTHING
    assert "refuses us" in said.output


def test_nobody_there_is_told_and_is_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]

    said = ovr("probe", f"127.0.0.1:{free}")

    assert said.exit_code == NOTHING
    assert f"127.0.0.1:{free}" in said.output


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["probe", "10.0.0.0/x"], CONFIGURATION, "no range"),
        (["probe", "10.0.0.1", "--map", "zz"], CONFIGURATION, "no map zz"),
        (["probe", "10.0.0.1", "--protocol", "zz"], CONFIGURATION, "no protocol zz"),
        (["probe", "10.0.0.1", "--unit", "256"], USAGE, "255"),
        (["discover"], USAGE, "--range"),
        (["discover", "--range", "10.0.0.0/8", "--yes"], CONFIGURATION, "smaller"),
        (["discover", "--range", "10.0.0.0/16"], USAGE, "--yes"),
        (["discover", "--targets", "/no/such/file"], CONFIGURATION, "cannot read"),
        (["discover", "--range", "10.0.0.0/24", "--at-once", "0"], USAGE, "--at-once"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], status: int, told: str) -> None:
    said = ovr(*words)

    assert said.exit_code == status, said.output
    assert told in said.output


# --- discover


def test_a_list_of_addresses_is_searched_and_told_in_its_order(acuvim: str, tmp_path: Path) -> None:
    with served(meter("acuvim_l")) as (other,):
        listed = tmp_path / "targets.txt"
        listed.write_text(f"# the site\n\n{other}  # hall 3\n{acuvim}\n127.0.0.1:1\n")

        said = ovr("discover", "--targets", str(listed), "--protocol", "modbus", "--json")

        assert said.exit_code == OK, said.output
        found = orjson.loads(said.stdout)["devices"]
        assert [one["map"] for one in found if not one["alternative"]] == ["acuvim_l", "acuvim_ii"]


def test_a_range_is_searched_on_the_ports_that_devices_have(
    nut: Nut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PORTS", {nut.port: probing.Protocol.UPS})

    said = ovr("discover", "--range", "127.0.0.0/29")

    assert said.exit_code == OK, said.output
    assert said.output.count("ups_rack") == 1  # upsd listens at 127.0.0.1 only
    assert "battery_time_to_go_s" not in said.output


def test_an_empty_network_is_status_1() -> None:
    assert ovr("discover", "--range", "127.0.0.250-254", "--protocol", "ups").exit_code == NOTHING


def test_a_large_search_is_confirmed_by_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_ASK_ABOVE", 3)

    refused = ovr("discover", "--range", "127.0.0.250-254", "--protocol", "ups")
    done = ovr("discover", "--range", "127.0.0.250-254", "--protocol", "ups", "--yes")

    assert refused.exit_code == USAGE
    assert "5 addresses" in refused.output
    assert done.exit_code == NOTHING


def talks_to(pid: int, port: int) -> bool:
    return any(one.raddr and one.raddr.port == port for one in psutil.Process(pid).net_connections("tcp"))


def interruptible(command: list[str]) -> "subprocess.Popen[bytes]":
    """Start a command that Ctrl-C reaches, also where the tests themselves ignore it, as below `nohup`."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_search_and_shows_what_was_found(nut: Nut, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and never answers
        listed = tmp_path / "targets.txt"
        listed.write_text(f"127.0.0.1:{nut.port}\n127.0.0.1:{mute.getsockname()[1]}\n")
        command = [
            sys.executable,
            "-m",
            "ovr",
            "devices",
            "discover",
            "--targets",
            str(listed),
            "--protocol",
            "ups",
            "--timeout",
            str(5 * PATIENCE_S),
        ]
        with interruptible(command) as running:
            mute.settimeout(PATIENCE_S)
            connections = [mute.accept()[0], mute.accept()[0]]  # knocked at, and asked
            connections[1].settimeout(PATIENCE_S)
            until(lambda: connections[1].recv(100, socket.MSG_PEEK), "it is asked")
            until(lambda: not talks_to(running.pid, nut.port), "the other address has answered")
            os.kill(running.pid, signal.SIGINT)
            output, errors = running.communicate(timeout=PATIENCE_S)
        for one in connections:
            one.close()

    assert running.returncode == INTERRUPTED, errors
    assert b"ups_rack" in output
    assert b"interrupted" in errors
    assert b"Traceback" not in errors


# --- import

SYSTEMS = '{"Rig 01": {"ip": "192.168.1.20", "portal": "c0619ab50f49"},\n "broken": {"x": 1}}'
FAST = (
    "service\tpath\tmetric\n"
    "com.victronenergy.system\t/Dc/Battery/Power\tvictron_battery_power\n"
    "com.victronenergy.vebus\t/Devices/7/Strange\tvictron_strange\n"
    "nonsense\n"
)


@pytest.fixture
def old(tmp_path: Path) -> list[str]:
    place = tmp_path / "etc"
    place.mkdir()
    (place / "gx_systems.json").write_text(SYSTEMS)
    (place / "map_fast.tsv").write_text(FAST)
    return [str(place / "gx_systems.json"), str(place / "map_fast.tsv")]


def test_an_old_system_is_taken_over(old: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"

    said = ovr("import", *old, "--write", "--data", str(data))

    assert said.exit_code == OK, said.output
    assert "1 of the old metrics are read without being told" in said.output
    assert "gx_systems.json line 2: no host" in said.output
    assert "map_fast.tsv line 4: no path" in said.output
    devices = tomllib.loads((data / importing.DEVICES).read_text())
    assert devices["gx"][0]["system_id"] == "rig_01"
    VictronSource(replace(setting(tmp_path, devices), data=data))
    own = mapping_file.of_site(data / importing.MAPPING)
    assert "/Devices/7/Strange" in own.services["vebus"].readings
    names = load_compatibility("telegraf", data / importing.NAMES)
    assert names is not None
    assert (data / importing.DEVICES).stat().st_mode & 0o777 == 0o600


def test_an_import_is_shown_and_nothing_is_written_unless_told(old: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"

    said = ovr("import", *old, "--json", "--data", str(data))

    shown = orjson.loads(said.stdout)
    assert set(shown["files"]) == {importing.DEVICES, importing.MAPPING, importing.NAMES}
    assert {problem["line"] for problem in shown["problems"]} == {2, 4}
    assert not data.exists()


def test_files_that_exist_are_left_alone(old: list[str], tmp_path: Path) -> None:
    (tmp_path / importing.MAPPING).write_text("# mine\n")

    said = ovr("import", *old, "--write", "--data", str(tmp_path))

    assert said.exit_code == CONFIGURATION
    assert "exists" in said.output
    assert (tmp_path / importing.MAPPING).read_text() == "# mine\n"
    assert not (tmp_path / importing.DEVICES).exists()


def test_what_cannot_be_imported_is_said(old: list[str], tmp_path: Path) -> None:
    other = tmp_path / "map_fast.tsv"
    other.write_text("nonsense\n")

    assert ovr("import", str(other)).exit_code == NOTHING
    assert ovr("import", old[1], str(other)).exit_code == CONFIGURATION
    assert ovr("import", str(tmp_path / "other.txt")).exit_code == CONFIGURATION
    assert ovr("import", str(tmp_path / "map_slow.tsv")).exit_code == CONFIGURATION
    assert ovr("import").exit_code == USAGE


def test_every_command_explains_itself_with_an_example() -> None:
    for name in ("list", "probe", "discover", "import"):
        assert "Example" in ovr(name, "--help").output
