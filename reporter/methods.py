"""All ways to come to a system's energy, side by side, and which of them the report stands on. Pure.

Rules that must stay true here: every method says from which measurements it comes and how much of the
window it covers; W and VA are never mixed; how methods differ is said by a word, whose text is the
catalogue's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from reporter.basis import guard
from reporter.columns import NOTHING, Samples, Series
from reporter.device import Device
from reporter.energy import Energy, energy
from reporter.facts import Document, ReportSettings
from reporter.phasing import PHASES as POSITIONS
from reporter.track import Track, track

TOTAL, PHASES, LOAD = "total_power", "sum_of_phases", "load_of_rating"
APPARENT, VECTOR, PRODUCT = "apparent_power", "root_of_squares", "volts_times_amps"
REAL: Final = (TOTAL, PHASES, LOAD)
_OF: Final = {
    "victron": (TOTAL, APPARENT, PHASES, PRODUCT),
    "acuvim": (TOTAL, VECTOR, PRODUCT),
}
_ALL: Final = (TOTAL, PHASES, APPARENT, VECTOR, PRODUCT, LOAD)
_CLEARLY_BETTER_PCT: Final = 1.0
_AGREES_PCT: Final = 0.5
_HARDLY_EVER: Final = 0.05


@dataclass(frozen=True, slots=True)
class Method:
    """Hold one way: the power it gives and what it was made from; `unit` is Wh or VAh."""

    word: str
    unit: str
    names: tuple[str, ...]
    series: Series


def methods(samples: Samples, device: Device) -> tuple[Method, ...]:
    """Give the ways that a family's reports have; of other families all that were measured."""
    if device.place is None:
        return ()
    found = {method.word: method for method in _methods(samples, device.place, device) if len(method.series)}
    wanted = _OF.get(device.family, _ALL)
    if not any(word in wanted for word in REAL if word in found):
        wanted = _ALL
    return tuple(found[word] for word in wanted if word in found)


def choose(found: Sequence[Method], from_us: int, to_us: int, settings: ReportSettings) -> Method | None:
    """Choose the real power to stand on: the total, unless another one covers clearly more."""
    best, best_pct = None, -1.0
    for word in REAL:
        for method in found:
            if method.word == word:
                pct = over(method, from_us, to_us, settings).coverage_pct
                if pct > best_pct + _CLEARLY_BETTER_PCT * (best is not None):
                    best, best_pct = method, pct
    return best


def over(method: Method | None, from_us: int, to_us: int, settings: ReportSettings) -> Track:
    """Give the power of a method over a span."""
    series = method.series if method is not None else NOTHING
    return track(series, from_us, to_us, guard(series, settings))


def compared(method: Method, found: Energy, chosen: Method | None, stands_on: Energy | None) -> Document:
    """Say how a method's energy differs from the one that the report stands on, and by a word why."""
    if chosen is None or stands_on is None or stands_on.plus_wh + stands_on.minus_wh <= 0:
        return {"difference_pct": None, "why": "nothing_to_compare"}
    base = max(stands_on.plus_wh, stands_on.minus_wh)
    other = (
        found.plus_wh if stands_on.plus_wh >= stands_on.minus_wh or method.unit == "VAh" else found.minus_wh
    )
    difference_pct = 100.0 * (other - base) / base
    return {"difference_pct": difference_pct, "why": _word(method, found, chosen, stands_on, difference_pct)}


def _word(method: Method, found: Energy, chosen: Method, stands_on: Energy, difference_pct: float) -> str:
    if method.word == chosen.word:
        return "chosen"
    if abs(found.coverage_pct - stands_on.coverage_pct) > _CLEARLY_BETTER_PCT:
        return "covers_other_time"
    if abs(difference_pct) <= _AGREES_PCT:
        return "agrees"
    return {
        APPARENT: "counts_reactive_power",
        VECTOR: "vector_sum_counts_reactive_power",
        PRODUCT: "ignores_phase_angle",
        PHASES: "phases_do_not_add_up",
        LOAD: "of_rating_only",
    }.get(method.word, "differs")


def phase_powers(samples: Samples, place: str) -> tuple[str, ...]:
    """Name the powers of the phases that tell one, whatever their voltages are.

    A phase that hardly ever told one is left out: the sum is known only where all of them are.
    """
    names = [f"{place}_{phase}_power_w" for phase in POSITIONS]
    told = {name: len(samples.series(name)) for name in names}
    most = max(told.values())
    return tuple(name for name, count in told.items() if count > _HARDLY_EVER * most)


def _methods(samples: Samples, place: str, device: Device) -> Iterator[Method]:
    for word, unit, name in ((TOTAL, "Wh", "power_w"), (APPARENT, "VAh", "apparent_power_va")):
        yield Method(word, unit, (f"{place}_{name}",), samples.series(f"{place}_{name}"))
    powers = phase_powers(samples, place)
    if powers:
        parts = samples.together(powers)
        yield Method(PHASES, "Wh", powers, _made(parts, sum(one.value for one in parts)))
    pair = (f"{place}_power_w", f"{place}_reactive_power_var")
    real, reactive = samples.together(pair)
    yield Method(VECTOR, "VAh", pair, _made((real, reactive), np.hypot(real.value, reactive.value)))
    yield _product(samples, place, device.phasing.live)
    share = samples.series(f"{place}_load_pct")
    if device.rated_w is not None:
        watts = Series(share.time_us, share.value * (device.rated_w / 100.0), share.interval_ms)
        yield Method(LOAD, "Wh", (f"{place}_load_pct",), watts)


def _product(samples: Samples, place: str, live: Sequence[str]) -> Method:
    names = tuple(f"{place}_{phase}_{what}" for phase in live for what in ("voltage_v", "current_a"))
    if not names:
        return Method(PRODUCT, "VAh", (), NOTHING)
    parts = samples.together(names)
    volts, amps = parts[::2], parts[1::2]
    products = (volt.value * np.abs(amp.value) for volt, amp in zip(volts, amps, strict=True))
    return Method(PRODUCT, "VAh", names, _made(parts, sum(products)))


def _made(parts: Sequence[Series], value: object) -> Series:
    return Series(parts[0].time_us, np.asarray(value, np.float64), parts[0].interval_ms)


def energies(found: Sequence[Method], from_us: int, to_us: int, settings: ReportSettings) -> list[Energy]:
    """Give the energy of each method over a span."""
    return [energy(over(method, from_us, to_us, settings)) for method in found]
