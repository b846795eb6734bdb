"""Every Modbus device of a virtual site, read by the real producer: what the physics tell comes through."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from producers.clock import SystemClock
from producers.modbus.source import ModbusSource
from producers.simulator.faces import ModbusFace
from producers.simulator.scenario_file import HYBRIDS, load
from producers.simulator.tell import LiveSite
from producers.source import Setting
from tests.system.test_modbus_site import finest
from tests.waiting import PATIENCE_S

METERS = ("acuvim_ii", "acuvim_l", "acuvim_l_fast", "acuvim_3", "fronius_meter", "fronius_meter_float")
SITE = """
name = "yard"
seed = 7
starts_at = "12:00"
[sun]
rise = "05:15"
set = "21:30"
clouds = 0.2
[grid]
voltage_v = 230
frequency_hz = 50
outages = []
"""
RIG = """
[[rig]]
system_id = "{name}"
face = "{name}"
rated_w = 12000
capacity_wh = 20000
soc_pct = 55
soc_min_pct = 8
charge_w = 8000
grid_charge_w = 3000
input_limit_w = 20000
pv_w = {pv_w}
standby_w = 60
"""
METER = """
[[meter]]
system_id = "{name}"
model = "a meter"
map = "{name}"
on = "sungrow_sh"
"""
LOAD = """
[[load]]
name = "on {name}"
on = "{name}"
power_w = [["00:30", 4600], ["10:00", 2600]]
power_factor = 0.93
phases = [0.36, 0.34, 0.30]
flicker = 0.1
beat_s = 2
"""
OF_ITS_OWN = {"sma_sunny_island": {"battery_power_w"}}  # what its AC side gives, so less by the losses


def yard(tmp_path: Path) -> LiveSite:
    rigs = [RIG.format(name=name, pv_w=0 if name == "sma_sunny_island" else 9000) for name in HYBRIDS]
    meters = [METER.format(name=name) for name in METERS]
    loads = [LOAD.format(name=name) for name in (*HYBRIDS, *METERS)]
    path = tmp_path / "yard.toml"
    path.write_text(SITE + "".join((*rigs, *meters, *loads)))
    scenario = load(str(path))
    begin_s = scenario.starts_at_s
    site = LiveSite(scenario, lambda: clock[0], {})
    clock = [begin_s + 60.0]
    return site


def disagree(read: float | None, told: float | None, half: float) -> bool:
    """Say whether a register can have meant this: counters of SunSpec have no zero."""
    if read is None or told is None:
        return bool(read or told)
    return read != pytest.approx(told, rel=2e-6, abs=half * 1.001)


def test_what_the_physics_tell_is_read(tmp_path: Path) -> None:
    site = yard(tmp_path)
    faces = [ModbusFace(site, name, name) for name in (*HYBRIDS, *METERS)]

    async def read() -> Mapping[str, dict[str, float | None]]:
        for face in faces:
            await face.start(0)
        options = {"devices": [entry for face in faces for _, entry in face.entries()]}
        source = ModbusSource(Setting("site", tmp_path, tmp_path / "modbus.json", SystemClock(), options))
        news = asyncio.Event()
        looking = asyncio.create_task(source.run(news.set))
        async with asyncio.timeout(PATIENCE_S):
            while len({spec.system_id for spec in source.specs()}) < len(faces):
                news.clear()
                await news.wait()
        values: dict[str, dict[str, float | None]] = {}
        for spec in source.specs():
            values.setdefault(spec.system_id, {}).update((await spec.adapter.read()).values)
            await spec.adapter.close()
        looking.cancel()
        for face in faces:
            await face.stop()
        return values

    values = asyncio.run(read())

    for face in faces:
        told = dict(site.tell(face.name)())
        halves = dict(finest(next(iter(face._units.values())), 0, told))
        common = values[face.name].keys() & told.keys() - OF_ITS_OWN.get(face.name, set())
        sums = 40.0 if face.name == "deye_hybrid_hv" else 2.0
        wrong = {
            name: (values[face.name][name], told[name])
            for name in common
            if disagree(values[face.name][name], told[name], halves.get(name, sums))
        }
        assert not wrong, face.name
        assert len(common) > 10, face.name
