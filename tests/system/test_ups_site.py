"""Simulated UPSes read by the real UPS producer through a real upsd give back the readings told."""

import asyncio
from pathlib import Path

import pytest

from producers.adapter import AlarmSeen
from producers.clock import SystemClock
from producers.simulator.upsd import Upsd
from producers.simulator.upsd_file import Ups
from producers.source import Setting
from producers.ups.source import UpsSource

TOLD: dict[str, float | None] = {
    "ups_online_code": 0,
    "ups_on_battery_code": 1,
    "ups_low_battery_code": 1,
    "ups_discharging_code": 1,
    "ups_overloaded_code": 1,
    "ups_alarm_code": 1,
    "ups_bypass_code": 0,
    "soc_pct": 17.5,
    "battery_time_to_go_s": 240,
    "battery_voltage_v": 47.25,
    "battery_temperature_c": 31.5,
    "ac_in_voltage_v": 0.0,
    "ac_out_voltage_v": 229.5,
    "ac_out_frequency_hz": 50.01,
    "ac_out_power_w": 2_150,
    "ac_out_apparent_power_va": 2_260,
    "ac_out_nominal_power_w": 2_700,
    "ac_out_load_pct": 79.5,
    "ups_temperature_c": 38.5,
    "ac_in_l1_voltage_v": 1.5,
    "ac_in_l2_voltage_v": 2.5,
    "ac_in_l3_voltage_v": 3.5,
    "ac_out_l1_current_a": 4.25,
    "ac_out_l2_current_a": 5.25,
    "ac_out_l3_current_a": 6.25,
}


def test_what_is_read_is_what_was_told(tmp_path: Path) -> None:
    async def through() -> None:
        upsd = Upsd({"rack": Ups(lambda: TOLD, maker="Eaton", model="9SX 3000", serial="G210M45012")})
        try:
            await upsd.start()
            options = {"upsd": [{"port": upsd.port, "ups": "rack", "system_id": "ups_rack"}]}
            source = UpsSource(Setting("site", tmp_path, tmp_path / "ups.json", SystemClock(), options))
            running = asyncio.create_task(source.run(lambda: None))
            (spec,) = source.specs()
            read = await spec.adapter.read()
            wrong = {name: (read.values.get(name), told) for name, told in TOLD.items()
                     if read.values.get(name) != pytest.approx(told)}  # fmt: skip
            description = await spec.adapter.describe()
            await spec.adapter.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        finally:
            await upsd.close()

        assert not wrong, "name: (read, told)"
        assert not read.missing
        active = {seen.alarm for seen in read.seen if isinstance(seen, AlarmSeen) and seen.level}
        assert {"low_battery", "overload"} <= active
        assert description is not None
        assert (description.maker, description.model, description.serial) == (
            "Eaton",
            "9SX 3000",
            "G210M45012",
        )

    asyncio.run(through())
