"""Scenario files: what they may say, and what is said when they say nonsense."""

from pathlib import Path

import pytest

from producers.adapter import DeviceError
from producers.registry import PRODUCERS
from producers.simulator import model, readings, scenario
from producers.simulator.site import Site
from producers.simulator.source import SimulatorSource
from producers.source import Setting
from schemas.errors import ConfigurationError
from tests.virtual_time import FakeClock, VirtualLoop, run

SMALL = """
starts_at = "12:00"
[grid]
outages = [["12:10", "12:28"]]
[[rig]]
system_id = "rig_09"
capacity_wh = 2000
soc_pct = 50
soc_min_pct = 10
grid_charge_w = 4000
charge_w = 4000
[[meter]]
system_id = "acuvim_09"
on = "rig_09"
unplugged = [["12:30", "12:31"]]
[[load]]
name = "heater"
on = "acuvim_09"
power_w = 6000
power_factor = 1
"""


def written(tmp_path: Path, text: str = SMALL) -> str:
    path = tmp_path / "small.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", scenario.shipped_names())
def test_every_shipped_scenario_loads_and_lives_through_a_day(name: str) -> None:
    loaded = scenario.load(name)

    for rig in loaded.rigs:
        state = model.advance(loaded, rig, model.begin(loaded, rig), loaded.starts_at_s + 86_400)
        assert state.ac_out_wh > 0


def test_the_festival_has_two_systems_and_two_metered_stages() -> None:
    site = Site(scenario.load("festival"), lambda: 0.0)

    polls = [(spec.system_id, spec.kind, spec.interval_ms) for spec in site.specs()]

    assert sorted(polls) == [
        (system_id, kind, interval_ms)
        for system_id, kind in (
            ("acuvim_13", "acuvim"),
            ("acuvim_14", "acuvim"),
            ("rig_01", "victron"),
            ("rig_02", "victron"),
        )
        for interval_ms in (500, 5_000)
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('on = "rig_09"', 'on = "rig_10"'), "is on rig_10, which is no"),
        (('on = "acuvim_09"', 'on = "stage"'), "is on stage"),
        (("power_w = 6000", "power_w = true"), "power_w must be a number"),
        (("power_w = 6000", 'power_w = [["13:00", 1], ["12:00", 2]]'), "in order of time"),
        (("power_w = 6000", "power_w = []"), "in order of time"),
        (("power_w = 6000", ""), "'power_w' is missing"),
        (("power_factor = 1", "power_factor = 1.2"), "between 0.1 and 1"),
        (("power_factor = 1", "phases = [1, 2]"), "three shares"),
        (('"12:28"', '"12:75"'), "no time of day"),
        (('"12:28"', '"12:05"'), "ends before it begins"),
        (("soc_pct = 50", "soc_pct = nan"), "must be a number"),
        (('system_id = "acuvim_09"', 'system_id = "rig_09"'), "every system_id once"),
        (("[[rig]]", "[[rig"), "small.toml"),
    ],
)
def test_nonsense_is_refused_with_what_to_change(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"scenario .*small\.toml") as caught:
        scenario.load(written(tmp_path, SMALL.replace(*change)))

    assert said in str(caught.value)


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="festival"):
        scenario.load("nowhere")


def test_a_battery_that_runs_empty_shuts_down_and_the_grid_brings_it_back(tmp_path: Path) -> None:
    loaded = scenario.load(written(tmp_path))
    rig = loaded.rigs[0]
    minute_s = 60.0

    empty = model.advance(loaded, rig, model.begin(loaded, rig), loaded.starts_at_s + 27 * minute_s)
    dark = model.now(loaded, rig, empty)
    back = model.advance(loaded, rig, empty, loaded.starts_at_s + 40 * minute_s)

    assert empty.soc == pytest.approx(0.1)
    assert not dark.running
    assert readings.meter_fast(0)(empty, dark)["ac_power_w"] == 0
    assert readings.meter_fast(0)(empty, dark)["ac_frequency_hz"] is None
    assert readings.rig_fast(rig)(empty, dark)["state_code"] == 0
    assert model.now(loaded, rig, back).running
    assert back.soc > 0.4


def test_grid_loss_is_seen_at_the_input_and_not_at_the_output(tmp_path: Path) -> None:
    loaded = scenario.load(written(tmp_path))
    rig = loaded.rigs[0]

    state = model.advance(loaded, rig, model.begin(loaded, rig), loaded.starts_at_s + 601)
    told = readings.rig_fast(rig)(state, model.now(loaded, rig, state))

    assert told["ac_in_power_w"] == 0
    assert told["ac_in_l1_voltage_v"] == 0
    assert told["ac_in_frequency_hz"] is None
    assert told["ac_in_connected_code"] == 0
    assert told["ac_out_l1_voltage_v"] == 230
    battery_w = told["battery_power_w"]
    assert battery_w is not None
    assert battery_w < -6000


def test_a_device_that_the_scenario_unplugs_does_not_answer(tmp_path: Path) -> None:
    now_s = [12 * 3600.0]
    specs = {spec.key: spec for spec in Site(scenario.load(written(tmp_path)), lambda: now_s[0]).specs()}
    meter = specs["acuvim_09", "acuvim", "acuvim", 500].adapter

    now_s[0] += 1800
    with pytest.raises(DeviceError, match="unplugged"):
        run(VirtualLoop(), meter.read())

    now_s[0] += 60
    assert run(VirtualLoop(), meter.read()).values["ac_power_w"] == pytest.approx(6000, rel=0.11)


def test_a_restarted_simulator_goes_on_where_it_was(tmp_path: Path) -> None:
    loop = VirtualLoop()
    clock = FakeClock(loop)
    setting = Setting(
        "edge-01", tmp_path, tmp_path / "p" / "simulator.json", clock, {"scenario": written(tmp_path)}
    )

    def energy(source: SimulatorSource) -> float:
        slow = next(spec for spec in source.specs() if spec.key == ("rig_09", "victron", "victron", 5_000))
        value = run(VirtualLoop(), slow.adapter.read()).values["ac_out_energy_import_wh"]
        assert value is not None
        return value

    first = SimulatorSource(setting)
    loop.virtual.now_s = 300
    before_wh = energy(first)
    first.save()
    loop.virtual.now_s = 330
    again = energy(SimulatorSource(setting))

    assert before_wh == pytest.approx(500, rel=0.03)
    assert again == pytest.approx(before_wh + 50, rel=0.03)

    setting.state.write_text("{broken")
    assert energy(SimulatorSource(setting)) == 0
    loop.close()


def test_every_producer_of_the_registry_gives_devices(tmp_path: Path) -> None:
    loop = VirtualLoop()
    for name, make in PRODUCERS.items():
        source = make(Setting("edge-01", tmp_path, tmp_path / f"{name}.json", FakeClock(loop)))
        source.save()
        assert list(source.specs())
    loop.close()
