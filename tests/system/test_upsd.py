"""Simulated UPSes behind Debian's real upsd, asked with NUT's own `upsc`."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from producers.simulator import nut
from producers.simulator.upsd import Upsd
from producers.simulator.upsd_file import Ups, status
from schemas.errors import ConfigurationError, TransientError
from tests.waiting import PATIENCE_S

ON_LINE: dict[str, float | None] = {
    "ups_online_code": 1,
    "ups_charging_code": 1,
    "ups_on_battery_code": 0,
    "soc_pct": 98.5,
    "battery_time_to_go_s": 1_800,
    "ac_in_voltage_v": 230.1,
    "ac_in_frequency_hz": 49.98,
    "ac_out_load_pct": 32.5,
    "ac_out_power_w": 812.4,
}
ON_BATTERY: dict[str, float | None] = {
    "ups_on_battery_code": 1,
    "ups_discharging_code": 1,
    "soc_pct": 61.0,
    "battery_time_to_go_s": 840,
    "ac_in_voltage_v": 0.0,
    "ac_in_frequency_hz": None,
}
CRITICAL: dict[str, float | None] = {
    "ups_shutdown_code": 1,
    "ups_on_battery_code": 1,
    "ups_low_battery_code": 1,
}


async def upsc(upsd: Upsd, name: str) -> dict[str, str]:
    """Ask NUT's client; what it complains of is under `error`."""
    if shutil.which("upsc") is None:
        pytest.fail("upsc is not installed: apt-get install nut-client")
    process = await asyncio.create_subprocess_exec(
        "upsc", f"{name}@127.0.0.1:{upsd.port}", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, complained = await process.communicate()
    rows = [line.split(": ", 1) for line in said.decode().splitlines()]
    error = {"error": complained.decode().splitlines()[-1]} if process.returncode else {}
    return {**dict(rows), **error}


async def until(upsd: Upsd, name: str, condition: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said = await upsc(upsd, name)
            if condition(said):
                return said


def run(work: Callable[[Upsd], Coroutine[Any, Any, None]], upses: dict[str, Ups]) -> None:
    async def through() -> None:
        upsd = Upsd(upses)
        try:
            await upsd.start()
            assert upsd.directory.exists()
            await work(upsd)
        finally:
            directory = upsd.directory
            await upsd.close()
        assert not directory.exists()

    asyncio.run(through())


def test_upsd_says_what_the_readings_say_and_what_has_no_value_is_gone() -> None:
    told = dict(ON_LINE)

    async def work(upsd: Upsd) -> None:
        said = await upsc(upsd, "rack")
        assert said["ups.status"] == "OL CHRG"
        assert said["battery.charge"] == "98.5"
        assert said["battery.runtime"] == "1800"
        assert said["input.voltage"] == "230.1"
        assert said["ups.load"] == "32.5"
        assert said["ups.realpower"] == "812"
        assert (said["device.mfr"], said["device.model"]) == ("APC", "Smart-UPS 3000")

        keeping = asyncio.create_task(upsd.run(0.05))
        told.clear()
        told.update(ON_BATTERY)
        said = await until(upsd, "rack", lambda said: said["ups.status"] == "OB DISCHRG")
        assert (said["battery.charge"], said["input.voltage"]) == ("61.0", "0.0")
        assert "input.frequency" not in said

        told.update(CRITICAL | {"ups_discharging_code": 0})
        await until(upsd, "rack", lambda said: said["ups.status"] == "FSD OB LB")
        told.clear()
        told.update(ON_LINE | {"ups_alarm_code": 1})
        said = await until(upsd, "rack", lambda said: said["ups.status"] == "ALARM OL CHRG")
        assert said["ups.alarm"] == "Replace battery!"
        keeping.cancel()

    run(work, {"rack": Ups(lambda: told)})


def test_a_ups_that_is_unplugged_or_hangs_loses_its_communication_alone_and_no_port_is_shared() -> None:
    async def work(upsd: Upsd) -> None:
        await upsd.unplug("one")
        await until(upsd, "one", lambda said: said.get("error") == "Error: Driver not connected")
        assert (await upsc(upsd, "two"))["ups.status"] == "OL CHRG"
        await upsd.plug("one")
        await until(upsd, "one", lambda said: said.get("ups.status") == "OL CHRG")

        other = Upsd({"one": Ups(lambda: ON_BATTERY)}, port=upsd.port)
        with pytest.raises(TransientError, match="is taken"):
            await other.start()
        await other.close()

        upsd.freeze("two")
        await until(upsd, "two", lambda said: said.get("error") == "Error: Data stale")
        await upsd.plug("two")
        await until(upsd, "two", lambda said: said.get("ups.status") == "OL CHRG")

    run(work, {name: Ups(lambda: ON_LINE) for name in ("one", "two")})


def test_a_sequence_runs_by_itself_and_repeats() -> None:
    sequence = "ups.status: OL\nTIMER 1\nups.status: OB DISCHRG\nTIMER 1\n"

    async def work(upsd: Upsd) -> None:
        for words in ("OL", "OB DISCHRG", "OL"):
            await until(upsd, "scripted", lambda said, words=words: said["ups.status"] == words)  # type: ignore[misc]

    run(work, {"scripted": Ups(sequence=sequence)})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"ac_in_voltage_v": 230.0}, "OL"),
        ({"ac_in_voltage_v": 0.0}, "OB DISCHRG"),
        ({"ups_online_code": 0.0, "ac_in_voltage_v": 230.0}, ""),
        ({"ups_online_code": 1.0, "ups_bypass_code": 1.0, "ups_overloaded_code": 1.0}, "OL BYPASS OVER"),
    ],
)
def test_flags_become_words(told: dict[str, float | None], words: str) -> None:
    assert status(told) == words


def test_a_missing_nut_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nut, "_LIBRARY", tmp_path)

    with pytest.raises(ConfigurationError, match="apt-get install nut-server"):
        asyncio.run(Upsd({}).start())
