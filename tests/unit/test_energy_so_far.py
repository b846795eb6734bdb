"""What an event came to so far: gaps add nothing, and nothing is counted twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.columns import gap_guard_us
from web.api.energy_so_far import Figures, Measured, coincident, counted, figures, measured

POWERS = st.lists(st.none() | st.floats(-5e4, 5e4), max_size=40)


@given(POWERS, st.floats(0, 40_000), st.integers(1, 450), st.floats(0.5, 60), st.data())
def test_no_energy_comes_of_what_was_not_measured(
    mean: list[float | None], whole_s: float, step_s: int, interval_s: float, data: st.DataObject
) -> None:
    share = st.floats(0, 1.2)
    count = [None if value is None else step_s / interval_s * data.draw(share) for value in mean]

    found = figures(mean, mean, count, step_s=step_s, interval_s=interval_s, whole_s=whole_s)

    guard_s = gap_guard_us(round(interval_s * 1000), np.array([], np.int64)) / 1e6 + 0.01
    told_s = [None if one is None else one * interval_s for one in count]
    most = max((value for value in mean if value is not None), default=0.0)
    assert found.covered_s <= whole_s + 1e-6
    assert (
        found.covered_s <= sum(min(step_s, 1.1 * one + guard_s) for one in told_s if one is not None) + 1e-6
    )
    assert 0 <= found.energy_wh <= max(0.0, most) * found.covered_s / 3600 + 1e-6
    assert found.coverage_pct is None or 0 <= found.coverage_pct <= 100


def test_a_step_that_lacks_no_more_than_reports_join_is_measured_and_another_for_as_long_as_its_samples() -> (
    None
):
    def of(count: float) -> Figures:
        return figures([3600.0] * 2, [4000.0] * 2, [count, 100], step_s=100, interval_s=1, whole_s=200)

    assert of(90.0) == of(99.0) == Figures(200.0, 4000.0, 200.0, 200)
    assert of(80.0) == Figures(180.0, 4000.0, 180.0, 200)
    assert of(80.0).coverage_pct == 90
    assert of(80.0) + Figures(1.0, None, 1.0, 10) == Figures(181.0, 4000.0, 181.0, 210)


def test_a_device_that_is_a_little_slow_leaves_no_gaps() -> None:
    """Of 432 s at two a second, as a day and more are asked for, a slow one tells 800; 600 are an outage."""

    def covered_s(*count: float) -> float:
        power = [1000.0] * len(count)
        return figures(power, power, count, step_s=432, interval_s=0.5, whole_s=432 * len(count)).covered_s

    assert covered_s(800, 805, 790) == 3 * 432
    assert covered_s(800, 600, 805) == pytest.approx(2 * 432 + 600 * 432 / 805)
    assert covered_s(432, 864) == 432 + 216
    assert covered_s(600) == pytest.approx(600 * 0.55)


def test_the_peak_of_all_is_that_of_one_time() -> None:
    assert coincident([[1.0, 5.0, None], [7.0, 2.0, None]]) == 8.0
    assert coincident([[None], [None]]) is None
    assert coincident([]) is None


@pytest.mark.parametrize(
    ("values", "name", "used"),
    [
        ({"ac_out_power_w": 1.0, "grid_power_w": 2.0}, "ac_out_power_w", True),
        ({"grid_power_w": 0.0, "pv_power_w": 2.0}, "grid_power_w", False),
        ({"ac_power_w": None, "pv_power_w": 2.0}, "pv_power_w", False),
        ({"cpu_pct": 1.0}, None, False),
    ],
)
def test_what_is_delivered_is_chosen_before_what_comes_in(
    values: dict[str, float | None], name: str | None, used: bool
) -> None:
    found = measured([("slow", 5000, values), ("fast", 500, values)])

    assert (found and found.name) == name
    assert found is None or (found.used, found.kind) == (used, "fast")


def test_what_is_fed_by_another_of_the_event_is_not_summed() -> None:
    used, other = Measured("a", "ac_power_w", 1000), Measured("a", "pv_power_w", 1000)
    measures = {"main": used, "stage": used, "amp": used, "pv": other, "none": None}

    assert counted(measures, {"stage": "main", "amp": "stage"}) == {"main"}
    assert counted(measures, {"stage": "elsewhere", "main": "main"}) == {"main", "stage", "amp"}
    assert counted(measures, {"amp": "pv", "stage": "amp", "main": "stage"}) == {"amp"}
