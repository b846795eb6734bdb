"""What a D-Bus path of a GX is fed with, and the words to write tables of them. No IO.

Rules that must stay true here:
- a path is fed by the first of its names that is told; `{n}` stands for the phase, 1 to 3;
- D-Bus has kWh where our vocabulary has Wh, and counts charge taken out of a battery negative;
- a path without a told name is left out, unless the device always has it: then it has its `default`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from producers.simulator.gx_values import Kind, Scalar


class Pace(StrEnum):
    """How often a device looks at a value."""

    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"
    STATE = "state"  # looked at with the fast ones; it changes rarely


@dataclass(frozen=True, slots=True)
class Row:
    """One path of a service.

    Attributes:
        step: the device's resolution, in the unit of the path.
        scale: what our value is multiplied with.
        always: the path is there whether or not a value is told; it has `default` then.
        total: the sum of phases, which devices tell a moment after them.
    """

    path: str
    names: tuple[str, ...]
    kind: Kind
    pace: Pace
    step: float
    scale: float = 1.0
    always: bool = False
    default: Scalar = None
    total: bool = False


@dataclass(frozen=True, slots=True)
class _Unit:
    step: float
    pace: Pace
    scale: float = 1.0


_UNITS: Mapping[str, _Unit] = {
    "w": _Unit(1.0, Pace.FAST),
    "va": _Unit(1.0, Pace.FAST),
    "var": _Unit(1.0, Pace.FAST),
    "a": _Unit(0.1, Pace.FAST),
    "v": _Unit(0.01, Pace.MEDIUM),
    "hz": _Unit(0.01, Pace.MEDIUM),
    "ratio": _Unit(0.001, Pace.MEDIUM),
    "rpm": _Unit(1.0, Pace.MEDIUM),
    "mps": _Unit(0.01, Pace.MEDIUM),
    "deg": _Unit(0.000001, Pace.MEDIUM),
    "c": _Unit(0.1, Pace.SLOW),
    "pct": _Unit(0.01, Pace.SLOW),
    "ah": _Unit(0.1, Pace.SLOW),
    "wh": _Unit(0.01, Pace.SLOW, 0.001),
    "s": _Unit(1.0, Pace.SLOW),
    "m": _Unit(0.1, Pace.SLOW),
    "m3": _Unit(0.001, Pace.SLOW),
    "kpa": _Unit(1.0, Pace.SLOW),
    "hpa": _Unit(0.01, Pace.SLOW),
    "ppm": _Unit(1.0, Pace.SLOW),
    "lx": _Unit(1.0, Pace.SLOW),
    "ugm3": _Unit(1.0, Pace.SLOW),
    "count": _Unit(1.0, Pace.STATE),
    "code": _Unit(1.0, Pace.STATE),
}
_WHOLE = {"code", "count"}


def row(path: str, *names: str, kind: Kind = "single", total: bool = False) -> Row:
    """Describe a path whose resolution and pace follow from the unit of its measurement."""
    suffix = names[0].rpartition("_")[2]
    unit = _UNITS[suffix]
    return Row(
        path,
        names,
        "int" if suffix in _WHOLE else kind,
        unit.pace,
        unit.step,
        unit.scale,
        total=total,
    )


def always(each: Row, default: Scalar = None) -> Row:
    """Say that the device has a path at all times."""
    return replace(each, always=True, default=default)


def alarms(names: Mapping[str, str]) -> Iterator[Row]:
    """Describe alarms: 0 is none, 1 a warning, 2 an alarm."""
    for path, name in names.items():
        yield always(row("/Alarms/" + path, name), 0)


def phases(*rows: Row) -> Iterator[Row]:
    """Repeat rows for each phase; a device has the paths of all three, null where it has no such phase."""
    for n in (1, 2, 3):
        for each in rows:
            names = tuple(name.format(n=n) for name in each.names)
            yield always(replace(each, path=each.path.format(n=n), names=names))


def meter(place: str, *, reverse: bool, factor: bool) -> Iterator[Row]:
    """Describe the meter layout that grid meters, AC loads, gensets and PV inverters share."""
    head = f"{place}_l{{n}}_"
    yield from phases(
        replace(row("/Ac/L{n}/Voltage", head + "voltage_v", kind="double"), step=0.1),
        replace(row("/Ac/L{n}/Current", head + "current_a", kind="double"), step=0.001),
        replace(row("/Ac/L{n}/Power", head + "power_w", kind="double"), step=0.1),
    )
    yield always(replace(row("/Ac/Power", f"{place}_power_w", kind="double", total=True), step=0.1))
    yield replace(row("/Ac/Current", f"{place}_current_a", kind="double", total=True), step=0.001)
    yield replace(row("/Ac/Voltage", f"{place}_voltage_v", kind="double", total=True), step=0.1)
    yield replace(row("/Ac/Frequency", f"{place}_frequency_hz", kind="double"), step=0.01)
    yield row("/Ac/Energy/Forward", f"{place}_energy_import_wh", kind="double")
    for n in (1, 2, 3):
        yield row(f"/Ac/L{n}/Energy/Forward", f"{place}_l{n}_energy_import_wh", kind="double")
    if reverse:
        yield row("/Ac/Energy/Reverse", f"{place}_energy_export_wh", kind="double")
        for n in (1, 2, 3):
            yield row(f"/Ac/L{n}/Energy/Reverse", f"{place}_l{n}_energy_export_wh", kind="double")
    if factor:
        yield row("/Ac/PowerFactor", f"{place}_power_factor_ratio", kind="double")
        for n in (1, 2, 3):
            yield row(f"/Ac/L{n}/PowerFactor", f"{place}_l{n}_power_factor_ratio", kind="double")
