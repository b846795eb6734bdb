"""CO2 of fuel and grid electricity, from the dated table of factors. Pure.

Rules that must stay true here:
- what is burnt on site (scope 1) and grid electricity (scope 2) are added; what lies upstream of the fuel
(well to tank) and biogenic CO2 (outside of the scopes) are told apart and never added;
- without a factor there is no figure, and a word says which factor is missing;
- every row that was used is remembered, so that the report can print it.
"""

from dataclasses import dataclass, field

from reporter.factors import COMBUSTION, OUTSIDE, UPSTREAM, Factor, grid_factor, table
from reporter.facts import Document, ReportSettings
from reporter.figures import figure


@dataclass(frozen=True, slots=True)
class Range:
    """Hold a quantity with its lower and upper end, which are the same where it was measured."""

    value: float
    low: float
    high: float

    @classmethod
    def around(cls, value: float, share: float) -> "Range":
        """Make the range of a quantity that may be off by a share of it."""
        return cls(value, value * (1.0 - share), value * (1.0 + share))

    def times(self, factor: float) -> "Range":
        """Scale it."""
        return Range(self.value * factor, self.low * factor, self.high * factor)

    def plus(self, other: "Range") -> "Range":
        """Add another one."""
        return Range(self.value + other.value, self.low + other.low, self.high + other.high)

    def less(self, other: "Range") -> "Range":
        """Take another one off, the ends crosswise."""
        return Range(self.value - other.value, self.low - other.high, self.high - other.low)


@dataclass(frozen=True, slots=True)
class Fuel:
    """Hold litres of a fuel; None: not known, and `why` says why."""

    litres: Range | None
    fuel: str
    coverage_pct: float
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Look factors up for one report, and remember which were used."""

    settings: ReportSettings
    at_us: int
    used: list[Factor] = field(default_factory=list)

    def fuel(self, fuel: str, scope: str) -> Factor | None:
        """Give the factor of a fuel."""
        return self._kept(table().find(self.settings.region, fuel, scope, self.at_us))

    def grid(self) -> Factor | None:
        """Give the factor of grid electricity."""
        return self._kept(grid_factor(self.settings, self.at_us))

    def _kept(self, factor: Factor | None) -> Factor | None:
        if factor is not None and factor not in self.used:
            self.used.append(factor)
        return factor


def told(value: Range | None, coverage_pct: float, why: str | None) -> Document:
    """Make a figure of a range; its ends are told where they differ."""
    if value is None:
        return figure(None, coverage_pct, why=why)
    ends = {} if value.low == value.high else {"low": value.low, "high": value.high}
    return figure(value.value, coverage_pct) | ends


def co2(ledger: Ledger, baseline: Fuel, actual: Fuel, grid_wh: float | None, grid_pct: float) -> Document:
    """Tell the CO2 of what would have been burnt, of what was used, and the difference; in kg."""
    before, before_why = _burning(ledger, baseline, COMBUSTION)
    after, after_why = _burning(ledger, actual, COMBUSTION)
    bought, bought_why = _bought(ledger, grid_wh)
    spent = after.plus(bought) if after is not None and bought is not None else None
    spent_why = after_why or bought_why
    avoided = before.less(spent) if before is not None and spent is not None else None
    both_pct = min(baseline.coverage_pct, actual.coverage_pct, grid_pct)
    return {
        "baseline_co2_kg": told(before, baseline.coverage_pct, before_why),
        "actual_co2_kg": told(spent, min(actual.coverage_pct, grid_pct), spent_why),
        "actual_fuel_co2_kg": told(after, actual.coverage_pct, after_why),
        "actual_grid_co2_kg": told(bought, grid_pct, bought_why),
        "avoided_co2_kg": told(avoided, both_pct, before_why or spent_why),
        **_apart(ledger, baseline, actual),
    }


def _apart(ledger: Ledger, baseline: Fuel, actual: Fuel) -> Document:
    """Tell what is never added: upstream of the fuels, and biogenic CO2."""
    both_pct = min(baseline.coverage_pct, actual.coverage_pct)
    before, before_why = _burning(ledger, baseline, UPSTREAM)
    after, after_why = _burning(ledger, actual, UPSTREAM)
    avoided = before.less(after) if before is not None and after is not None else None
    outside = {
        name: told(*_outside(ledger, of))
        for name, of in (("outside_scopes_kg", actual), ("baseline_outside_scopes_kg", baseline))
    }
    return {"avoided_wtt_kg": told(avoided, both_pct, before_why or after_why), **outside}


def _outside(ledger: Ledger, of: Fuel) -> tuple[Range | None, float, str | None]:
    value, why = _burning(ledger, of, OUTSIDE)
    if of.litres is not None and (why is not None or of.litres.high == 0):
        return None, of.coverage_pct, "fossil"
    return value, of.coverage_pct, why


def _burning(ledger: Ledger, of: Fuel, scope: str) -> tuple[Range | None, str | None]:
    if of.litres is None:
        return None, of.why
    if of.litres.high == 0:
        return Range(0.0, 0.0, 0.0), None
    factor = ledger.fuel(of.fuel, scope)
    if factor is None:
        return None, f"no_factor_{scope}"
    return of.litres.times(factor.factor), None


def _bought(ledger: Ledger, grid_wh: float | None) -> tuple[Range | None, str | None]:
    if grid_wh is None:
        return None, "not_all_measured"
    if grid_wh == 0:
        return Range(0.0, 0.0, 0.0), None
    factor = ledger.grid()
    if factor is None:
        return None, "no_grid_factor"
    kilograms = grid_wh / 1000.0 * factor.factor
    return Range(kilograms, kilograms, kilograms), None
