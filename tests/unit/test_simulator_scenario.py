"""Scenario files: what they may say, what is said when they say nonsense, and how a site lives by them."""

from pathlib import Path

import pytest

from producers.simulator import scenario_file
from producers.simulator.tell import LiveSite
from schemas.errors import ConfigurationError

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
[[load]]
name = "heater"
on = "acuvim_09"
power_w = 6000
power_factor = 1
"""
GENERATOR = """
[[generator]]
on = "rig_09"
rated_w = 12000
start_soc_pct = 40
stop_soc_pct = 60
warm_up_s = 60
cool_down_s = 30
tank_l = 10
"""
UPS = """
[[ups]]
system_id = "ups_09"
on = "rig_09"
load_w = 300
capacity_wh = 100
"""
MINUTE_S = 60.0


def written(tmp_path: Path, text: str = SMALL) -> str:
    path = tmp_path / "small.toml"
    path.write_text(text)
    return str(path)


class Site:
    """A site whose clock a test moves."""

    def __init__(self, tmp_path: Path, text: str = SMALL) -> None:
        self.scenario = scenario_file.load(written(tmp_path, text))
        self.now_s = self.scenario.starts_at_s
        self.live = LiveSite(self.scenario, lambda: self.now_s, tick_s=2.0)

    def after(self, minutes: float, system_id: str = "rig_09") -> dict[str, float | None]:
        self.now_s = self.scenario.starts_at_s + minutes * MINUTE_S
        return dict(self.live.tell(system_id)())


@pytest.mark.parametrize("name", scenario_file.shipped_names())
def test_every_shipped_scenario_loads_and_lives_through_a_day(name: str) -> None:
    loaded = scenario_file.load(name)
    now_s = [loaded.starts_at_s]
    live = LiveSite(loaded, lambda: now_s[0], tick_s=60.0)

    now_s[0] += 86_400

    for system_id in live.systems():
        assert live.tell(system_id)()
    for rig in loaded.rigs:
        assert live.energies()[rig.system_id]["load_energy_wh"] > 0


def test_the_festival_has_two_systems_with_metered_stages_an_inverter_and_a_ups() -> None:
    site = LiveSite(scenario_file.load("festival"), lambda: 0.0)

    assert sorted(site.systems()) == ["acuvim_13", "acuvim_14", "fronius_21", "rig_01", "rig_02", "ups_foh"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('on = "rig_09"', 'on = "rig_10"'), "meter acuvim_09 is on rig_10, which is none of rig_09"),
        (('on = "acuvim_09"', 'on = "stage"'), "load heater is on stage"),
        (("power_w = 6000", "power_w = true"), "load heater: power_w must be a number"),
        (("power_w = 6000", 'power_w = [["13:00", 1], ["12:00", 2]]'), "in order of time"),
        (("power_w = 6000", "power_w = [[1, 2]]"), "list of points"),
        (("power_w = 6000", "power_w = []"), "in order of time"),
        (("power_w = 6000", ""), "power_w is missing"),
        (("power_factor = 1", "power_factor = 1.2"), "between 0.1 and 1"),
        (("power_factor = 1", "phases = [1, 2]"), "three shares"),
        (("power_factor = 1", "powerfactor = 1"), "powerfactor is unknown"),
        (('"12:28"', '"12:75"'), "no time of day"),
        (('"12:28"', '"12:05"'), "ends before it begins"),
        (("soc_pct = 50", "soc_pct = nan"), "must be a number"),
        (("soc_pct = 50", 'face = "gy"'), "face must be one of gx"),
        (('system_id = "acuvim_09"', 'system_id = "rig_09"'), "every system_id once"),
        (('system_id = "acuvim_09"', 'system_id = "Acuvim 9"'), "a-z"),
        (("[[rig]]", "[[rig"), "small.toml"),
        (("[[rig]]", "[rig]"), "write each rig as a table"),
    ],
)
def test_nonsense_is_refused_with_what_to_change(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"scenario .*small\.toml") as caught:
        scenario_file.load(written(tmp_path, SMALL.replace(*change)))

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ('what = "explodes"\non = "rig_09"', "what must be one of"),
        ('what = "reboots"\non = "acuvim_09"', "cannot befall acuvim_09, which is a Modbus device"),
        ('what = "unplugged"\non = "rig_10"', "no system that speaks"),
        ('what = "left"\non = "rig_09"', "needs part"),
        ('what = "nulls"\non = "rig_09"\nnames = ["soc"]', "soc is no measurement"),
        ('what = "alarm"\non = "rig_09"\nalarm = "teapot"', "alarm_teapot_code is no measurement"),
    ],
)
def test_faults_that_cannot_be_are_refused(tmp_path: Path, fault: str, said: str) -> None:
    text = f'{SMALL}\n[[fault]]\nwhen = [["12:01", "12:02"]]\n{fault}\n'

    with pytest.raises(ConfigurationError, match=said):
        scenario_file.load(written(tmp_path, text))


def test_an_action_must_be_an_event_that_fits_its_schema(tmp_path: Path) -> None:
    text = f'{SMALL}\n[[action]]\nat = "12:01"\non = "rig_09"\ntype = "window.started"\ndata = {{}}\n'

    with pytest.raises(ConfigurationError, match=r"action 1: data does not fit window\.started"):
        scenario_file.load(written(tmp_path, text))


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="festival"):
        scenario_file.load("nowhere")


def test_a_battery_that_runs_empty_shuts_down_and_the_grid_brings_it_back(tmp_path: Path) -> None:
    site = Site(tmp_path)

    dark = site.after(27)
    unlit = site.after(27, "acuvim_09")
    back = site.after(40)

    assert dark["soc_pct"] == pytest.approx(10)
    assert dark["state_code"] == 0
    assert dark["alarm_low_battery_code"] == 2
    assert unlit["ac_power_w"] == 0
    assert unlit["ac_frequency_hz"] is None
    assert back["state_code"] == 3
    assert back["soc_pct"] is not None
    assert back["soc_pct"] > 40


def test_grid_loss_is_seen_at_the_input_and_not_at_the_output(tmp_path: Path) -> None:
    told = Site(tmp_path).after(10.1)

    assert told["ac_in_power_w"] == 0
    assert told["ac_in_l1_voltage_v"] == 0
    assert told["ac_in_frequency_hz"] is None
    assert told["ac_in_connected_code"] == 0
    assert told["alarm_grid_lost_code"] == 2
    assert told["ac_out_l1_voltage_v"] == 230
    assert told["battery_power_w"] is not None
    assert told["battery_power_w"] < -6000


def test_a_generator_warms_up_takes_over_burns_fuel_and_stops_when_the_battery_is_charged(
    tmp_path: Path,
) -> None:
    text = SMALL.replace("soc_pct = 50", "soc_pct = 50\nhas_grid = false").replace("6000", "1000") + GENERATOR
    site = Site(tmp_path, text)
    seen = [site.after(minute / 4) for minute in range(160)]
    states = [told["generator_state_code"] for told in seen]
    running = next(told for told in seen if told["generator_state_code"] == 1)
    warming = next(told for told in seen if told["generator_state_code"] == 2)

    assert [code for at, code in enumerate(states) if not at or code != states[at - 1]][:5] == [0, 2, 1, 3, 0]
    assert warming["ac_in_active_code"] == 240
    assert warming["ac_in_2_ignored_code"] == 1
    assert running["ac_in_active_code"] == 1
    assert running["generator_cause_code"] == 4
    assert running["battery_power_w"] is not None
    assert running["battery_power_w"] > 1000
    assert running["tank_level_pct"] is not None
    assert running["tank_level_pct"] < 100
    assert seen[-1]["genset_energy_import_wh"] != 0


def test_a_generator_stops_when_its_tank_is_empty(tmp_path: Path) -> None:
    dry = GENERATOR.replace("tank_l = 10", "tank_l = 0.2").replace("start_soc_pct = 40", "start_soc_pct = 50")
    text = SMALL.replace("soc_pct = 50", "soc_pct = 50\nhas_grid = false") + dry

    told = Site(tmp_path, text).after(20)

    assert told["tank_level_pct"] == 0
    assert told["generator_state_code"] == 5
    assert told["ac_in_active_code"] == 240


def test_a_ups_lives_off_its_battery_when_its_rig_is_dark_and_charges_when_it_is_back(tmp_path: Path) -> None:
    site = Site(tmp_path, SMALL + UPS)

    before, dark = site.after(5, "ups_09"), site.after(24, "ups_09")
    empty, back = site.after(27.9, "ups_09"), site.after(35, "ups_09")

    assert (before["ups_online_code"], before["soc_pct"]) == (1, 100)
    assert (dark["ups_on_battery_code"], dark["ac_out_power_w"]) == (1, 300)
    assert dark["ac_in_voltage_v"] == 0
    assert empty["soc_pct"] is not None
    assert before["soc_pct"] is not None
    assert empty["soc_pct"] < before["soc_pct"]
    assert (back["ups_online_code"], back["ups_charging_code"]) == (1, 1)


def test_surplus_of_the_sun_is_fed_into_the_grid_as_far_as_it_may(tmp_path: Path) -> None:
    sunny = "soc_pct = 100\nfeed_in_w = 2500\ngrid_meter = true\npv_w = 20000"
    site = Site(tmp_path, SMALL.replace("soc_pct = 50", sunny))

    told = site.after(5)

    assert told["grid_power_w"] == pytest.approx(-2500, abs=0.2)
    assert told["grid_l1_power_w"] == pytest.approx(-2500 / 3, abs=0.1)
    assert told["grid_energy_export_wh"] is not None
    assert told["grid_energy_export_wh"] > 100
    assert told["ac_in_power_w"] == pytest.approx(-2500, abs=0.2)


def test_an_island_raises_its_frequency_and_its_pv_inverter_holds_back(tmp_path: Path) -> None:
    pv = '[[inverter]]\nsystem_id = "pv_09"\non = "rig_09"\npv_w = 12000\n'
    text = SMALL.replace("soc_pct = 50", "soc_pct = 100\nhas_grid = false").replace("6000", "1000") + pv
    site = Site(tmp_path, text)

    told, given = site.after(30), site.after(30, "pv_09")

    assert given["ac_out_power_w"] is not None
    assert given["ac_out_power_w"] < 3000
    assert told["ac_out_frequency_hz"] is not None
    assert told["ac_out_frequency_hz"] > 50.5


def test_a_rig_whose_air_is_blocked_warns_and_then_raises_an_alarm(tmp_path: Path) -> None:
    fault = '[[fault]]\nwhat = "overheats"\non = "rig_09"\namount = 80\nwhen = [["12:01", "12:40"]]\n'
    site = Site(tmp_path, SMALL.replace('[["12:10", "12:28"]]', "[]") + fault)
    codes = [site.after(minute)["alarm_high_temperature_code"] for minute in range(60)]

    assert [code for at, code in enumerate(codes) if not at or code != codes[at - 1]] == [0, 1, 2, 1, 0]


def test_what_a_fault_nulls_raises_and_takes_away_is_told_so(tmp_path: Path) -> None:
    text = (
        SMALL
        + """
[[fault]]
what = "nulls"
on = "rig_09"
names = ["ac_out_l2_current_a"]
when = [["12:01", "12:02"]]
[[fault]]
what = "alarm"
on = "rig_09"
part = "battery"
alarm = "cell_imbalance"
level = "warning"
when = [["12:01", "12:02"]]
[[fault]]
what = "left"
on = "rig_09"
part = "battery"
when = [["12:03", "12:04"]]
"""
    )
    site = Site(tmp_path, text)
    battery = site.live.tell_part("rig_09", "battery")

    told = site.after(1.5)
    assert told["ac_out_l2_current_a"] is None
    assert told["battery_alarm_cell_imbalance_code"] == 1
    assert battery() is not None
    assert site.after(2.5)["ac_out_l2_current_a"] is not None
    site.after(3.5)
    assert battery() is None
    assert site.live.tell_part("rig_09", "vebus")() is not None


def test_a_hybrid_tells_what_it_gives_to_the_house_and_the_grid(tmp_path: Path) -> None:
    site = Site(tmp_path, SMALL.replace("soc_pct = 50", 'soc_pct = 50\nface = "sungrow_sh"\npv_w = 3000'))

    told = site.after(5)

    came = (told["grid_power_w"] or 0.0) + (told["ac_out_power_w"] or 0.0)
    assert came == pytest.approx(told["load_power_w"], abs=0.5)
    assert told["pv_1_power_w"] is not None
    assert told["pv_1_power_w"] > 0


def test_demand_follows_what_flowed_and_harmonics_are_told(tmp_path: Path) -> None:
    site = Site(tmp_path)

    told = site.after(9, "acuvim_09")
    dark = site.after(28, "acuvim_09")

    assert told["ac_power_demand_w"] == pytest.approx(6000, rel=0.05)
    assert dark["ac_power_w"] == 0
    assert dark["ac_power_demand_w"] is not None
    assert 0 < dark["ac_power_demand_w"] < 6000
    assert told["ac_l1_current_thd_pct"] is not None
    assert told["ac_l1_current_thd_pct"] > 0
    assert dark["ac_l1_current_thd_pct"] == 0
