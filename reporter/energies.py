"""The energy section: every method beside the chosen one, the meter's own counters, and billing. Pure.

Rules that must stay true here: energies are those of the whole window; billing stands on the counters where
they tell of all of it and agree within 10 % with what was measured, else on the integral, and says which;
what was measured where counters were not read within a minute of the window's ends is told beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reporter.basis import Basis, cut
from reporter.energy import Energy, energy
from reporter.facts import Document
from reporter.figures import figure, grade
from reporter.methods import Method, compared, over
from reporter.registers import Register, compared_pct, completed, highest_w, register, tell

_DOUBTFUL_PCT: Final = 10.0
_ENOUGH_PCT: Final = 97.0
_MOST_USED: Final = 12


@dataclass(frozen=True, slots=True)
class Energies:
    """Hold what the window's energy is by the chosen method, and by the counters of both directions."""

    chosen: Method | None
    used: Energy
    counted: Register | None
    returned: Register | None
    delta_pct: float | None

    @property
    def trusted_delta_pct(self) -> float | None:
        """Give how far the integral is from the counters, where these are fine enough to say."""
        return None if self.counted is None or self.counted.coarse else self.delta_pct

    def used_wh(self, coverage_pct: float) -> Document:
        """Give the energy as a figure."""
        known = self.used.plus_wh if self.used.covered_s > 0 else None
        return figure(known, coverage_pct, why=self.why, delta_pct=self.trusted_delta_pct)

    @property
    def why(self) -> str | None:
        """Say by a word why there is no energy."""
        return "no_power_measured" if self.chosen is None else None


def energies(basis: Basis, chosen: Method | None) -> Energies:
    """Come to the energies of the window."""
    used, most_w = energy(basis.power), highest_w(basis)
    counted, returned = (_register(basis, way, most_w) for way in ("import", "export"))
    delta_pct = None
    if counted is not None and chosen is not None:
        delta_pct = compared_pct(counted, _alongside(basis, counted).plus_wh)
    return Energies(chosen, used, counted, returned, delta_pct)


def section(basis: Basis, found: Sequence[Method], stands: Energies) -> Document:
    """Tell of all methods and counters."""
    base = stands.used if stands.chosen is not None else None
    told = [_method(basis, method, stands.chosen, base) for method in found]
    registers = []
    for counted in (stands.counted, stands.returned):
        if counted is not None:
            beside = _alongside(basis, counted)
            if counted.direction == "import":
                told.append(_counted(basis, stands))
                registers += tell(counted, beside.plus_wh, beside.coverage_pct)
            else:
                registers += tell(counted, beside.minus_wh, beside.coverage_pct)
    return {
        "chosen": stands.chosen.word if stands.chosen else None,
        "why": "real_power_best_covered" if stands.chosen else "no_real_power",
        "methods": told,
        "registers": registers,
    }


def billing(basis: Basis, stands: Energies) -> Document | None:
    """Say what would be billed and from what; None where there is no energy at all."""
    by_register = _bills_by_register(stands)
    if by_register and stands.counted is not None:
        used_wh, source = stands.counted.whole_wh, "register"
    elif stands.used.covered_s > 0:
        used_wh, source = stands.used.plus_wh, "integration"
    else:
        return None
    price = basis.settings.price_per_kwh
    return {
        "energy_wh": used_wh,
        "source": source,
        "why": _billed_by(stands, by_register=by_register),
        "price_per_kwh": price,
        "currency": basis.settings.currency,
        "amount": round(used_wh / 1000.0 * price, 2) if price is not None else None,
        "registers": [counter.name for counter in stands.counted.counters]
        if by_register and stands.counted
        else [],
        **(_ends(stands.counted) if by_register and stands.counted else {}),
    }


def _register(basis: Basis, way: str, most_w: float) -> Register | None:
    found = register(basis.samples, basis.place, way, basis.from_us, basis.to_us, most_w)
    return completed(found, basis.power) if found is not None else None


def _bills_by_register(stands: Energies) -> bool:
    if stands.counted is None or not stands.counted.reaches or stands.counted.coarse:
        return False
    doubtful = stands.delta_pct is not None and abs(stands.delta_pct) > _DOUBTFUL_PCT
    return not (doubtful and stands.used.coverage_pct >= _ENOUGH_PCT)


def _billed_by(stands: Energies, *, by_register: bool) -> str:
    if by_register:
        return "register_reaches"
    if stands.counted is None:
        return "no_register"
    if not stands.counted.reaches:
        return "register_does_not_reach"
    return "register_coarse" if stands.counted.coarse else "register_doubtful"


def _alongside(basis: Basis, counted: Register) -> Energy:
    return energy(cut(basis.power, counted.from_us, counted.to_us))


def _method(basis: Basis, method: Method, chosen: Method | None, base: Energy | None) -> Document:
    found = energy(over(method, basis.from_us, basis.to_us, basis.settings))
    known = found.covered_s > 0
    return {
        "method": method.word,
        "unit": method.unit,
        "import_wh": found.plus_wh if known else None,
        "export_wh": found.minus_wh if known else None,
        "coverage_pct": found.coverage_pct,
        "grade": grade(found.coverage_pct),
        "names": list(method.names[:_MOST_USED]),
        **compared(method, found, chosen, base),
    }


def _counted(basis: Basis, stands: Energies) -> Document:
    counted = stands.counted
    assert counted is not None
    less = counted.whole_wh - stands.used.plus_wh
    coverage_pct = stands.used.coverage_pct
    if counted.reaches:
        coverage_pct = 100.0 * (1.0 - counted.missing_s / basis.power.span_s)
    share_pct = 100.0 * less / stands.used.plus_wh if stands.used.plus_wh > 0 else None
    return {
        "method": "register",
        "unit": "Wh",
        "import_wh": counted.whole_wh,
        "export_wh": stands.returned.whole_wh if stands.returned is not None else None,
        "coverage_pct": coverage_pct,
        "grade": grade(coverage_pct) if counted.reaches and not counted.coarse else "C",
        "names": [counter.name for counter in counted.counters],
        "difference_pct": share_pct,
        "why": _register_word(stands, counted),
        **_ends(counted),
    }


def _ends(counted: Register) -> Document:
    """Say how much of the energy was measured, at ends that the counters do not tell of."""
    return {"measured_ends_wh": counted.ends_wh} if counted.ends_wh > 0 else {}


def _register_word(stands: Energies, counted: Register) -> str:
    if counted.coarse:
        return "register_coarse"
    if any(counter.breaks for counter in counted.counters):
        return "register_was_reset"
    if not counted.reaches:
        return "register_does_not_reach"
    if stands.delta_pct is None or abs(stands.delta_pct) <= 1.0:
        return "agrees"
    return "register_bridges_gaps" if stands.used.coverage_pct < _ENOUGH_PCT else "register_differs"
