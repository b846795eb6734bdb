"""Exported series become samples again: every reading once, in its moment, under its name here."""

import gzip
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Envelope
from ovr import taking_over
from ovr.old_series import LeftOutError, Names, Place, Readings, columns_of, from_csv, from_json
from ovr.series_spool import Moment, SeriesSpool
from ovr.taking_over import SeriesAccount, opened, spooled, to_event
from projectors.lines import load_compatibility
from reporter.columns import Columns
from schemas.registry import Registry

T0_MS = 1_768_478_400_000
RIG = {"system_id": "rig_01", "db": "telegraf"}


def line(name: str, times: Sequence[int], values: Sequence[Any], **labels: str) -> bytes:
    metric = {"__name__": name, **(labels or RIG)}
    return orjson.dumps({"metric": metric, "values": values, "timestamps": times}) + b"\n"


def taken(
    tmp_path: Path,
    lines: Iterable[bytes],
    *,
    columns: str | None = None,
    windows: bool = False,
    **options: Any,
) -> tuple[list[Moment], SeriesAccount, list[Envelope]]:
    folder = tmp_path / "spool"
    folder.mkdir(exist_ok=True)
    spool, account = SeriesSpool(folder), SeriesAccount()
    facts: list[Envelope] = []
    spooled(
        enumerate(lines, start=1),
        None if columns is None else columns_of(columns),
        Names(load_compatibility(), **options),
        spool,
        account,
        facts if windows else None,
        "/edge/import",
    )
    return list(spool.moments()), account, facts


def test_names_of_older_dashboards_are_mapped_back_and_others_kept_as_our_own(tmp_path: Path) -> None:
    moments, account, _ = taken(
        tmp_path,
        [
            line("victron_ac_out_power", [T0_MS, T0_MS + 500, T0_MS + 1000], [1.0, 2.0, 3.0]),
            line("victron_dc_voltage_v", [T0_MS, T0_MS + 1000, T0_MS + 2000], [51.0, 52.0, 53.0]),
            line("victron_Fan Speed", [T0_MS, T0_MS + 500, T0_MS + 1000], [7, 8, 9]),
            line("acuvim_P", [T0_MS], [-5.5], system_id="acuvim_13"),
            line("process_open_fds", [T0_MS], [9.0], instance="vm"),
            line("up", [T0_MS], [1.0]),
            line("ovr_event_active", [T0_MS], [1.0], system_id="rig_01", event_id="x"),
        ],
    )
    assert [(one.system, one.interval_ms, one.time_ms - T0_MS, one.values) for one in moments] == [
        ("acuvim_13", 60_000, 0, {"ac_power_w": -5.5}),
        ("rig_01", 500, 0, {"ac_out_power_w": 1.0, "x_fan_speed": 7.0}),
        ("rig_01", 500, 500, {"ac_out_power_w": 2.0, "x_fan_speed": 8.0}),
        ("rig_01", 500, 1000, {"ac_out_power_w": 3.0, "x_fan_speed": 9.0}),
        ("rig_01", 1000, 0, {"dc_voltage_v": 51.0}),
        ("rig_01", 1000, 1000, {"dc_voltage_v": 52.0}),
        ("rig_01", 1000, 2000, {"dc_voltage_v": 53.0}),
    ]
    assert (account.series, account.readings) == (7, 10)
    assert dict(account.left_out) == {
        ("process_open_fds", "no label system_id"): 1,
        ("up", "its name does not begin with a kind of device"): 1,
        ("ovr_event_active", "windows are taken with --windows"): 1,
    }


def test_samples_fit_the_schema_and_have_the_same_id_whenever_they_are_read(tmp_path: Path) -> None:
    lines = [
        line("victron_ac_out_power", [T0_MS, T0_MS + 500], [1.0, 2.0]),
        line("victron_soc_pct", [T0_MS, T0_MS + 500], [80, 81]),
    ]
    found = [
        [to_event(one, "/e/import") for one in taken(tmp_path, order)[0]] for order in (lines, lines[::-1])
    ]
    assert found[0] == found[1]
    assert len({event.id for event in found[0]}) == 2
    for event in found[0]:
        Registry.load().check(event.type, 1, event.data)


def two_series(count: int, start_ms: int = T0_MS, step_ms: int = 1000) -> list[bytes]:
    times = [start_ms + step_ms * n for n in range(count)]
    return [
        line("victron_ac_out_power", times, [float(n) for n in range(count)]),
        line("victron_soc_pct", times, [80.0] * count),
    ]


def ids_of(moments: Iterable[Moment]) -> list[str]:
    return [to_event(one, "/e/import").id for one in moments]


@pytest.mark.parametrize("later_step_ms", [500, 1000, 5000, 60_000])
def test_an_export_that_goes_on_for_longer_adds_only_what_is_later(
    tmp_path: Path, later_step_ms: int
) -> None:
    short = taken(tmp_path, two_series(100))[0]
    later = two_series(400, T0_MS + 200_000, later_step_ms)
    longer = taken(tmp_path, two_series(100) + later)[0]
    assert [one.interval_ms for one in short] == [1000] * 100
    assert sorted(ids_of(one for one in longer if one.time_ms < T0_MS + 100_000)) == sorted(ids_of(short))
    assert {one.interval_ms for one in longer if one.time_ms > T0_MS + 1_200_000} <= {later_step_ms}
    assert sum(len(one.values) for one in longer) == 2 * 500


@pytest.mark.parametrize("readings", [2, 7, 19, 60, 86, 87, 88, 99])
def test_wherever_an_export_was_cut_its_samples_are_those_of_a_longer_one(
    tmp_path: Path, readings: int
) -> None:
    """Also behind one reading of a new day, and behind a few of ten minutes in which the pace changed."""
    steps = [500] * 4 + [2000] * 30 + [60_000] * 30 + [500] * 22 + [3600_000 * 13] + [500] * 40
    times = [T0_MS + sum(steps[:n]) for n in range(len(steps))]
    values = [float(n) for n in range(len(times))]

    short = taken(tmp_path, [line("acuvim_P", times[:readings], values[:readings])])[0]
    longer = taken(tmp_path, [line("acuvim_P", times, values)])[0]

    until_ms = times[readings - 1]
    assert sorted(ids_of(short)) == sorted(ids_of(one for one in longer if one.time_ms <= until_ms))


def test_what_two_imports_told_of_one_time_is_one_row_to_reports(tmp_path: Path) -> None:
    power, charge = two_series(100)
    moments = [one for part in ([power], [charge]) for one in taken(tmp_path, part)[0]]
    names = ("ac_out_power_w", "soc_pct")
    columns = Columns.ordered(
        "victron",
        1000,
        np.array([one.time_ms * 1000 for one in moments], np.int64),
        np.arange(len(moments)),
        {name: np.array([one.values.get(name, np.nan) for one in moments]) for name in names},
    )
    assert [len(columns.series(name)) for name in names] == [100, 100]


def test_a_broken_line_is_named_and_the_others_are_taken(tmp_path: Path) -> None:
    good = line("acuvim_P", [T0_MS], [1.0])
    broken = [b"{\n", b"[]\n", b'{"metric":{},"values":[1],"timestamps":[]}\n', b"\xff\xfe\n", b""]
    moments, account, _ = taken(tmp_path, [good, *broken, b"\n", good])
    assert len(moments) == 1
    assert [number for number, _ in account.broken] == [2, 3, 4, 5, 6]
    odd = line("acuvim_P", [T0_MS, T0_MS + 1, T0_MS + 2], [None, "Infinity", 1e300])
    assert taken(tmp_path, [odd])[1].dropped == 3


def test_windows_are_taken_from_their_series_when_that_is_wished(tmp_path: Path) -> None:
    said = {"system_id": "rig_01", "event_id": "startup", "location": "field"}
    _, _, facts = taken(
        tmp_path,
        [line("ovr_event_active", [T0_MS, T0_MS + 30_000, T0_MS + 60_000], [1, 1, 0], **said)],
        windows=True,
    )
    assert [(one.type, one.time_us // 1000 - T0_MS, dict(one.data)) for one in facts] == [
        ("window.started", 0, {"event_id": "startup", "location": "field"}),
        ("window.ended", 60_000, {"event_id": "startup"}),
    ]


def test_csv_is_read_by_the_columns_that_it_was_exported_with(tmp_path: Path) -> None:
    columns = "__name__,meter,__value__,__timestamp__:unix_ms"
    lines = [
        b"__name__,meter,__value__,__timestamp__:unix_ms\n",
        b"acuvim_P,m 1,-2.5,%d\n" % T0_MS,
        b"acuvim_P,m 1,no number,%d\n" % T0_MS,
    ]
    moments, account, _ = taken(tmp_path, lines, columns=columns, labels=("meter",))
    assert [(one.system, one.values) for one in moments] == [("m 1", {"ac_power_w": -2.5})]
    assert [number for number, _ in account.broken] == [3]
    assert from_csv(b"1,2026-01-15T12:00:00Z", ("__value__", "__timestamp__")).times_ms == [T0_MS]


def test_files_are_read_compressed_or_not_and_lines_far_too_long_are_only_named(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(taking_over, "LONGEST_LINE", 100)
    text = b"short\n" + b"x" * 250 + b"\nlast"
    (tmp_path / "a.jsonl").write_bytes(text)
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a.zst").write_bytes(zstandard.compress(text))
    for name in ("a.jsonl", "a.gz", "a.zst"):
        with opened(tmp_path / name, lambda *_: None) as lines:
            assert list(lines) == [(1, b"short\n"), (2, b""), (3, b"last")]


_NUMBERS = st.floats(-1e15, 1e15).map(lambda one: round(one, 3))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from(["soc_pct", "x_one", "x_two"]),
            st.lists(st.tuples(st.integers(0, 3 * 86_400_000), _NUMBERS), max_size=20),
        ),
        max_size=8,
    )
)
def test_every_reading_is_in_the_moment_of_its_system_once(
    tmp_path_factory: Any, series: list[tuple[str, str, list[tuple[int, float]]]]
) -> None:
    spool = SeriesSpool(tmp_path_factory.mktemp("spool"))
    wanted: dict[tuple[str, str, int], float] = {}
    for system, name, points in series:
        spool.add(
            Place(system, "victron", name), Readings({}, [t for t, _ in points], [v for _, v in points])
        )
        for t, v in points:
            wanted[system, name, t] = min(v, wanted.get((system, name, t), math.inf))
    found = [
        ((one.system, name, one.time_ms), value)
        for one in spool.moments()
        for name, value in one.values.items()
    ]
    assert len(found) == len(wanted)
    assert dict(found) == wanted


@given(
    st.binary()
    | st.recursive(
        st.none() | st.floats() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.sampled_from(["metric", "values", "timestamps"]), s),
    ).map(orjson.dumps)
)
def test_any_line_gives_readings_or_a_reason(text: bytes) -> None:
    try:
        readings = from_json(text)
        Names(load_compatibility()).place(readings.metric)
    except (ValueError, LeftOutError):
        return
