"""In which order an unverified block holds its values: what electricity allows, and what it confirms.

Rules that must stay true here:
- a name is confirmed only by something else that was measured, never by its place in a list;
- one contradiction refutes a whole order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, isclose, sqrt
from typing import Final

from producers.modbus.power import LEAST_VA, apparent_va

_PHASES: Final = ("l1", "l2", "l3")
_LINES: Final = {"l12": ("l1", "l2"), "l23": ("l2", "l3"), "l31": ("l3", "l1")}
_HZ: Final = (35.0, 75.0)
_VOLTS: Final = (40.0, 1000.0)
_ENOUGH_VA: Final = 10 * LEAST_VA
_SAME: Final = 0.05
_ALIKE: Final = 0.2
_SUM_TO: Final = 0.15

Told = Mapping[str, float | None]
Finding = tuple[str, bool]
"""Of one measurement: whether it fits."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What speaks for an order.

    Attributes:
        confirmed: the measurements that something else confirms.
        refuted: those that cannot be what they are called.
    """

    confirmed: frozenset[str]
    refuted: frozenset[str]


def judge(names: Sequence[str], values: Sequence[float | None], known: Told) -> Verdict:
    """Judge one order of a block.

    Args:
        names: of the measurements in order of address; empty where none is supposed.
        values: what the block holds.
        known: what else is known about the device at this time.
    """
    told = {name: value for name, value in zip(names, values, strict=False) if name and value is not None}
    findings = [*_frequency(told), *_voltages(told), *_powers(told), *_against(told, known)]
    refuted = {name for name, fits in findings if not fits}
    return Verdict(frozenset({name for name, fits in findings if fits} - refuted), frozenset(refuted))


def best(orders: Sequence[Sequence[str]], values: Sequence[float | None], known: Told) -> tuple[str, ...]:
    """Give the names that are confirmed, of the one order that is; empty when none or more than one is."""
    confirmed: set[tuple[str, ...]] = set()
    for names in orders:
        verdict = judge(names, values, known)
        if verdict.confirmed and not verdict.refuted:
            confirmed.add(tuple(name if name in verdict.confirmed else "" for name in names))
    return confirmed.pop() if len(confirmed) == 1 else ()


def _frequency(told: Mapping[str, float]) -> Iterator[Finding]:
    if (hertz := told.get("ac_frequency_hz")) is not None:
        yield "ac_frequency_hz", _HZ[0] <= hertz <= _HZ[1]


def _voltages(told: Mapping[str, float]) -> Iterator[Finding]:
    """Phase voltages are alike, and what is between two of them is the root of three times as much."""
    phases = {phase: volts for phase in _PHASES if (volts := told.get(f"ac_{phase}_voltage_v")) is not None}
    if len(phases) < len(_PHASES):
        return
    mean = sum(phases.values()) / len(phases)
    alike = all(
        _VOLTS[0] <= volts <= _VOLTS[1] and isclose(volts, mean, rel_tol=_ALIKE) for volts in phases.values()
    )
    lines = {line: volts for line in _LINES if (volts := told.get(f"ac_{line}_voltage_v")) is not None}
    fit = {
        line: alike and isclose(volts, _between(line, phases), rel_tol=0.1) for line, volts in lines.items()
    }
    if not lines:
        return
    for line, fits in fit.items():
        yield f"ac_{line}_voltage_v", fits
    for phase in phases:
        yield f"ac_{phase}_voltage_v", alike and all(fit.values())
    for name in ("ac_voltage_v", "ac_ll_voltage_v"):
        if (told_mean := told.get(name)) is not None:
            expected = mean if name == "ac_voltage_v" else sum(lines.values()) / len(lines)
            yield name, isclose(told_mean, expected, rel_tol=_SAME)


def _between(line: str, phases: Mapping[str, float]) -> float:
    one, other = (phases[phase] for phase in _LINES[line])
    return sqrt(one * one + other * other + one * other)


def _powers(told: Mapping[str, float]) -> Iterator[Finding]:
    """Active and reactive power make up voltage times current; without load nothing is said about either."""
    worked_out = apparent_va(told, "ac")
    power, reactive = told.get("ac_power_w"), told.get("ac_reactive_power_var")
    if worked_out is None or worked_out < _ENOUGH_VA or power is None or reactive is None:
        return
    fits = isclose(hypot(power, reactive), worked_out, rel_tol=_SUM_TO)
    for phase in _PHASES:
        if f"ac_{phase}_current_a" in told:
            yield f"ac_{phase}_current_a", fits and told[f"ac_{phase}_current_a"] >= 0
    yield "ac_power_w", fits
    yield "ac_reactive_power_var", fits


def _against(told: Mapping[str, float], known: Told) -> Iterator[Finding]:
    """Compare with what another map tells of the same moment, or nearly so."""
    for name, value in told.items():
        other = known.get(name)
        if other is not None and max(abs(value), abs(other)) >= 1.0:
            fits = isclose(value, other, rel_tol=_ALIKE)
            if fits or name.endswith(("_v", "_hz")):  # these do not jump
                yield name, fits
