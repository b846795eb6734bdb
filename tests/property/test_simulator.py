"""Laws of the simulated site: what it tells adds up, whenever and however often it is asked."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Envelope
from producers.simulator import actions, counting, model, scenario_file
from producers.simulator.electricity import total_w
from producers.simulator.flow import Flow, Moment, Source, Standing, flow
from producers.simulator.model import RigState
from producers.simulator.scenario import BACKUP, SELF_USE, Generator, Inverter, Scenario, Ups, Wiring
from producers.simulator.tell import LiveSite, restore
from producers.simulator.timeline import DAY_S, Spans, Timeline, next_edge
from schemas.measurements import unknown
from tests.laws import examples

FESTIVAL = scenario_file.load("festival")
HOUR_S = 3600.0

times = st.floats(0, 3 * DAY_S)


@st.composite
def sites(draw: st.DrawFn) -> Scenario:
    """Give a site with one rig with any battery, sun, generator, UPS and strategy, and any outage."""
    begin = draw(st.floats(0, DAY_S - 1))
    end = draw(st.floats(begin + 1e-3, DAY_S))
    rig = replace(
        FESTIVAL.rigs[0],
        strategy=draw(st.sampled_from([BACKUP, SELF_USE])),
        has_grid=draw(st.booleans()),
        capacity_wh=draw(st.floats(200, 200_000)),
        soc=draw(st.floats(0.1, 1)),
        soc_min=0.1,
        reserve=draw(st.floats(0.1, 0.5)),
        pv_w=draw(st.floats(0, 30_000)),
        charge_w=draw(st.floats(0, 50_000)),
        input_limit_w=draw(st.floats(0, 50_000)),
        feed_in_w=draw(st.sampled_from([0.0, 2_000.0, 50_000.0])),
        efficiency=draw(st.floats(0.8, 1)),
    )
    name = rig.system_id
    start = draw(st.floats(0.1, 0.9))
    generator = Generator(
        on=name,
        rated_w=draw(st.floats(2_000, 40_000)),
        tank_l=50.0,
        fuel_l=draw(st.floats(0, 50)),
        start_soc=start,
        stop_soc=draw(st.floats(start, 1)),
        charge_w=draw(st.floats(0, 20_000)),
        refuels_s=(12 * HOUR_S,),
    )
    inverter = Inverter("pv_1", "any", name, draw(st.floats(100, 20_000)), draw(st.floats(100, 30_000)))
    ups = Ups("ups_1", "any", name, 2, 2_700.0, draw(st.floats(10, 2_000)), draw(st.floats(0, 2_000)), 300.0)
    return replace(
        FESTIVAL,
        seed=draw(st.integers(0, 2**32)),
        starts_at_s=draw(st.floats(0, DAY_S - 1)),
        grid=replace(FESTIVAL.grid, outages=Spans(((begin, end),))),
        rigs=(rig,),
        generators=draw(st.sampled_from([(), (generator,)])),
        inverters=draw(st.sampled_from([(), (inverter,)])),
        upses=draw(st.sampled_from([(), (ups,)])),
        meters=FESTIVAL.meters[:1],
        loads=tuple(load for load in FESTIVAL.loads if load.on in {"rig_01", "acuvim_13"}),
        faults=(),
        actions=(),
    )


@st.composite
def moments(draw: st.DrawFn) -> tuple[Scenario, Wiring, Standing, Flow]:
    """Give the flows of any site in any state at any time."""
    site = draw(sites())
    wiring = site.wirings["rig_01"]
    time_s = draw(times)
    standing = Standing(
        soc=draw(st.floats(0, 1)),
        running=draw(st.booleans()),
        generator=bool(wiring.generator) and draw(st.booleans()),
        turns=False,
        upses=[draw(st.floats(0, 1)) for _ in wiring.upses],
    )
    return (
        site,
        wiring,
        standing,
        flow(site, wiring, standing, Moment(time_s, time_s + draw(st.floats(0, 60)))),
    )


def lived(site: Scenario, hours: float, tick_s: float) -> list[RigState]:
    wiring = site.wirings["rig_01"]
    states = [model.begin(site, wiring)]
    while states[-1].time_s < site.starts_at_s + hours * HOUR_S:
        states.append(model.tick(site, wiring, states[-1], states[-1].time_s + tick_s)[0])
    return states


@given(moments())
def test_power_is_conserved_at_every_moment(made: tuple[Scenario, Wiring, Standing, Flow]) -> None:
    _, wiring, _, flows = made

    came = total_w(flows.ac_in) + flows.pv_w
    went = total_w(flows.ac_out) + flows.battery_w + flows.losses_w
    assert came == pytest.approx(went, abs=1e-6)
    assert flows.losses_w >= -1e-6
    assert flows.battery_w == pytest.approx(flows.pv_w + flows.inverter_dc_w, abs=1e-6)
    assert flows.pv_w >= 0
    assert total_w(flows.ac_in) >= -wiring.rig.feed_in_w - 1e-6
    if flows.source is Source.NONE:
        assert total_w(flows.ac_in) == 0


@given(moments())
def test_what_the_meters_measure_less_what_pv_gives_is_what_leaves_the_inverter(
    made: tuple[Scenario, Wiring, Standing, Flow],
) -> None:
    flows = made[3]

    given_w = sum(total_w(one) for one in flows.inverters)

    assert all(total_w(one) >= -1e-9 for one in flows.inverters)
    assert flows.load_w - given_w == pytest.approx(total_w(flows.ac_out), abs=1e-6)


@given(moments())
def test_an_empty_battery_gives_nothing_where_there_is_a_source(
    made: tuple[Scenario, Wiring, Standing, Flow],
) -> None:
    _, wiring, standing, flows = made

    if flows.source is not Source.NONE and standing.soc <= wiring.rig.soc_min:
        assert flows.battery_w >= -1e-6


@given(moments())
def test_power_is_conserved_in_a_ups(made: tuple[Scenario, Wiring, Standing, Flow]) -> None:
    _, wiring, standing, flows = made

    for ups, charge, through in zip(wiring.upses, standing.upses, flows.upses, strict=True):
        assert through.losses_w >= -1e-9
        assert through.live == flows.running
        assert through.out_w <= ups.load_w
        assert through.battery_w >= 0 if through.live else through.battery_w <= 0
        assert through.out_w == ups.load_w or not through.live
        assert charge > 0 or through.battery_w >= 0


@given(sites(), st.floats(0, 24))
@examples(10)
def test_every_reading_is_in_the_vocabulary_and_power_is_voltage_times_current_times_power_factor(
    site: Scenario, hours: float
) -> None:
    now_s = [site.starts_at_s]
    live = LiveSite(site, lambda: now_s[0], tick_s=60.0)
    now_s[0] += hours * HOUR_S

    told = live.tell("rig_01")(), live.tell("acuvim_13")()

    for values in told:
        assert not unknown(values)
    for values, place in ((told[0], "ac_out"), (told[0], "ac_in"), (told[1], "ac")):
        total = 0.0
        for phase in ("l1", "l2", "l3"):
            head = f"{place}_{phase}_"
            volts, amps, watts, va = (
                values[head + name] for name in ("voltage_v", "current_a", "power_w", "apparent_power_va")
            )
            assert volts is not None
            assert amps is not None
            assert watts is not None
            assert va is not None
            factor = values[head + "power_factor_ratio"]
            assert watts == pytest.approx(volts * amps * (factor or 0.0), rel=3e-4, abs=0.5)
            assert va == pytest.approx(volts * amps, rel=3e-4, abs=0.5)
            total += watts
        assert values[f"{place}_power_w"] == pytest.approx(total, abs=0.051)
    reactive = [told[1][f"ac_{phase}_reactive_power_var"] or 0.0 for phase in ("l1", "l2", "l3")]
    for phase, var in zip(("l1", "l2", "l3"), reactive, strict=True):
        watts, va = (told[1][f"ac_{phase}_{name}"] or 0.0 for name in ("power_w", "apparent_power_va"))
        assert va**2 == pytest.approx(watts**2 + var**2, rel=1e-3, abs=50)


@given(sites(), st.sampled_from([0.5, 7.0, 61.0, 900.0]))
@examples(15)
def test_the_state_of_charge_keeps_its_bounds_and_is_the_integral_of_the_battery_power(
    site: Scenario, tick_s: float
) -> None:
    rig = site.rigs[0]

    states = lived(site, hours=20 * tick_s / HOUR_S, tick_s=tick_s)

    said = states[-1].counters["rig_01"]
    stored_wh = (
        said["battery_energy_charged_wh"] * rig.battery_efficiency
        - said["battery_energy_discharged_wh"] / rig.battery_efficiency
    )
    assert (states[-1].soc - rig.soc) * rig.capacity_wh == pytest.approx(stored_wh, abs=1e-3, rel=1e-9)
    assert all(rig.soc_min - 1e-9 <= state.soc <= 1.0 for state in states)
    assert all(0.0 <= charge <= 1.0 for state in states for charge in state.upses)


@given(sites(), st.floats(0.1, 24))
@examples(8)
def test_energy_is_conserved_over_any_time(site: Scenario, hours: float) -> None:
    counters = lived(site, hours, tick_s=60.0)[-1].counters

    said = counters["rig_01"]
    came = said["ac_in_energy_import_wh"] - said["ac_in_energy_export_wh"] + said["pv_energy_wh"]
    out = said["ac_out_energy_import_wh"] - said["ac_out_energy_export_wh"]
    stored = said["battery_energy_charged_wh"] - said["battery_energy_discharged_wh"]
    assert came == pytest.approx(out + stored + said["losses"], rel=1e-9, abs=1e-6)
    pv_ac = said.get("pvinverter_energy_import_wh", 0.0)
    assert said["load_energy_wh"] - pv_ac == pytest.approx(out, rel=1e-9, abs=1e-6)
    for number in (1, 2):
        into = said[f"energy_in{number}_to_out_wh"] + said[f"energy_in{number}_to_inverter_wh"]
        back = said[f"energy_out_to_in{number}_wh"] + said[f"energy_inverter_to_in{number}_wh"]
        source = "grid" if number == 1 else "genset"
        assert into == pytest.approx(said.get(f"{source}_energy_import_wh", 0.0), rel=1e-9, abs=1e-6)
        assert back == pytest.approx(said.get(f"{source}_energy_export_wh", 0.0), rel=1e-9, abs=1e-6)
    straight = said["energy_in1_to_out_wh"] + said["energy_in2_to_out_wh"]
    assert straight + said["energy_inverter_to_out_wh"] == pytest.approx(
        said["ac_out_energy_import_wh"], rel=1e-9, abs=1e-6
    )


@given(sites(), st.floats(0.1, 24))
@examples(8)
def test_counters_never_run_backwards_and_fuel_only_when_someone_fills_the_tank(
    site: Scenario, hours: float
) -> None:
    states = lived(site, hours, tick_s=hours * HOUR_S / 20)

    for before, after in pairwise(states[1:]):
        for system_id, counted in before.counters.items():
            for name, wh in counted.items():
                anew = counting.TODAY in name and before.time_s // DAY_S < after.time_s // DAY_S
                assert after.counters[system_id][name] >= wh - 1e-6 or anew, (system_id, name)
        if before.engine is not None and after.engine is not None:
            burnt_l = after.engine.used_l - before.engine.used_l
            assert burnt_l >= 0
            assert 0 <= after.engine.fuel_l <= 50
            missing_l = before.engine.fuel_l - after.engine.fuel_l
            assert missing_l == pytest.approx(burnt_l, abs=1e-6) or after.engine.fuel_l > before.engine.fuel_l


@given(sites(), st.floats(0.5, 23))
@examples(5)
def test_what_is_counted_today_is_counted_since_midnight(site: Scenario, hours: float) -> None:
    morning = replace(site, starts_at_s=22 * HOUR_S)

    night = lived(morning, 2, tick_s=60.0)[-1].counters["rig_01"]
    today = lived(morning, 2 + hours, tick_s=60.0)[-1].counters["rig_01"]

    for name in ("pv_energy", "battery_energy_charged", "battery_energy_discharged"):
        since_wh = today[f"{name}_wh"] - night[f"{name}_wh"]
        assert today[f"{name}_today_wh"] == pytest.approx(since_wh, rel=1e-6, abs=1e-3)


@given(sites(), st.floats(0.1, 12))
@examples(8)
def test_what_a_tick_tells_is_what_its_counters_gain(site: Scenario, hours: float) -> None:
    wiring = site.wirings["rig_01"]
    state = lived(site, hours, tick_s=60.0)[-1]
    after, flows = model.tick(site, wiring, state, state.time_s + model.TICK_S)

    if not any(state.time_s < next_edge((edge,), state.time_s) <= after.time_s for edge in site.edges_s):
        gained = (
            after.counters["acuvim_13"]["ac_energy_import_wh"]
            - state.counters["acuvim_13"]["ac_energy_import_wh"]
        )
        assert gained * HOUR_S / model.TICK_S == pytest.approx(
            total_w(flows.feeds["acuvim_13"]), rel=1e-6, abs=1e-3
        )


def test_any_tick_gives_near_the_same_energies() -> None:
    fine, *others = (lived(FESTIVAL, 0.25, tick_s)[-1] for tick_s in (0.5, 5.0, 60.0))

    for coarse in others:
        assert coarse.time_s == fine.time_s
        assert coarse.soc == pytest.approx(fine.soc, abs=0.01)
        for name in ("load_energy_wh", "ac_in_energy_import_wh", "pv_energy_wh"):
            assert coarse.counters["rig_01"][name] == pytest.approx(fine.counters["rig_01"][name], rel=0.04)


@given(sites(), st.lists(st.floats(0, 60), min_size=1, max_size=8))
@examples(8)
def test_figures_do_not_depend_on_who_asks_when(site: Scenario, asked: list[float]) -> None:
    def told(questions: list[float]) -> object:
        now_s = [site.starts_at_s]
        live = LiveSite(site, lambda: now_s[0])
        for after_s in sorted(questions):
            now_s[0] = site.starts_at_s + after_s
            live.tell("acuvim_13")()
        now_s[0] = site.starts_at_s + 60.0
        return live.tell("rig_01")(), live.tell("acuvim_13")(), live.energies()

    assert told(asked) == told([])


@given(sites())
@examples(8)
def test_the_same_seed_gives_the_same_data_and_another_seed_does_not(site: Scenario) -> None:
    def told(seeded: Scenario) -> object:
        now_s = [seeded.starts_at_s]
        live = LiveSite(seeded, lambda: now_s[0])
        now_s[0] += 60.0
        return live.tell("acuvim_13")()

    assert told(site) == told(replace(site))
    if told(site)["ac_power_w"]:  # type: ignore[index]
        assert told(site) != told(replace(site, seed=site.seed + 1))


@given(sites(), st.floats(0.1, 24))
@examples(8)
def test_a_state_survives_being_written_down(site: Scenario, hours: float) -> None:
    wiring = site.wirings["rig_01"]
    state = lived(site, hours, tick_s=60.0)[-1]

    assert model.from_json(model.to_json(state), wiring) == state
    assert model.from_json({**model.to_json(state), "upses": [0.5] * 3}, wiring) is None
    assert model.from_json({}, wiring) is None
    assert restore(site, {"rig_01": {}}) == {}


@given(st.lists(st.floats(0, 2 * DAY_S), min_size=2, max_size=6))
def test_what_operators_do_is_the_same_however_time_is_cut(cuts: list[float]) -> None:
    cuts = sorted(FESTIVAL.starts_at_s + cut for cut in cuts)

    def done(begin_s: float, end_s: float) -> list[Envelope]:
        return list(actions.due(FESTIVAL, begin_s, end_s, 1_000_000, "/node/simulator"))

    whole = done(cuts[0], cuts[-1])
    parts = [event for begin_s, end_s in pairwise(cuts) for event in done(begin_s, end_s)]

    assert parts == whole
    assert len({event.id for event in whole}) == len(whole)
    assert [event.time_us for event in whole] == sorted(event.time_us for event in whole)


@given(
    st.lists(st.tuples(st.integers(0, 86_399), st.floats(0, 1e5)), min_size=1, unique_by=lambda p: p[0]),
    times,
)
def test_a_timeline_stays_between_its_points_and_repeats_every_day(
    points: list[tuple[int, float]], time_s: float
) -> None:
    points.sort()
    line = Timeline(tuple(float(at) for at, _ in points), tuple(value for _, value in points))

    assert min(line.values) - 1e-6 <= line.at(time_s) <= max(line.values) + 1e-6
    assert line.at(time_s) == pytest.approx(line.at(time_s + DAY_S), abs=1e-2)
    assert all(line.at(at) == pytest.approx(value) for at, value in points)


@given(st.lists(st.floats(0, DAY_S - 1), max_size=5), times)
def test_the_next_edge_is_always_ahead_and_at_most_a_day_away(edges: list[float], time_s: float) -> None:
    ahead_s = next_edge(sorted(edges), time_s)

    assert ahead_s > time_s
    assert not edges or ahead_s <= time_s + DAY_S + 1e-6
