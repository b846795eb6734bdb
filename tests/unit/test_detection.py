"""Each type of occurrence: what must raise it, what must not, and how it ends."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import pytest

from bus.instants import text
from schemas.occurrences import TABLE
from tests.detecting import RULES, Stream, brief, confirmed, detected, registered
from tests.streams import BASE_US, S, Said

GX, SLOW = Stream(), Stream(interval_ms=5000)
METER, UPS, HOST = Stream("acuvim"), Stream("ups"), Stream("host")
PARTS = ("battery/512", "vebus/276", "tank/20")


def gone(at_s: float, reason: str = "silent", kind: str = "victron", device: str = "gx") -> Said:
    return Said("device.disconnected", "rig_01", at_s, {"device": device, "kind": kind, "reason": reason})


def back(at_s: float, kind: str = "victron", device: str = "gx") -> Said:
    return Said("device.connected", "rig_01", at_s, {"device": device, "kind": kind})


def alarm(at_s: float, name: str, level: str = "alarm", device: str = "vebus/276") -> Said:
    return Said("alarm.raised", "rig_01", at_s, {"alarm": name, "level": level, "device": device})


def cleared(at_s: float, name: str, device: str = "vebus/276") -> Said:
    return Said("alarm.cleared", "rig_01", at_s, {"alarm": name, "device": device})


@dataclass
class Case:
    """A stream, and what of it counts."""

    name: str
    said: Sequence[Said]
    counted: list[tuple[str, float]] = field(default_factory=list)


def on_grid(from_s: int, to_s: int, **more: float | None) -> list[Said]:
    return GX.steady(from_s, to_s, ac_in_active_code=0, mode_code=3, **more)


def on_battery(from_s: int, to_s: int, **more: float | None) -> list[Said]:
    return GX.steady(from_s, to_s, ac_in_active_code=240, mode_code=3, **more)


AC = [
    Case(
        "an outage is counted when it has held for six seconds, and so is its end",
        [*on_grid(0, 10), *on_battery(10, 40), *on_grid(40, 60)],
        [("ac_power_loss", 16), ("ac_power_restored", 46)],
    ),
    Case("a flicker is not an outage", [*on_grid(0, 10), *on_battery(10, 14), *on_grid(14, 40)]),
    Case("a system that never had an input has not lost it", on_battery(0, 60)),
    Case(
        "a system first seen on battery has not lost its input, and has not got it back",
        [*on_battery(0, 30), *on_grid(30, 60)],
    ),
    Case(
        "an operator who switches to inverter only makes no outage, nor when switching back takes a while",
        [
            *on_grid(0, 10),
            *GX.steady(10, 40, ac_in_active_code=240, mode_code=2),
            *on_battery(40, 100),
            *on_grid(100, 120),
        ],
    ),
    Case(
        "an input that does not come back after the operator switched on is lost",
        [*on_grid(0, 10), *GX.steady(10, 20, ac_in_active_code=240, mode_code=2), *on_battery(20, 160)],
        [("ac_power_loss", 146)],
    ),
    Case(
        "switching to inverter only during an outage does not end it",
        [
            *on_grid(0, 10),
            *on_battery(10, 30),
            *GX.steady(30, 60, ac_in_active_code=240, mode_code=2),
            *on_grid(60, 80),
        ],
        [("ac_power_loss", 16), ("ac_power_restored", 66)],
    ),
    Case(
        "nulls and missing readings say nothing",
        [*on_grid(0, 10), *GX.steady(10, 60, ac_in_active_code=None), *GX.steady(60, 90, soc_pct=50)],
    ),
    Case(
        "repeating a value is no transition",
        [*on_grid(0, 10), *on_battery(10, 200)],
        [("ac_power_loss", 16)],
    ),
    Case(
        "samples that come late and out of order move no edge",
        [*on_grid(0, 10), GX.at(3, ac_in_active_code=240), GX.at(4, ac_in_active_code=240), *on_grid(10, 30)],
    ),
    Case(
        "silence confirms what was seen last, once the stream has gone on",
        [*on_grid(0, 10), GX.at(10, ac_in_active_code=240, mode_code=3), *HOST.steady(11, 30, cpu_pct=1)][
            :40
        ],
        [("ac_power_loss", 16)],
    ),
    Case(
        "the device's own alarm counts as well, and once",
        [
            *on_grid(0, 10),
            cleared(1, "grid_lost"),
            alarm(10.5, "grid_lost"),
            *on_battery(11, 30),
            cleared(30.5, "grid_lost"),
            *on_grid(31, 50),
        ],
        [("ac_power_loss", 16.5), ("ac_power_restored", 37)],
    ),
    Case(
        "any UPS on battery",
        [*UPS.steady(0, 5, ups_on_battery_code=0), *UPS.steady(5, 20, ups_on_battery_code=1)],
        [("ac_power_loss", 11)],
    ),
    Case(
        "a test of the battery is no outage",
        [
            *UPS.steady(0, 5, ups_on_battery_code=0, ups_calibrating_code=0),
            *UPS.steady(5, 20, ups_on_battery_code=1, ups_calibrating_code=1),
            *UPS.steady(20, 40, ups_on_battery_code=0, ups_calibrating_code=0),
        ],
        [("calibration_performed", 25)],
    ),
    Case(
        "a metered feed without voltage",
        [
            *METER.steady(0, 5, ac_l1_voltage_v=230, ac_l2_voltage_v=231, ac_l3_voltage_v=229),
            *METER.steady(5, 20, ac_l1_voltage_v=0.4, ac_l2_voltage_v=0.2, ac_l3_voltage_v=0),
            *METER.steady(20, 40, ac_l1_voltage_v=230, ac_l2_voltage_v=231, ac_l3_voltage_v=229),
        ],
        [("ac_power_loss", 11), ("ac_power_restored", 26)],
    ),
    Case(
        "one missing phase is no lost supply",
        [
            *METER.steady(0, 5, ac_l1_voltage_v=230, ac_l2_voltage_v=231, ac_l3_voltage_v=229),
            *METER.steady(5, 20, ac_l1_voltage_v=0.4, ac_l2_voltage_v=231, ac_l3_voltage_v=229),
        ],
    ),
]

DC = [
    Case(
        "a DC output that falls to nothing",
        [
            *GX.steady(0, 5, battery_voltage_v=52, dc_out_voltage_v=51.8),
            *GX.steady(5, 20, battery_voltage_v=53, dc_out_voltage_v=0.3),
            *GX.steady(20, 40, battery_voltage_v=52, dc_out_voltage_v=51.8),
        ],
        [("dc_output_loss", 7), ("dc_output_restored", 25)],
    ),
    Case(
        "a battery that blocks discharge",
        [
            *SLOW.steady(0, 5, battery_discharge_allowed_code=1),
            *SLOW.steady(5, 20, battery_discharge_allowed_code=0),
        ],
        [("dc_output_loss", 7)],
    ),
]

LEVELS = [
    Case(
        "a low, then critical, then recovered battery by the voltage of LiFePO4 cells",
        [
            registered(),
            *GX.steady(1, 10, battery_voltage_v=52.0),
            *GX.steady(10, 60, battery_voltage_v=47.5),
            *GX.steady(60, 90, battery_voltage_v=44.0),
            *GX.steady(90, 200, battery_voltage_v=52.8),
        ],
        [("battery_low", 40), ("battery_critical", 70), ("battery_recovered", 150)],
    ),
    Case(
        "the specification's 3.6 V is for lithium-ion cells only",
        [
            registered(battery={"chemistry": "li_ion", "cells": 14}),
            *GX.steady(1, 10, battery_voltage_v=54.0),
            *GX.steady(10, 60, battery_voltage_v=50.0),
        ],
        [("battery_low", 40)],
    ),
    Case("a full LiFePO4 cell is not low", [registered(), *GX.steady(1, 90, battery_voltage_v=56.8)]),
    Case(
        "noise at the threshold within the hysteresis is one low battery",
        [
            registered(),
            *GX.steady(1, 5, battery_voltage_v=49.0),
            *(GX.at(n, battery_voltage_v=47.9 if n % 2 else 48.9) for n in range(5, 120)),
        ],
        [("battery_low", 35)],
    ),
    Case(
        "a load that sags the voltage for a moment is no low battery",
        [
            registered(),
            *GX.steady(1, 10, battery_voltage_v=52),
            *GX.steady(10, 30, battery_voltage_v=47),
            *GX.steady(30, 90, battery_voltage_v=52),
        ],
    ),
    Case(
        "without a known number of cells the state of charge decides",
        [
            *GX.steady(0, 10, battery_voltage_v=40, soc_pct=60),
            *GX.steady(10, 60, battery_voltage_v=40, soc_pct=19),
            *GX.steady(60, 80, battery_voltage_v=40, soc_pct=7),
        ],
        [("battery_low", 40), ("battery_critical", 70)],
    ),
    Case(
        "what the maker's sheet says wins",
        [
            registered(battery={"chemistry": "lifepo4", "cells": 16, "low_cell_v": 3.1}),
            *GX.steady(1, 50, battery_voltage_v=49.0),
        ],
        [("battery_low", 31)],
    ),
    Case(
        "sixty degrees",
        [*SLOW.steady(0, 5, battery_temperature_c=59), *SLOW.steady(5, 40, battery_temperature_c=60.5)],
        [("temperature_high", 15)],
    ),
    Case(
        "noise around sixty degrees",
        [*(SLOW.at(n, battery_temperature_c=60.2 if n % 3 else 56.0) for n in range(200))],
        [("temperature_high", 10 + 1)],
    ),
    Case("a processor at seventy degrees is well", HOST.steady(0, 60, host_temperature_c=70)),
    Case(
        "a hot inverter that switches off",
        [
            *SLOW.steady(0, 20, inverter_temperature_c=80, state_code=9),
            *SLOW.steady(20, 30, inverter_temperature_c=80, state_code=2),
        ],
        [("temperature_high", 10), ("thermal_shutdown", 22)],
    ),
    Case(
        "over-voltage against the registered nominal voltage",
        [registered(), *GX.steady(1, 5, ac_out_l1_voltage_v=240), *GX.steady(5, 20, ac_out_l1_voltage_v=254)],
        [("overvoltage_detected", 10)],
    ),
    Case(
        "over-voltage against the voltage it was first seen with",
        [*METER.steady(0, 5, ac_l1_voltage_v=119), *METER.steady(5, 20, ac_l1_voltage_v=133)],
        [("overvoltage_detected", 10)],
    ),
    Case(
        "under-voltage, which is not the same as none",
        [
            *METER.steady(0, 5, ac_l1_voltage_v=228),
            *METER.steady(5, 20, ac_l1_voltage_v=200),
            *METER.steady(20, 40, ac_l1_voltage_v=230),
        ],
        [("undervoltage_detected", 10)],
    ),
    Case(
        "over-current against the rating",
        [
            registered(),
            *GX.steady(1, 5, ac_out_l2_current_a=49),
            *GX.steady(5, 20, ac_out_l2_current_a=51),
        ],
        [("overcurrent_detected", 10)],
    ),
    Case("a current is nothing without a rating", GX.steady(0, 30, ac_out_l2_current_a=500)),
    Case(
        "a warning of overload is not yet over-current, an alarm is",
        [alarm(1, "overload", "warning"), alarm(20, "overload"), *GX.steady(21, 30, soc_pct=50)],
        [("overcurrent_detected", 25)],
    ),
]


def both_ways(from_s: int, to_s: int) -> list[Said]:
    """Deliver 100 Wh, and one of the hundred parts of 10 kWh, every second; of usable 8 kWh."""
    said: list[Said] = []
    for at_s in range(from_s, to_s):
        said.append(GX.at(at_s + 0.5, soc_pct=100 - at_s % 100))
        if at_s % 5 == 0:
            said.append(SLOW.at(at_s + 0.6, battery_energy_discharged_wh=at_s * 100))
    return said


CHARGE = [
    Case(
        "charging started, and completed when it is full and stays so",
        [
            *GX.steady(0, 10, battery_direction_code=2, soc_pct=98),
            *GX.steady(10, 60, battery_direction_code=1, soc_pct=99),
            *GX.steady(60, 200, battery_direction_code=1, soc_pct=100),
        ],
        [("charging_started", 40), ("charging_completed", 180)],
    ),
    Case(
        "a battery that floats at full is not completed again and again",
        [
            *GX.steady(0, 10, soc_pct=98),
            *GX.steady(10, 140, soc_pct=100),
            *GX.steady(140, 150, soc_pct=98.5),
            *GX.steady(150, 400, soc_pct=100),
        ],
        [("charging_completed", 130)],
    ),
    Case(
        "one cycle each time the usable capacity was delivered",
        [
            registered(),
            *(GX.at(1 + n, battery_energy_discharged_wh=50_000 + n * 1000, soc_pct=50) for n in range(18)),
        ],
        [("charge_cycle_count", 9), ("charge_cycle_count", 17)],
    ),
    Case(
        "a counter that begins anew delivers nothing",
        [
            registered(),
            GX.at(1, battery_energy_discharged_wh=90_000),
            GX.at(2, battery_energy_discharged_wh=0),
            GX.at(3, battery_energy_discharged_wh=7_000),
        ],
    ),
    Case(
        "cycles that were delivered while nobody looked are all told",
        [
            registered(),
            GX.at(1, battery_energy_discharged_wh=50_000),
            GX.at(2, battery_energy_discharged_wh=75_000),
        ],
        [("charge_cycle_count", 2)] * 3,
    ),
    Case(
        "a counter that leaps is another counter",
        [
            registered(),
            GX.at(1, battery_energy_discharged_wh=50_000),
            GX.at(2, battery_energy_discharged_wh=9e12),
            GX.at(3, battery_energy_discharged_wh=9e12 + 1000),
        ],
    ),
    Case(
        "without a counter the state of charge counts cycles, above its noise",
        [
            *(GX.at(n, soc_pct=90 - n + (0.4 if n % 2 else 0)) for n in range(80)),
            *(GX.at(80 + n, soc_pct=10 + n) for n in range(80)),
            *(GX.at(160 + n, soc_pct=90 - n) for n in range(30)),
        ],
        [("charge_cycle_count", 180)],
    ),
    Case(
        "charge in a fast stream and energy in a slow one are one battery",
        [registered(), *both_ways(0, 200)],
        [("charge_cycle_count", 80.6), ("charge_cycle_count", 160.6)],
    ),
    Case(
        "charge that is told before the first energy makes nothing count twice",
        [registered(), GX.at(1, soc_pct=100), GX.at(2, soc_pct=99), *both_ways(5, 200)],
        [("charge_cycle_count", 85.6), ("charge_cycle_count", 165.6)],
    ),
    Case(
        "while the counter of energy is away the charge stands in for it, and nothing counts twice",
        [
            registered(),
            *both_ways(0, 40),
            *(GX.at(100 * n, soc_pct=101 - n) for n in range(1, 61)),
            SLOW.at(6001, battery_energy_discharged_wh=8_500),
            SLOW.at(6006, battery_energy_discharged_wh=15_900),
            SLOW.at(6011, battery_energy_discharged_wh=16_100),
        ],
        [("charge_cycle_count", 5400), ("charge_cycle_count", 6011)],
    ),
]

SYSTEM = [
    Case(
        "an inverter that is switched off and on",
        [
            *SLOW.steady(0, 5, state_code=9),
            *SLOW.steady(5, 20, state_code=0),
            *SLOW.steady(20, 30, state_code=9),
        ],
        [("system_shutdown", 10), ("system_startup", 25)],
    ),
    Case(
        "a machine that booted again",
        [HOST.at(0, host_uptime_s=5000), HOST.at(5, host_uptime_s=5005), HOST.at(65, host_uptime_s=12)],
        [("system_startup", 65)],
    ),
    Case(
        "a forced shutdown of a UPS",
        [
            *UPS.steady(0, 5, ups_shutdown_code=0, ups_on_battery_code=1, ups_low_battery_code=1),
            *UPS.steady(5, 20, ups_shutdown_code=1, ups_on_battery_code=1, ups_low_battery_code=1),
        ],
        [("system_shutdown", 10), ("battery_critical", 15)],
    ),
    Case(
        "the battery monitor synchronised",
        [SLOW.at(0, battery_automatic_syncs_count=7), SLOW.at(5, battery_automatic_syncs_count=8)],
        [("calibration_performed", 5)],
    ),
    Case(
        "a device that does not answer, and only that one",
        [
            back(0),
            back(0, device="acuvim", kind="acuvim"),
            gone(10),
            *HOST.steady(11, 40, cpu_pct=1),
            back(40),
        ],
        [("communication_error", 20)],
    ),
    Case(
        "a device that was stopped, or sleeps at night, is no error",
        [back(0), gone(10, "stopped"), *HOST.steady(11, 40, cpu_pct=1)],
    ),
    Case(
        "an I2C board that does not answer hides no other bus",
        [back(0, "ina219", "hat"), gone(10, "silent", "ina219", "hat"), *HOST.steady(11, 40, cpu_pct=1)],
        [("i2c_error", 10)],
    ),
    Case(
        "a system last seen on battery that stops answering is critical",
        [back(0), *on_grid(1, 10), *on_battery(10, 30), gone(31), *HOST.steady(32, 70, cpu_pct=1)],
        [("ac_power_loss", 16), ("communication_error", 41), ("battery_critical", 46)],
    ),
    Case(
        "a lost link is one error, however many devices are behind it",
        [
            *(back(0, device=device) for device in ("gx", *PARTS)),
            *on_grid(1, 10),
            gone(10),
            *(gone(10, "behind", device=device) for device in PARTS),
            *HOST.steady(11, 40, cpu_pct=1),
        ],
        [("communication_error", 20)],
    ),
    Case(
        "a system on battery whose link is lost is critical, with all that is behind it",
        [
            *(back(0, device=device) for device in ("gx", *PARTS)),
            *on_grid(1, 10),
            *on_battery(10, 30),
            gone(31),
            *(gone(31, "behind", device=device) for device in PARTS),
            *HOST.steady(32, 70, cpu_pct=1),
        ],
        [("ac_power_loss", 16), ("communication_error", 41), ("battery_critical", 46)],
    ),
    Case(
        "a part that is silent while the rest answers on battery is not critical",
        [
            *(back(0, device=device) for device in ("gx", *PARTS)),
            *on_grid(1, 10),
            *on_battery(10, 31),
            gone(31, device=PARTS[0]),
            *on_battery(32, 70),
        ],
        [("ac_power_loss", 16), ("communication_error", 41)],
    ),
    Case(
        "an alarm of a device that left for good hides no later heat",
        [
            back(0, device=PARTS[0]),
            *GX.steady(0, 5, battery_temperature_c=30),
            alarm(5, "high_temperature", device=PARTS[0]),
            *GX.steady(6, 31, battery_temperature_c=30),
            gone(31, "left", device=PARTS[0]),
            *GX.steady(32, 200, battery_temperature_c=30),
            *GX.steady(200, 220, battery_temperature_c=70),
        ],
        [("temperature_high", 15), ("temperature_high", 210)],
    ),
    Case(
        "a system on the grid that stops answering is only unreachable",
        [back(0), *on_grid(1, 30), gone(31), *HOST.steady(32, 70, cpu_pct=1)],
        [("communication_error", 41)],
    ),
]

CASES = [*AC, *DC, *LEVELS, *CHARGE, *SYSTEM]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_counts(case: Case) -> None:
    assert confirmed(detected(case.said)) == case.counted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_restarts_at_every_event_change_nothing(case: Case) -> None:
    ids = [event.id for event in detected(case.said)]

    assert [event.id for event in detected(case.said, batch=1)] == ids
    assert len(set(ids)) == len(ids)


def between(said: Sequence[Said], more: Callable[[Said], Said | None]) -> list[Said]:
    """Add a sample after every sample."""
    found = list[Said]()
    for one in said:
        found.append(one)
        if one.type == "sample.taken" and (another := more(one)) is not None:
            found.append(another)
    return found


def valued(one: Said, at_s: float, values: Mapping[str, float | None]) -> Said:
    return Said(one.type, one.subject, at_s, {**one.data, "values": values})


def repeated(said: Sequence[Said]) -> list[Said]:
    """Say everything twice, as devices do that publish whether or not something changed."""
    return between(said, lambda one: valued(one, one.at_s + 0.1, one.data["values"]))


def with_nulls(said: Sequence[Said]) -> list[Said]:
    """Let every reading be away for a moment before it is there."""
    absent = between(said[::-1], lambda one: valued(one, one.at_s - 0.1, dict.fromkeys(one.data["values"])))
    return absent[::-1]


def with_late(said: Sequence[Said]) -> list[Said]:
    """Let samples of long ago arrive late, which say what all the others of their kind said."""
    kinds: dict[tuple[str, str, int], list[Said]] = defaultdict(list)
    for one in said:
        if one.type == "sample.taken":
            kinds[one.subject, one.data["kind"], one.data["interval_ms"]].append(one)
    every = {kind: cycle(of_kind) for kind, of_kind in kinds.items()}

    def late(one: Said) -> Said:
        other = next(every[one.subject, one.data["kind"], one.data["interval_ms"]])
        return valued(one, -3600 - other.at_s, other.data["values"])

    return between(said, late)


@pytest.mark.parametrize("disturbed", [repeated, with_nulls, with_late], ids=lambda one: one.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_repeated_missing_and_late_samples_raise_nothing_and_hide_nothing(
    case: Case, disturbed: Callable[[Sequence[Said]], list[Said]]
) -> None:
    found = confirmed(detected(disturbed(case.said)))

    assert [type_ for type_, _ in found] == [type_ for type_, _ in case.counted]
    assert [at_s for _, at_s in found] == pytest.approx([at_s for _, at_s in case.counted], abs=1.0)


@dataclass(frozen=True)
class Threshold:
    """A limit of a rule: the values around it, and what the rest of a sample is meanwhile.

    Attributes:
        good: on the right side, by a hair.
        bad: on the wrong side, by a hair.
        within: back on the right side, but not by the hysteresis.
    """

    raises: str
    reading: str
    good: float
    bad: float
    within: float
    stream: Stream = GX
    others: Mapping[str, float] = field(default_factory=dict)

    def around(self, values: Sequence[float]) -> list[Said]:
        """Take a sample of each value, five seconds apart, of a registered system that was well before."""
        return [
            registered(),
            *(
                self.stream.at(1 + 5 * n, **self.others, **{self.reading: value})
                for n, value in enumerate([self.good] * 5 + list(values))
            ),
        ]


OTHER_PHASES = {"ac_l1_voltage_v": 0.0, "ac_l2_voltage_v": 0.0}
THRESHOLDS = [
    Threshold("ac_power_loss", "ac_l3_voltage_v", 69.1, 68.9, 110.0, METER, OTHER_PHASES),
    Threshold("dc_output_loss", "dc_out_voltage_v", 26.1, 25.9, 36.0, GX, {"battery_voltage_v": 52.0}),
    Threshold("battery_low", "battery_cell_voltage_min_v", 3.001, 2.999, 3.09),
    Threshold("battery_low", "battery_voltage_v", 48.02, 47.98, 49.5),
    Threshold("battery_low", "soc_pct", 20.1, 19.9, 24.9),
    Threshold("battery_critical", "battery_cell_voltage_min_v", 2.801, 2.799, 2.89),
    Threshold("battery_critical", "battery_voltage_v", 44.82, 44.78, 46.3),
    Threshold("battery_critical", "soc_pct", 8.1, 7.9, 11.9),
    Threshold("charging_started", "battery_power_w", 99, 101, 31),
    Threshold("charging_started", "battery_current_a", 1.9, 2.1, 0.6),
    Threshold("charging_completed", "soc_pct", 99.3, 99.5, 96.5),
    Threshold("temperature_high", "battery_temperature_c", 59.9, 60.1, 55.1),
    Threshold("temperature_high", "host_temperature_c", 84.9, 85.1, 80.1, HOST),
    Threshold("temperature_high", "inverter_heatsink_temperature_c", 89.9, 90.1, 85.1),
    Threshold("overvoltage_detected", "ac_out_l1_voltage_v", 252.9, 253.1, 250.8),
    Threshold("overvoltage_detected", "battery_cell_voltage_max_v", 3.749, 3.751, 3.701),
    Threshold("overvoltage_detected", "dc_voltage_v", 59.98, 60.02, 59.3),
    Threshold("undervoltage_detected", "ac_out_l2_voltage_v", 207.1, 206.9, 209.2),
    Threshold("overcurrent_detected", "ac_l2_current_a", 49.9, 50.1, 47.6, METER),
    Threshold("overcurrent_detected", "ac_out_power_w", 10_990, 11_010, 10_510),
]


def raised(said: Sequence[Said], type_: str) -> int:
    """Count how often it is confirmed that something of a type began."""
    return sum(one == type_ for one, _ in confirmed(detected(said)))


@pytest.mark.parametrize("limit", THRESHOLDS, ids=lambda one: f"{one.raises}-{one.reading}")
def test_noise_at_a_threshold_is_nothing_and_within_the_hysteresis_one_occurrence(limit: Threshold) -> None:
    far = 2 * limit.within - limit.bad

    assert raised(limit.around([limit.good] * 30), limit.raises) == 0
    assert raised(limit.around([limit.bad, far] * 30), limit.raises) == 0
    assert raised(limit.around([limit.bad, limit.within] * 30), limit.raises) == 1


def test_every_limit_of_the_rules_is_tried_with_noise() -> None:
    tried = {(f"ups.{one.raises}", one.reading) for one in THRESHOLDS}

    for rule in RULES:
        for test in rule.test:
            if test.above is not None or test.below is not None:
                assert tried & {(rule.raises, reading) for reading in test.readings}, rule.id


def test_every_type_is_shown_to_be_raised() -> None:
    raised = {f"ups.{type_}" for case in CASES for type_, _ in case.counted}

    assert raised == TABLE.occurrences.keys()


def test_both_edges_are_told_at_once_and_a_flicker_can_be_seen() -> None:
    told = detected([*on_grid(0, 10), *on_battery(10, 14), *on_grid(14, 20)])

    assert brief(told) == [("ac_power_loss", "edge", 10), ("ac_power_restored", "edge", 14)]
    assert told[1].data["duration_s"] == 4


def test_a_confirmation_names_its_edge_and_an_end_how_long_it_lasted() -> None:
    edge, sure, end_edge, end = detected([*on_grid(0, 10), *on_battery(10, 40), *on_grid(40, 60)])

    assert sure.data["edge"] == edge.id
    assert sure.data["since"] == text(BASE_US + 10 * S)
    assert (edge.data["cause"], edge.data["measurement"], edge.data["measured"]) == (
        "transfer",
        "ac_in_active_code",
        240,
    )
    assert end.data["edge"] == end_edge.id
    assert end.data["duration_s"] == 30
    assert edge.data["trigger"] == sure.data["trigger"]


@pytest.mark.parametrize(("dip_s", "counted"), [(2, []), (10, [("ac_power_loss", 16)])])
def test_a_producer_that_is_ahead_confirms_nothing_that_a_slower_one_showed(
    dip_s: int, counted: list[tuple[str, float]]
) -> None:
    """Both were without a recorder for a minute; their outboxes empty themselves side by side."""
    meter = [
        METER.at(at_s, ac_l1_voltage_v=0 if 10 <= at_s < 10 + dip_s else 230) for at_s in range(17 + dip_s)
    ]
    gx = [GX.at(at_s + 0.5, soc_pct=50) for at_s in range(90)]
    said = [*gx[:30], *(one for pair in zip(meter, gx[30:], strict=False) for one in pair)]

    told = detected(said, recorded_s=100)

    assert [one for one in confirmed(told) if one[0] == "ac_power_loss"] == counted


def test_what_was_seen_last_is_confirmed_by_others_when_the_stream_itself_has_come_so_far() -> None:
    said = [METER.at(9, ac_l1_voltage_v=230), METER.at(10, ac_l1_voltage_v=0), *GX.steady(11, 23, soc_pct=50)]

    assert confirmed(detected(said[:-2])) == []
    assert confirmed(detected(said)) == [("ac_power_loss", 16)]
    assert confirmed(detected(said, recorded_s=100)) == []


def test_what_crossed_and_the_limit_are_told() -> None:
    edge, *_ = detected([registered(), *GX.steady(1, 50, battery_voltage_v=47.5)])

    assert (edge.data["measured"], edge.data["threshold"]) == (47.5, 48.0)
    assert edge.data["rule"] == "battery_low"


def test_a_site_changes_limits_and_facts_of_single_systems() -> None:
    systems = {
        "rig_01": {
            "cells": 15,
            "chemistry": "lifepo4",
            "rules": {"temperature_high": {"above": 50, "hold_s": 2}},
        }
    }
    said = [*GX.steady(0, 5, battery_temperature_c=51, battery_voltage_v=44.0)]

    assert confirmed(detected(said, systems=systems)) == [("temperature_high", 2)]
    assert confirmed(detected(said)) == []


def test_a_rule_can_be_switched_off_for_a_system() -> None:
    said = [*on_grid(0, 10), *on_battery(10, 40)]

    assert confirmed(detected(said, systems={"rig_01": {"rules": {"ac_in_lost": {"enabled": False}}}})) == []
