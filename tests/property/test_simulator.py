"""Laws of the simulated site: what it tells adds up, whenever and however often it is asked."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulator import model, readings, scenario
from producers.simulator.electricity import total_w
from producers.simulator.flow import Moment, flow
from producers.simulator.model import RigState
from producers.simulator.scenario import Rig, Scenario
from producers.simulator.timeline import DAY_S, Spans, Timeline, next_edge
from schemas.measurements import unknown

FESTIVAL = scenario.load("festival")
HOUR_S = 3600.0

times = st.floats(0, 3 * DAY_S)
charges = st.floats(0, 1)


@st.composite
def sites(draw: st.DrawFn) -> tuple[Scenario, Rig]:
    """Give a site with any battery, any sun and any outages."""
    begin = draw(st.floats(0, DAY_S - 1))
    end = draw(st.floats(begin + 1e-3, DAY_S))
    site = replace(
        FESTIVAL,
        seed=draw(st.integers(0, 2**32)),
        starts_at_s=draw(st.floats(0, DAY_S - 1)),
        grid=replace(FESTIVAL.grid, outages=Spans(((begin, end),))),
    )
    rig = replace(
        draw(st.sampled_from(FESTIVAL.rigs)),
        capacity_wh=draw(st.floats(200, 200_000)),
        soc=draw(st.floats(0.1, 1)),
        soc_min=0.1,
        pv_w=draw(st.floats(0, 30_000)),
        charge_w=draw(st.floats(0, 50_000)),
        input_limit_w=draw(st.floats(0, 50_000)),
        efficiency=draw(st.floats(0.8, 1)),
    )
    return site, rig


def lived(site: Scenario, rig: Rig, hours: float, step_s: float) -> list[RigState]:
    states = [model.begin(site, rig)]
    while states[-1].time_s < site.starts_at_s + hours * HOUR_S:
        states.append(model.advance(site, rig, states[-1], states[-1].time_s + step_s))
    return states


@given(sites(), times, charges, st.booleans())
def test_power_is_conserved_at_every_moment(
    made: tuple[Scenario, Rig], time_s: float, soc: float, running: bool
) -> None:
    site, rig = made

    flows = flow(site, rig, soc, Moment(time_s, time_s), running=running)

    came = total_w(flows.ac_in) + flows.pv_w
    went = total_w(flows.ac_out) + flows.battery_w + flows.losses_w
    assert came == pytest.approx(went, abs=1e-6)
    assert flows.losses_w >= -1e-6
    assert flows.battery_w == pytest.approx(flows.pv_w + flows.inverter_dc_w, abs=1e-6)
    assert flows.pv_w >= 0
    if not flows.grid:
        assert total_w(flows.ac_in) == 0


@given(sites(), times, charges)
def test_what_the_meters_measure_is_what_leaves_the_inverter(
    made: tuple[Scenario, Rig], time_s: float, soc: float
) -> None:
    site, rig = made

    flows = flow(site, rig, soc, Moment(time_s, time_s), running=True)

    assert sum(total_w(feed) for feed in flows.feeds) == pytest.approx(total_w(flows.ac_out), abs=1e-6)


@given(sites(), st.floats(0, 24))
@settings(max_examples=30)
def test_every_reading_is_in_the_vocabulary_and_power_is_voltage_times_current_times_power_factor(
    made: tuple[Scenario, Rig], hours: float
) -> None:
    site, rig = made
    state = model.advance(site, rig, model.begin(site, rig), site.starts_at_s + hours * HOUR_S)
    flows = model.now(site, rig, state)

    told = [
        readings.rig_fast(rig)(state, flows),
        readings.rig_slow(rig)(state, flows),
        readings.meter_fast(0)(state, flows),
        readings.meter_slow(0)(state, flows),
    ]

    for values in told:
        assert not unknown(values)
    for values, place in ((told[0], "ac_out"), (told[0], "ac_in"), (told[2], "ac")):
        total = 0.0
        for phase in ("l1", "l2", "l3"):
            volts, amps, watts, factor = (
                values[f"{place}_{phase}_{name}"]
                for name in ("voltage_v", "current_a", "power_w", "power_factor_ratio")
            )
            assert volts is not None
            assert amps is not None
            assert watts is not None
            assert watts == pytest.approx(volts * amps * (factor or 0.0), rel=3e-4, abs=0.5)
            total += watts
        assert values[f"{place}_power_w"] == pytest.approx(total, abs=0.051)


@given(sites(), st.sampled_from([0.5, 7.0, 61.0, 900.0]))
@settings(max_examples=30)
def test_the_state_of_charge_keeps_its_bounds_and_is_the_integral_of_the_battery_power(
    made: tuple[Scenario, Rig], step_s: float
) -> None:
    site, rig = made

    states = lived(site, rig, hours=20 * step_s / HOUR_S, step_s=step_s)

    last = states[-1]
    stored_wh = last.charged_wh * rig.battery_efficiency - last.discharged_wh / rig.battery_efficiency
    assert (last.soc - rig.soc) * rig.capacity_wh == pytest.approx(stored_wh, abs=1e-3, rel=1e-9)
    assert all(rig.soc_min - 1e-9 <= state.soc <= 1.0 for state in states)


@given(sites(), st.floats(0.1, 24))
@settings(max_examples=25)
def test_energy_is_conserved_over_any_time(made: tuple[Scenario, Rig], hours: float) -> None:
    site, rig = made

    last = model.advance(site, rig, model.begin(site, rig), site.starts_at_s + hours * HOUR_S)

    came = last.ac_in_wh + last.pv_wh
    went = last.ac_out_wh + last.charged_wh - last.discharged_wh + last.losses_wh
    assert came == pytest.approx(went, rel=1e-9, abs=1e-6)
    assert sum(sum(feed[:3]) for feed in last.feeds) == pytest.approx(last.ac_out_wh, rel=1e-9, abs=1e-6)
    assert last.in_to_out_wh + last.in_to_inverter_wh == pytest.approx(last.ac_in_wh, rel=1e-9, abs=1e-6)
    assert last.in_to_out_wh + last.inverter_to_out_wh == pytest.approx(last.ac_out_wh, rel=1e-9, abs=1e-6)


@given(sites(), st.floats(0.1, 24))
@settings(max_examples=25)
def test_counters_never_run_backwards(made: tuple[Scenario, Rig], hours: float) -> None:
    site, rig = made
    counters = [name for name in RigState.__slots__ if name.endswith("_wh")]

    states = lived(site, rig, hours, step_s=hours * HOUR_S / 20)

    for before, after in pairwise(states):
        assert all(getattr(after, name) >= getattr(before, name) - 1e-6 for name in counters)


@pytest.mark.parametrize("rig", FESTIVAL.rigs, ids=lambda rig: rig.system_id)
def test_any_step_gives_near_the_same_energies(rig: Rig) -> None:
    fine, *others = (lived(FESTIVAL, rig, 1, step_s)[-1] for step_s in (0.5, 5.0, 60.0, 600.0, 3600.0))

    for coarse in others:
        assert_alike(coarse, fine)


def assert_alike(coarse: RigState, fine: RigState) -> None:
    assert coarse.time_s == fine.time_s
    assert coarse.ac_out_wh == pytest.approx(fine.ac_out_wh, rel=0.01)
    assert coarse.ac_in_wh == pytest.approx(fine.ac_in_wh, rel=0.01)
    assert coarse.pv_wh == pytest.approx(fine.pv_wh, rel=0.04)
    assert coarse.soc == pytest.approx(fine.soc, abs=0.01)


@given(sites(), st.floats(0.1, 6))
@settings(max_examples=25)
def test_the_same_seed_gives_the_same_data_and_another_seed_does_not(
    made: tuple[Scenario, Rig], hours: float
) -> None:
    site, rig = made

    def told(seeded: Scenario) -> object:
        state = model.advance(seeded, rig, model.begin(seeded, rig), seeded.starts_at_s + hours * HOUR_S)
        return readings.meter_fast(0)(state, model.now(seeded, rig, state))

    assert told(site) == told(replace(site))
    if model.now(site, rig, model.begin(site, rig)).running:
        assert told(site) != told(replace(site, seed=site.seed + 1)) or rig.soc <= 0.2


@given(sites(), st.floats(0.1, 24))
@settings(max_examples=25)
def test_a_state_survives_being_written_down(made: tuple[Scenario, Rig], hours: float) -> None:
    site, rig = made
    state = model.advance(site, rig, model.begin(site, rig), site.starts_at_s + hours * HOUR_S)

    assert model.from_json(model.to_json(state), len(state.feeds)) == state
    assert model.from_json(model.to_json(state), len(state.feeds) + 1) is None
    assert model.from_json({}, 2) is None


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
