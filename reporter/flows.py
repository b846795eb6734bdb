"""Where the power of a system comes from: grid, generator, sun and battery, as tracks. Pure.

Rules that must stay true here:
- a flow says by which method and from which measurements it was found, and the best covered one is taken,
a meter's before what follows from the input;
- what is not connected gives nothing, and that is known; what was not told is not known;
- signs are those of the vocabulary: grid positive = import, battery positive = charging.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.columns import NOTHING, Flags, Floats, Instants, Series
from reporter.phasing import PHASES
from reporter.track import Track

GRID_CODES: Final = (1.0, 3.0)
GENSET_CODES: Final = (2.0,)
INVERTING: Final = 240.0
_SEVERAL: Final = range(2, 9)
_AS_GOOD: Final = 0.98
_GENERATOR_KIND: Final = "genset"


@dataclass(frozen=True, slots=True)
class Flow:
    """Hold one source's power; `side` is where it was measured."""

    power: Track
    method: str
    names: tuple[str, ...]
    side: str = "ac"


@dataclass(frozen=True, slots=True)
class Flows:
    """Hold all sources of a system; None where it has none, or where none is told.

    Attributes:
        islanded: 1 where nothing supplied the input, else 0.
        source: what supplied the input, in codes; empty where nobody tells.
    """

    grid: Flow | None
    genset: Flow | None
    pv: tuple[Flow, ...]
    battery: Flow | None
    islanded: Track | None
    source: Series
    load: Track


def flows(basis: Basis) -> Flows:
    """Find the sources of a system."""
    source = source_code(basis)
    return Flows(
        grid=_best(_grids(basis, source)),
        genset=_best(_gensets(basis, source)),
        pv=tuple(one for one in (_best(_dc_suns(basis)), _best(_ac_suns(basis))) if one is not None),
        battery=_best(_batteries(basis)),
        islanded=_islanded(basis, source),
        source=source,
        load=basis.power,
    )


def total(basis: Basis, names: Sequence[str], method: str, side: str = "ac") -> Flow | None:
    """Add measurements up where all that ever had a value have one; None where none has any."""
    present = [name for name in names if basis.has(name)]
    if not present:
        return None
    series = basis.samples.together(present)
    value = series[0].value if len(series) == 1 else np.sum([one.value for one in series], axis=0)
    power = basis.over(Series(series[0].time_us, value, series[0].interval_ms))
    return Flow(power, method, tuple(present), side) if power.covered_s > 0 else None


def _grids(basis: Basis, source: Series) -> Iterator[Flow | None]:
    yield _metered(basis, "grid")
    if np.isin(source.value, GRID_CODES).any():
        yield _through_input(basis, source, GRID_CODES)
    if not (source.value > 0).any() and not basis.has("genset_power_w"):
        yield total(basis, ["ac_in_power_w"], "input") or total(basis, _phases("ac_in"), "input")


def _gensets(basis: Basis, source: Series) -> Iterator[Flow | None]:
    if basis.facts.registration.get("kind") == _GENERATOR_KIND and len(basis.power):
        yield Flow(basis.power, "registered", (f"{basis.place}_power_w",))
        return
    yield _metered(basis, "genset")
    if np.isin(source.value, GENSET_CODES).any():
        yield _through_input(basis, source, GENSET_CODES)
    yield total(basis, ["dcgenset_power_w"], "meter", "dc")


def _dc_suns(basis: Basis) -> Iterator[Flow | None]:
    yield total(basis, ["pv_power_w"], "total", "dc")
    yield total(basis, [f"pv_{number}_power_w" for number in range(1, 9)], "trackers", "dc")
    for quantity in ("pv_power_w", "power_w"):
        chargers = ["solarcharger", *(f"solarcharger_{number}" for number in _SEVERAL)]
        yield total(basis, [f"{one}_{quantity}" for one in chargers], "chargers", "dc")


def _ac_suns(basis: Basis) -> Iterator[Flow | None]:
    inverters = ["pvinverter", *(f"pvinverter_{number}" for number in _SEVERAL)]
    yield total(basis, [f"{one}_power_w" for one in inverters], "inverters")
    places = ("pv_on_grid", "pv_on_genset", "pv_on_output")
    yield total(basis, [name for place in places for name in _phases(place)], "positions")


def _batteries(basis: Basis) -> Iterator[Flow | None]:
    yield total(basis, ["battery_power_w"], "total", "dc")
    yield total(basis, [f"battery_{number}_power_w" for number in range(1, 5)], "batteries", "dc")
    names = ("battery_voltage_v", "battery_current_a")
    if all(basis.has(name) for name in names):
        volts, amps = basis.samples.together(names)
        power = basis.over(Series(volts.time_us, volts.value * amps.value, volts.interval_ms))
        yield Flow(power, "volts_times_amps", names, "dc") if power.covered_s > 0 else None


def _metered(basis: Basis, place: str) -> Flow | None:
    return total(basis, [f"{place}_power_w"], "meter") or total(basis, _phases(place), "sum_of_phases")


def _phases(place: str) -> list[str]:
    return [f"{place}_{phase}_power_w" for phase in PHASES]


def _best(candidates: Iterator[Flow | None]) -> Flow | None:
    """Take the first that is covered as well as the best covered one, nearly."""
    found = [one for one in candidates if one is not None]
    most_s = max((one.power.covered_s for one in found), default=0.0)
    return next((one for one in found if one.power.covered_s >= _AS_GOOD * most_s), None)


def source_code(basis: Basis) -> Series:
    """Give what supplies the input: told by the system, else by which input is active and what is on it."""
    told = basis.samples.series("ac_in_source_code")
    if len(told):
        return told
    active = basis.samples.series("ac_in_active_code")
    if not len(active):
        return NOTHING
    code = np.where(active.value == INVERTING, INVERTING, 0.0)
    for number in (1, 2):
        kinds = basis.samples.series(f"ac_in_{number}_type_code").value
        if len(kinds):
            code = np.where(active.value == number - 1, float(np.median(kinds)), code)
    return Series(active.time_us, code, active.interval_ms) if (code > 0).all() else NOTHING


def _through_input(basis: Basis, source: Series, codes: Sequence[float]) -> Flow | None:
    """Give what came through the input while it used such a source, and zero while it did not."""
    if not len(source):
        return None
    power = basis.samples.series("ac_in_power_w")
    names: tuple[str, ...] = ("ac_in_power_w",)
    if not len(power):
        names = tuple(name for name in _phases("ac_in") if basis.has(name))
        if not names:
            return None
        phases = basis.samples.together(names)
        power = Series(
            phases[0].time_us, np.sum([one.value for one in phases], axis=0), phases[0].interval_ms
        )
    flowing = np.isin(source.value, codes)
    watts = np.where(flowing | (source.value == 0.0), np.nan, 0.0)
    place = np.searchsorted(power.time_us, source.time_us)
    place = np.minimum(place, max(0, len(power) - 1))
    told = power.time_us[place] == source.time_us if len(power) else np.zeros(len(source), np.bool_)
    watts = np.where(flowing & told, power.value[place] if len(power) else 0.0, watts)
    known = np.isfinite(watts)
    found = basis.over(Series(source.time_us[known], watts[known], source.interval_ms))
    return Flow(found, "input_by_source", (*names, "ac_in_source_code")) if found.covered_s > 0 else None


def _islanded(basis: Basis, source: Series) -> Track | None:
    """Give 1 where nothing supplied the input, else 0."""
    if not len(source):
        return None
    alone = np.where(source.value == INVERTING, 1.0, 0.0)
    return basis.over(Series(source.time_us, alone, source.interval_ms))


def values_at(of: Track, time_us: Instants) -> Floats:
    """Give what a track has at these instants, on its lines; NaN where nothing covers them."""
    if np.array_equal(of.time_us, time_us):
        return of.value
    if not len(of):
        return np.full(len(time_us), np.nan)
    before = np.maximum(np.searchsorted(of.time_us, time_us, "right") - 1, 0)
    after = np.minimum(before + 1, len(of) - 1)
    length = of.time_us[after] - of.time_us[before]
    into = np.clip((time_us - of.time_us[before]) / np.maximum(length, 1), 0.0, 1.0)
    on_line = (of.step_s[np.minimum(before, len(of.step_s) - 1)] > 0) & (length > 0) if len(of) > 1 else False
    inside = (time_us >= of.time_us[before]) & (time_us <= of.time_us[after]) & on_line
    value = of.value[before] + into * (of.value[after] - of.value[before])
    return np.where(inside | (time_us == of.time_us[before]), value, np.nan)


def held_at(of: Series, time_us: Instants) -> Floats:
    """Give the value told last at or before these instants, for codes; NaN before the first."""
    place = np.searchsorted(of.time_us, time_us, "right") - 1
    held = of.value[np.maximum(place, 0)] if len(of) else np.zeros(len(time_us))
    return np.where(place >= 0, held, np.nan)


def kept(of: Track, which: Flags) -> Track:
    """Give the samples of a track that are kept; a line stays where both of its ends and it were."""
    index = np.flatnonzero(which)
    whole = np.concatenate(([0], np.cumsum(~of.joined)))
    joined = (np.diff(index) == 1) & (np.diff(whole[index]) == 0) if len(index) > 1 else of.joined[:0]
    return Track(of.from_us, of.to_us, of.time_us[index], of.value[index], joined)
