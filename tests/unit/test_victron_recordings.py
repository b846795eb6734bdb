"""Recordings of real GX devices become the samples that their messages hold, and no other transition.

The expectations are computed from the recording by code of this test's own: it knows paths and names of the
figures that it compares, and nothing of the producer's mapping.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from producers.adapter import AlarmSeen, PartSeen, Seen
from producers.recording import Row, rows
from producers.victron.gx_session import GxSession
from producers.victron.mapping import Pace
from producers.victron.mapping_file import packaged
from schemas.measurements import unknown

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings"
PORTAL = "c0ffee000001"
START_US = 10_000_000_000
BEGIN_S = 2.0
ROUNDED = 0.051


@dataclass
class Played:
    """What a recording gave: samples by pace, with their time in the recording."""

    samples: dict[Pace, list[tuple[float, dict[str, float | None]]]]
    seen: list[Seen] = field(default_factory=list)


def recording(name: str) -> list[Row]:
    path = RECORDINGS / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    with path.open("rb") as lines:
        return list(rows(lines))


def play(messages: list[Row]) -> Played:
    """Play a recording to a session as its time says, and read at both paces."""
    session = GxSession(PORTAL, "rig", packaged(), "us")
    session.open(START_US)
    session.tick(START_US)
    played = Played({pace: [] for pace in Pace})
    waiting = iter(messages)
    row = next(waiting, None)
    for half in range(round(2 * messages[-1].t_s) + 1):
        at_s = half / 2
        while row is not None and row.t_s <= at_s:
            session.take(row.topic, row.payload, START_US + round(max(0.0, row.t_s) * 1e6))
            row = next(waiting, None)
        now_us = START_US + round(at_s * 1e6)
        session.tick(now_us)
        if at_s < BEGIN_S:
            continue  # the answer is believed a moment after its end
        for pace in [Pace.FAST, Pace.SLOW] if half % 10 == 0 else [Pace.FAST]:
            read = session.read("rig", pace, now_us, now_us)
            played.samples[pace].append((at_s, dict(read.values)))
            played.seen += read.seen
    return played


def told(messages: list[Row], path: str) -> tuple[list[float], list[Any]]:
    """Give when a path was told, and what."""
    topic = f"N/{PORTAL}/{path}"
    found = [(row.t_s, json.loads(row.payload)["value"]) for row in messages if row.topic == topic]
    return [at_s for at_s, _ in found], [value for _, value in found]


def held(messages: list[Row], path: str, at: list[float]) -> Iterator[float | None]:
    """Give the value that a path had at some times."""
    times, values = told(messages, path)
    for at_s in at:
        yield values[bisect_right(times, at_s) - 1]


FIGURES = {
    "venus-docker-bct": {
        Pace.FAST: {
            "ac_out_power_w": ("vebus/276/Ac/Out/P", 1.0),
            "ac_out_l1_voltage_v": ("vebus/276/Ac/Out/L1/V", 1.0),
            "dc_power_w": ("vebus/276/Dc/0/Power", 1.0),
            "dc_voltage_v": ("vebus/276/Dc/0/Voltage", 1.0),
            "battery_2_power_w": ("battery/1/Dc/0/Power", 1.0),
            "battery_2_soc_pct": ("battery/1/Soc", 1.0),
            "battery_4_current_a": ("battery/289/Dc/0/Current", 1.0),
            "solarcharger_pv_power_w": ("solarcharger/277/Yield/Power", 1.0),
            "solarcharger_4_pv_voltage_v": ("solarcharger/288/Pv/V", 1.0),
            "alternator_2_speed_rpm": ("alternator/1/Speed", 1.0),
            "alternator_2_power_w": ("alternator/1/Dc/0/Power", 1.0),
        },
        Pace.SLOW: {
            "battery_2_energy_charged_wh": ("battery/1/History/ChargedEnergy", 1000.0),
            "battery_2_consumed_ah": ("battery/1/ConsumedAmphours", -1.0),
            "energy_inverter_to_out_wh": ("vebus/276/Energy/InverterToAcOut", 1000.0),
            "solarcharger_2_energy_wh": ("solarcharger/278/Yield/User", 1000.0),
            "tank_3_level_pct": ("tank/22/Level", 1.0),
        },
    },
    "dbus-recorder-demo": {
        Pace.FAST: {
            "ac_in_power_w": ("vebus/257/Ac/ActiveIn/P", 1.0),
            "ac_out_l1_current_a": ("vebus/257/Ac/Out/L1/I", 1.0),
            "grid_power_w": ("grid/30/Ac/Power", 1.0),
            "grid_l1_power_w": ("grid/30/Ac/L1/Power", 1.0),
            "grid_l3_current_a": ("grid/30/Ac/L3/Current", 1.0),
            "pvinverter_power_w": ("pvinverter/32/Ac/Power", 1.0),
            "battery_power_w": ("battery/256/Dc/0/Power", 1.0),
            "soc_pct": ("battery/256/Soc", 1.0),
            "solarcharger_pv_power_w": ("solarcharger/258/Yield/Power", 1.0),
            "genset_l1_power_w": ("genset/0/Ac/L1/Power", 1.0),
            "genset_engine_speed_rpm": ("genset/0/Engine/Speed", 1.0),
        },
        Pace.SLOW: {
            "grid_energy_import_wh": ("grid/30/Ac/Energy/Forward", 1000.0),
            "pvinverter_l1_energy_import_wh": ("pvinverter/32/Ac/L1/Energy/Forward", 1000.0),
            "battery_energy_charged_wh": ("battery/256/History/ChargedEnergy", 1000.0),
            "genset_engine_operating_s": ("genset/0/Engine/OperatingHours", 1.0),
            "sensor_temperature_c": ("temperature/28/Temperature", 1.0),
            "tank_level_pct": ("tank/3/Level", 1.0),
        },
    },
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_recording_gives_the_figures_that_its_messages_hold(name: str) -> None:
    messages = recording(name)
    played = play(messages)

    for pace, figures in FIGURES[name].items():
        at = [at_s for at_s, _ in played.samples[pace]]
        for measurement, (path, scale) in figures.items():
            ours = [values[measurement] for _, values in played.samples[pace]]
            theirs = [None if value is None else value * scale for value in held(messages, path, at)]
            assert ours == pytest.approx(theirs, rel=1e-6, abs=ROUNDED), measurement
            assert any(value is not None for value in ours), measurement
            total = sum(value or 0.0 for value in theirs)
            limit = ROUNDED * len(at)
            assert sum(value or 0.0 for value in ours) == pytest.approx(total, abs=limit), measurement


@pytest.mark.parametrize(
    ("name", "fast", "slow", "readings"),
    [("venus-docker-bct", 1203, 120, 240), ("dbus-recorder-demo", 0, 0, 150)],
)
def test_a_recording_gives_a_sample_at_each_pace_and_no_name_that_we_do_not_know(
    name: str, fast: int, slow: int, readings: int
) -> None:
    messages = recording(name)
    played = play(messages)

    length = messages[-1].t_s
    assert len(played.samples[Pace.FAST]) == (fast or int(2 * length) + 1 - 4)
    assert len(played.samples[Pace.SLOW]) == (slow or int(length / 5))
    names = {name for samples in played.samples.values() for _, values in samples for name in values}
    assert not unknown(dict.fromkeys(names))
    told_names = {
        name
        for samples in played.samples.values()
        for _, values in samples
        for name, value in values.items()
        if value is not None
    }
    assert len(told_names) >= readings, len(told_names)


@pytest.mark.parametrize(("name", "parts"), [("venus-docker-bct", 15), ("dbus-recorder-demo", 8)])
def test_a_recording_in_which_nothing_happens_holds_no_transition(name: str, parts: int) -> None:
    played = play(recording(name))

    came = [one.device for one in played.seen if isinstance(one, PartSeen)]
    assert all(one.present for one in played.seen if isinstance(one, PartSeen))
    assert len(came) == len(set(came)) == parts
    assert [one for one in played.seen if isinstance(one, AlarmSeen) and one.level] == []
