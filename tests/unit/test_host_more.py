"""What the host adapter reads beside psutil: wear, throttling, the clock, the node's own processes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ovr.process_identity import identity
from producers import host_clock, host_throttling, host_wear
from producers.adapter import AlarmSeen
from producers.clock import SystemClock, Timex, kernel_synchronised
from producers.host import HostSource, _alarms
from producers.host_processes import OwnProcesses
from producers.host_wear import Wear
from producers.source import Setting
from schemas.errors import ConfigurationError
from schemas.measurements import unknown


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# --- wear


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    """Lay out a kernel's block devices: an eMMC with a partition, an NVMe with an encrypted one, a mirror."""
    devices, classes = tmp_path / "devices", tmp_path / "class"
    classes.mkdir()
    for disk in ("mmcblk0", "nvme0n1", "sda", "sdb"):
        write(devices / disk / "size", "1")
        (classes / disk).symlink_to(devices / disk)
    for disk, part in (("mmcblk0", "mmcblk0p2"), ("nvme0n1", "nvme0n1p3")):
        write(devices / disk / part / "partition", "2")
        (classes / part).symlink_to(devices / disk / part)
    for mapped, below in (("dm-0", ["nvme0n1p3"]), ("md0", ["sda", "sdb"])):
        for name in below:
            write(devices / mapped / "slaves" / name, "")
        (classes / mapped).symlink_to(devices / mapped)
    return classes


@pytest.mark.parametrize(
    ("name", "disk"),
    [
        ("mmcblk0", "mmcblk0"),
        ("mmcblk0p2", "mmcblk0"),
        ("nvme0n1p3", "nvme0n1"),
        ("dm-0", "nvme0n1"),
        ("md0", ""),
        ("zz", ""),
        ("", ""),
    ],
)
def test_the_disk_below_a_partition_is_found(blocks: Path, name: str, disk: str) -> None:
    assert host_wear.whole_disk(name, blocks) == disk


@pytest.mark.parametrize(
    ("life_time", "pre_eol", "values"),
    [
        ("0x01 0x02\n", "0x01\n", {"disk_wear_pct": 20.0, "disk_end_of_life_code": 1.0}),
        ("0x0b 0x01", "0x03", {"disk_wear_pct": 110.0, "disk_end_of_life_code": 3.0}),
        ("0x00 0x00", "0x00", {}),
        ("0xff 0xff", "", {}),
        ("nothing", "zz", {}),
        (None, None, {}),
    ],
)
def test_an_emmc_tells_its_life(
    tmp_path: Path, life_time: str | None, pre_eol: str | None, values: object
) -> None:
    for name, text in (("life_time", life_time), ("pre_eol_info", pre_eol)):
        if text is not None:
            write(tmp_path / name, text)

    assert host_wear.flash(tmp_path) == values


NVME = {
    "power_on_time": {"hours": 8760},
    "nvme_smart_health_information_log": {
        "critical_warning": 0,
        "temperature": 41,
        "available_spare": 98,
        "percentage_used": 7,
        "media_errors": 2,
    },
}


@pytest.mark.parametrize(
    ("said", "values"),
    [
        (
            NVME,
            {
                "disk_wear_pct": 7.0,
                "disk_spare_pct": 98.0,
                "disk_media_errors_count": 2.0,
                "disk_power_on_s": 31_536_000.0,
            },
        ),
        ({"endurance_used": {"current_percent": 12}}, {"disk_wear_pct": 12.0}),
        (
            {
                "ata_smart_attributes": {
                    "table": [
                        {"id": 9, "name": "Power_On_Hours", "value": 97},
                        {"id": 177, "name": "Wear_Leveling_Count", "value": 96},
                    ]
                }
            },
            {"disk_wear_pct": 4.0},
        ),
        ({"ata_smart_attributes": {"table": [None, {"name": "SSD_Life_Left", "value": 300}]}}, {}),
        ({"endurance_used": 12, "power_on_time": {"hours": None}}, {}),
        ({"smartctl": {"exit_status": 2}}, {}),
        ({}, {}),
    ],
)
def test_what_smartctl_says_is_read(said: dict[str, Any], values: object) -> None:
    assert host_wear.smart(said) == values


def test_smartctl_is_asked_where_it_may_open_the_disk_and_not_again_soon(
    blocks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, devices, data = tmp_path / "bin", tmp_path / "dev", tmp_path / "data"
    write(programs / "smartctl", f"#!/bin/sh\necho asked >> {tmp_path}/asked\necho '{json.dumps(NVME)}'\n")
    (programs / "smartctl").chmod(0o755)
    write(devices / "nvme0n1", "")
    data.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setattr(host_wear, "block_device", lambda _: "dm-0")
    wear = Wear(data, blocks, devices)

    assert [wear.read().get("disk_wear_pct") for _ in range(3)] == [7.0, 7.0, 7.0]
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_disk_that_tells_nothing_is_no_error(blocks: Path, tmp_path: Path) -> None:
    assert Wear(tmp_path / "missing").read() == {}
    assert Wear(tmp_path, blocks, tmp_path).read() == {}
    Wear(tmp_path).read()


# --- throttling


def test_heat_is_counted_once_for_the_threads_of_a_core(tmp_path: Path) -> None:
    for cpu, core, count in (("cpu0", "0", "3"), ("cpu1", "0", "3"), ("cpu2", "1", "5")):
        folder = tmp_path / "devices/system/cpu" / cpu
        write(folder / "topology/physical_package_id", "0\n")
        write(folder / "topology/core_id", f"{core}\n")
        write(folder / "thermal_throttle/core_throttle_count", f"{count}\n")
        write(folder / "thermal_throttle/core_throttle_total_time_ms", "250\n")

    assert host_throttling.read(tmp_path) == {"cpu_throttled_count": 8.0, "cpu_throttled_s": 0.5}


@pytest.mark.parametrize(
    ("text", "bits", "alarms"),
    [
        ("50005\n", 0x50005, {"under_voltage": "alarm", "throttled": "warning"}),
        ("0x50000", 0x50000, {"under_voltage": None, "throttled": None}),
        ("0", 0, {"under_voltage": None, "throttled": None}),
    ],
)
def test_a_weak_supply_is_an_alarm(
    tmp_path: Path, text: str, bits: int, alarms: dict[str, str | None]
) -> None:
    write(tmp_path / "devices/platform/soc/soc:firmware/get_throttled", text)

    values = host_throttling.read(tmp_path)

    assert values == {"host_throttled_code": float(bits)}
    assert {seen.alarm: seen.level for seen in _alarms(values)} == alarms


def test_a_machine_that_does_not_tell_has_no_throttling(tmp_path: Path) -> None:
    assert host_throttling.read(tmp_path) == {}
    write(tmp_path / "devices/platform/soc/soc:firmware/get_throttled", "zz")
    assert host_throttling.read(tmp_path) == {}


def test_an_emmc_at_its_end_is_an_alarm() -> None:
    assert list(_alarms({"disk_end_of_life_code": 3.0})) == [AlarmSeen("disk_end_of_life", "alarm", code=3.0)]
    assert list(_alarms({"disk_end_of_life_code": 1.0})) == [AlarmSeen("disk_end_of_life", None, code=1.0)]
    assert list(_alarms({})) == []


# --- clock


def test_the_kernel_tells_how_well_the_clock_is_kept() -> None:
    values = host_clock.read()

    assert values["clock_synchronised_code"] == float(kernel_synchronised())
    assert not unknown(values)


def test_what_is_still_to_be_added_is_how_far_the_clock_is_behind() -> None:
    told = Timex(status=0x2001, offset=-1_250_000, freq=3 << 16, maxerror=16_500, esterror=900)
    assert host_clock.readings(0, told) == {
        "clock_synchronised_code": 1.0,
        "clock_offset_s": 0.00125,
        "clock_error_s": 0.0165,
        "clock_estimated_error_s": 0.0009,
        "clock_correction_ppm": 3.0,
    }
    assert host_clock.readings(0, Timex(status=0x0001, offset=1_250))["clock_offset_s"] == -0.00125


@pytest.mark.parametrize(("state", "status"), [(5, 0x2000), (0, 0x2040)])
def test_a_clock_that_nobody_keeps_has_no_known_offset(state: int, status: int) -> None:
    told = Timex(status=status, maxerror=16_000_000, esterror=16_000_000)
    values = host_clock.readings(state, told)

    assert values["clock_synchronised_code"] == 0.0
    assert values["clock_offset_s"] is None
    assert values["clock_error_s"] is None


# --- our own processes


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.communicate(b"\n")


def supervised(data: Path, *processes: dict[str, Any]) -> None:
    me = {"pid": os.getpid(), "identity": identity(os.getpid())}
    write(data / "run" / "supervisor.json", json.dumps(me | {"processes": list(processes)}))


def test_the_processes_of_the_supervisor_are_summed(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    supervised(
        tmp_path,
        {
            "pid": sleeper.pid,
            "identity": identity(sleeper.pid),
            "restarts": 2,
            "state": "ready",
            "health": {"lag_events": 7, "dead_letters": 2, "outbox": {"pending": 5}},
        },
        {
            "pid": None,
            "identity": None,
            "restarts": 1,
            "state": "failed",
            "health": {"lag_events": None, "rejected": 1, "outbox": {"pending": 3}},
        },
    )

    values = OwnProcesses(tmp_path).read()

    assert not unknown(values)
    assert values["ovr_behind_count"] == 7
    assert values["ovr_refused_count"] == 3
    assert values["ovr_unsent_count"] == 8
    assert (values["ovr_processes_count"], values["ovr_restarts_count"], values["ovr_failed_count"]) == (
        2,
        3,
        1,
    )
    memory = values["ovr_memory_bytes"]
    assert memory is not None
    assert memory > psutil.Process(sleeper.pid).memory_info().rss
    files = values["ovr_files_count"]
    assert files is not None
    assert files > 4


def test_a_number_that_another_process_has_now_does_not_count(tmp_path: Path) -> None:
    supervised(
        tmp_path, {"pid": os.getppid(), "identity": "another-boot/17", "restarts": 0, "state": "ready"}
    )

    assert OwnProcesses(tmp_path).read()["ovr_processes_count"] == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"processes": 5}', '{"processes": [], "pid": 1, "identity": "x/0"}']
)
def test_without_a_supervisor_that_runs_nothing_is_told(tmp_path: Path, text: str) -> None:
    assert OwnProcesses(tmp_path).read() == {}
    write(tmp_path / "run" / "supervisor.json", text)
    assert OwnProcesses(tmp_path).read() == {}


def test_without_a_supervisor_our_programs_are_found_by_their_command(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "input()", "ovr", "record", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        now = [0.0]
        own = OwnProcesses(tmp_path, lambda: now[0])

        assert own.read()["ovr_processes_count"] == 1
        process.communicate(b"\n")
        now[0] = 30.0
        assert own.read() == {}


# --- options


def test_new_options_change_the_pace_and_nothing_else(tmp_path: Path) -> None:
    source = HostSource(Setting("edge-01", tmp_path, tmp_path / "state", SystemClock(), {}))
    (before,) = source.specs()
    assert [before] == list(source.specs())

    source.configure({"interval_ms": 1_000})
    (after,) = source.specs()

    assert (before.interval_ms, after.interval_ms) == (5_000, 1_000)
    assert after.adapter is before.adapter
    for wrong in ({"interval_ms": 0}, {"interval_ms": "5"}, {"intervall_ms": 5}):
        with pytest.raises(ConfigurationError):
            source.configure(wrong)
    asyncio.run(before.adapter.close())
