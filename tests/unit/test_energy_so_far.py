"""What an event came to so far: gaps add nothing, and nothing is counted twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.api.energy_so_far import Figures, Measured, coincident, counted, figures, measured

POWERS = st.lists(st.none() | st.floats(-5e4, 5e4), max_size=40)


@given(POWERS, st.floats(0, 400), st.integers(1, 60), st.integers(1, 10))
def test_no_energy_comes_of_what_was_not_measured(
    mean: list[float | None], whole_s: float, step_s: int, interval_s: int
) -> None:
    count = [None if value is None else step_s / interval_s for value in mean]

    found = figures(mean, mean, count, step_s=step_s, interval_s=interval_s, whole_s=whole_s)

    most = max((value for value in mean if value is not None), default=0.0)
    assert found.covered_s <= whole_s + 1e-6
    assert 0 <= found.energy_wh <= max(0.0, most) * found.covered_s / 3600 + 1e-6
    assert found.coverage_pct is None or 0 <= found.coverage_pct <= 100


def test_a_step_with_half_of_its_samples_is_measured_and_one_with_fewer_for_as_long_as_they_hold() -> None:
    def of(count: float) -> Figures:
        return figures([3600.0], [4000.0], [count], step_s=10, interval_s=1, whole_s=10)

    assert of(5.0) == of(9.0) == Figures(10.0, 4000.0, 10.0, 10)
    assert of(4.0) == Figures(4.0, 4000.0, 4.0, 10)
    assert of(4.0).coverage_pct == 40
    assert of(4.0) + Figures(1.0, None, 1.0, 10) == Figures(5.0, 4000.0, 5.0, 20)


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
