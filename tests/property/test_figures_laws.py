"""Laws of figures: the parts are the whole, bins are the time, and no input breaks a document."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.basis import guard
from reporter.coarse import means, step_s, strung
from reporter.columns import Columns, Samples, Series
from reporter.demand import blocks, one_second
from reporter.energy import energy
from reporter.load import below
from reporter.seconds import highest_of, stretch
from reporter.system_report import encode, system_report
from reporter.track import track
from reporter.trimming import trim
from tests.report_schema import faults
from tests.reporting import SETTINGS, T0, S, facts

GUARD = 10 * S
DAY_US = 86_400 * S
STEPS = sorted({step_s(days * DAY_US) for days in range(1, 400)} - {0})
steps_us = st.lists(st.integers(1, 30 * S), min_size=1, max_size=60)
watts = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def tracks(draw: st.DrawFn) -> tuple[Series, int, int]:
    apart = draw(steps_us)
    times = T0 + np.cumsum(np.array([0, *apart], np.int64))
    value = np.array(draw(st.lists(watts, min_size=len(times), max_size=len(times))))
    length = int(times[-1] - times[0])
    first, last = sorted(draw(st.tuples(st.integers(0, length), st.integers(0, length))))
    return Series(times, value), int(times[0]) + first, int(times[0]) + last


@given(tracks(), st.floats(0, 1))
def test_energy_of_the_parts_is_the_energy_of_the_whole(drawn: tuple[Series, int, int], share: float) -> None:
    of, begin, end = drawn
    middle = begin + round((end - begin) * share)

    whole = energy(track(of, begin, end, GUARD))
    parts = [energy(track(of, begin, middle, GUARD)), energy(track(of, middle, end, GUARD))]

    scale = float(np.abs(of.value).max(initial=0.0)) * (end - begin) / S / 3600
    assert sum(one.plus_wh for one in parts) == pytest.approx(
        whole.plus_wh, rel=1e-9, abs=1e-9 * scale + 1e-12
    )
    assert sum(one.minus_wh for one in parts) == pytest.approx(
        whole.minus_wh, rel=1e-9, abs=1e-9 * scale + 1e-12
    )
    assert sum(one.covered_s for one in parts) == pytest.approx(whole.covered_s, abs=1e-6)


@given(
    tracks(),
    st.sampled_from(STEPS),
    st.sampled_from([0, 250, 500, 1000, 4000, 9000]),
    st.sampled_from([None, 0.4, 1.0, 10.0, 30.0]),
    st.floats(0, 1),
)
def test_a_long_span_in_steps_has_the_energy_and_the_gaps_of_its_samples(
    drawn: tuple[Series, int, int], step: int, interval_ms: int, max_gap_s: float | None, share: float
) -> None:
    of, begin, end = drawn
    middle = begin + round((end - begin) * share) // (step * S) * step * S
    stream = Columns("victron", interval_ms, of.time_us, np.arange(len(of)), {"ac_out_power_w": of.value})
    spans = [(begin, end)] if not begin < middle < end else [(begin, middle), (middle, end)]
    how = replace(SETTINGS, max_gap_s=max_gap_s)
    fitting = min(step, step_s(400 * DAY_US, max_gap_s))

    stepped = strung([means(stream, *span, fitting, lambda series: guard(series, how)) for span in spans])

    sampled, found = (
        track(series, begin, end, guard(series, how))
        for series in (stream.series("ac_out_power_w"), stepped.series("ac_out_power_w"))
    )
    scale = float(np.abs(of.value).max()) * (end - begin) / S
    assert found.integral() == pytest.approx(sampled.integral(), rel=1e-9, abs=1e-9 * scale + 1e-5)
    assert found.covered_s == pytest.approx(sampled.covered_s, abs=1e-5)
    assert (found.value <= of.value.max() + 1e-6).all()
    assert (found.value >= of.value.min() - 1e-6).all()


@given(tracks())
def test_import_less_export_is_the_plain_integral(drawn: tuple[Series, int, int]) -> None:
    of = track(*drawn, GUARD)

    found = energy(of)

    assert found.plus_wh >= 0.0
    assert found.minus_wh >= 0.0
    scale = float((np.abs(of.value[1:]) * of.step_s).sum() + 1)
    assert found.net_wh == pytest.approx(of.integral() / 3600, rel=1e-9, abs=1e-12 * scale)


@given(tracks(), st.lists(watts, min_size=1, max_size=5, unique=True).map(sorted))
def test_bins_together_are_all_of_the_time_and_energy(
    drawn: tuple[Series, int, int], levels: list[float]
) -> None:
    of = track(*drawn, GUARD)

    found = [below(of, level) for level in levels]

    seconds = [second for second, _ in found]
    assert seconds == sorted(seconds)
    assert seconds[-1] <= of.covered_s + 1e-6
    top_s, top_wh = below(of, 1e9)
    assert top_s == pytest.approx(of.covered_s)
    assert top_wh == pytest.approx(of.integral() / 3600, rel=1e-9, abs=1e-9)


@given(tracks(), st.sampled_from([1, 60, 900]), st.sampled_from(["UTC", "Asia/Kathmandu", "Europe/Berlin"]))
def test_blocks_together_are_the_window(drawn: tuple[Series, int, int], seconds: int, zone: str) -> None:
    of = track(*drawn, GUARD)

    cut = blocks(of, seconds, zone)

    assert (cut.edge_us[0], cut.edge_us[-1]) == (of.from_us, of.to_us)
    assert float(cut.covered_s.sum()) == pytest.approx(of.covered_s, abs=1e-6)
    scale = float((np.abs(of.value[1:]) * of.step_s).sum() + 1)
    assert float(cut.area.sum()) == pytest.approx(of.integral(), rel=1e-9, abs=1e-9 * scale)


AROUND = [S - 1, S, S + 1, 9 * S // 10 - 1, 9 * S // 10, S // 2, GUARD - 1, GUARD, GUARD + 1]
spacing = st.one_of(
    st.integers(1, S - 1), st.sampled_from(AROUND), st.integers(S, 3 * S), st.integers(1, 2 * GUARD)
)
level = st.one_of(watts, st.sampled_from([0.0, 4e3, 1e4]))
spacings = st.one_of(
    st.lists(spacing, max_size=30),
    st.lists(st.sampled_from([S // 5, 2 * S // 5]), min_size=5, max_size=12),
    st.lists(st.integers(1, S - 1), max_size=30),
    st.lists(st.integers(S, 2 * GUARD), max_size=30),
)


def second_around(times: list[int], value: list[float], at_us: int) -> tuple[float, int]:
    """Integrate the lines within half a second by hand: the mean, and how many microseconds are covered."""
    area, covered_us = 0.0, 0
    for (begin, end), (first, last) in zip(pairwise(times), pairwise(value), strict=True):
        since, until = max(begin, at_us - S // 2), min(end, at_us + S // 2)
        if until > since and end - begin <= GUARD:
            ends = [first + (last - first) * ((t - begin) / (end - begin)) for t in (since, until)]
            area += (until - since) * sum(ends) / 2
            covered_us += until - since
    return (area / covered_us if covered_us else 0.0), covered_us


@given(spacings, st.data())
def test_the_highest_second_is_a_mean_where_samples_are_close_and_a_reading_where_they_are_not(
    apart: list[int], data: st.DataObject
) -> None:
    times = [int(t) for t in T0 + np.cumsum(np.array([0, *apart], np.int64))]
    value = data.draw(st.lists(level, min_size=len(times), max_size=len(times)))

    found = one_second(track(Series(np.array(times), np.array(value)), times[0], times[-1], GUARD))

    peak, joined = found["power_w"]["value"], [step for step in apart if step <= GUARD]
    if not joined or np.median(joined) >= 9 * S // 10:
        assert found["kind"] == "reading"
        assert peak == (max(value) if apart else None)  # exactly the highest reading, isolated or not
        return
    assert found["kind"] == "sliding"
    around = [second_around(times, value, at) for at in times]
    means = [mean for mean, covered_us in around if covered_us >= 9 * S // 10]
    if not means:
        assert peak is None
        assert found["power_w"]["why"] in {"too_short", "too_many_gaps"}
        return
    assert peak == pytest.approx(max(means), rel=1e-6, abs=1e-6 * max(map(abs, value)) + 1e-3)


@given(st.lists(st.integers(1, 9 * S // 10 - 1), min_size=1, max_size=40), st.data(), st.floats(0, 1))
def test_the_highest_second_of_the_parts_is_that_of_the_whole(
    apart: list[int], data: st.DataObject, share: float
) -> None:
    times = T0 + np.cumsum(np.array([0, *apart], np.int64))
    value = np.array(data.draw(st.lists(level, min_size=len(times), max_size=len(times))))
    stream = Columns("victron", 500, times, np.arange(len(times)), {"ac_out_power_w": value})
    begin, end = int(times[0]), int(times[-1])
    middle = begin + round((end - begin) * share)
    parts = [part for part in ((begin, middle), (middle, end)) if part[0] < part[1]]

    found = highest_of(
        [stretch(Samples("rig_01", (stream,)), "ac_out", part, (begin, end), SETTINGS) for part in parts],
        ("ac_out_power_w",),
    )

    whole = one_second(track(stream.series("ac_out_power_w"), begin, end, GUARD))["power_w"]["value"]
    if isinstance(found, str):
        assert (found, whole) == ("too_many_gaps", None)
    else:
        off = 1e-6 * float(np.abs(value).max()) + 1e-3
        assert found.kind == "sliding"
        assert found.value == pytest.approx(whole, rel=1e-6, abs=off)


@given(tracks())
def test_trimming_takes_nothing_away_that_reaches_the_threshold(drawn: tuple[Series, int, int]) -> None:
    of = track(*drawn, GUARD)

    found = trim(of, GUARD)

    assert of.from_us <= found.from_us <= found.to_us <= of.to_us
    busy = of.time_us[np.abs(of.value) >= found.threshold_w]
    assert ((busy >= found.from_us) & (busy <= found.to_us)).all()
    for one in found.removed:
        assert (one.to_us - one.from_us) >= 60 * S


NAMES = (
    "ac_out_power_w",
    "ac_out_l1_power_w",
    "ac_out_l2_power_w",
    "ac_out_l1_voltage_v",
    "ac_out_l2_voltage_v",
    "ac_out_l12_voltage_v",
    "ac_out_l1_current_a",
    "ac_out_l2_current_a",
    "ac_out_apparent_power_va",
    "ac_out_reactive_power_var",
    "ac_out_frequency_hz",
    "ac_out_energy_import_wh",
    "ac_out_load_pct",
    "soc_pct",
    "battery_power_w",
    "ac_in_power_w",
    "pv_power_w",
    "genset_power_w",
    "grid_power_w",
)
anything = st.one_of(st.sampled_from([0.0, -1e15, 1e15, float("nan"), 1e-300, 230.0]), st.floats(-1e15, 1e15))


@st.composite
def hostile(draw: st.DrawFn) -> Samples:
    count = draw(st.integers(0, 12))
    times = draw(
        st.lists(st.integers(-70 * S, 700 * S), min_size=count, max_size=count).map(
            lambda us: np.array(us, np.int64)
        )
    )
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    columns: dict[str, Any] = {
        name: np.array(draw(st.lists(anything, min_size=count, max_size=count)), np.float64) for name in names
    }
    kind = draw(st.sampled_from(["victron", "acuvim", "sunspec", "ups", "new_thing"]))
    return Samples(
        "rig_01",
        (
            Columns.ordered(
                kind, draw(st.sampled_from([0, 500, 5000])), T0 + times, np.arange(count), columns
            ),
        ),
    )


@given(hostile(), st.floats(0, 0.15))
def test_any_samples_give_a_document_without_nan_and_always_the_same_one(
    samples: Samples, hours: float
) -> None:
    document = system_report(samples, facts(hours), SETTINGS)

    again = encode(system_report(samples, facts(hours), SETTINGS))
    assert encode(document) == again
    assert _finite(orjson.loads(again))
    assert faults(document) == []


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(one) for one in value.values())
    if isinstance(value, list):
        return all(_finite(one) for one in value)
    return not isinstance(value, float) or bool(np.isfinite(value))
