"""Numbers as people say them: with a unit, with no more digits than they are worth. Pure.

Rules that must stay true here: the unit follows from a figure's name (`energy_wh`); absent is said as absent
by whoever asks, never as a zero; what is not zero is never rounded to zero, but said as `< …`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MINUS: Final = "\u2212"
SPACE: Final = "\u202f"  # narrow, no break: between number and unit
_KILO: Final = {"wh": "Wh", "vah": "VAh", "varh": "varh", "w": "W", "va": "VA", "var": "var"}
_PLAIN: Final = {
    "v": ("V", 1),
    "a": ("A", 1),
    "hz": ("Hz", 2),
    "pct": ("%", 1),
    "ratio": ("", 2),
    "l": ("L", 1),
    "lph": ("L/h", 1),
    "kg": ("kg", 1),
    "c": ("°C", 1),
    "ah": ("Ah", 1),
    "h": ("h", 1),
}
_PREFIXES: Final = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9))
_MANY: Final = 100_000  # people compare kWh with kWh: up to six digits of them


@dataclass(frozen=True, slots=True)
class Scale:
    """Say many numbers alike: one unit, one count of decimals."""

    unit: str
    divisor: float
    decimals: int

    def number(self, value: float) -> str:
        """Write the number alone."""
        return plain(value / self.divisor, self.decimals)

    def __call__(self, value: float) -> str:
        """Write number and unit."""
        return f"{self.number(value)}{SPACE}{self.unit}" if self.unit else self.number(value)


def unit_of(name: str) -> str:
    """Give the unit that a figure's name ends with: `energy_wh` is in wh; none is ``."""
    last = name.rsplit("_", 1)[-1]
    return last if last in _KILO or last in _PLAIN or last == "s" else ""


def scale(unit: str, values: Iterable[float | None]) -> Scale:
    """Choose unit and decimals that fit all values of a column, by the largest of them."""
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    if unit in _KILO and not largest:
        return Scale(f"k{_KILO[unit]}", 1e3, 0)
    if unit in _KILO:
        prefix, divisor = _prefix(largest)
        return Scale(prefix + _KILO[unit], divisor, _decimals(largest / divisor, prefix))
    label, decimals = _PLAIN.get(unit, ("", 2))
    if unit in {"l", "kg"} and largest >= 100:  # noqa: PLR2004 - litres and kilograms: whole above a hundred
        decimals = 0
    return Scale(label, 1.0, decimals)


def say(value: float, unit: str) -> str:
    """Write one number with its unit, at a scale of its own."""
    chosen = scale(unit, [value])
    if value and not float(f"{value / chosen.divisor:.{chosen.decimals}f}"):
        least = 10.0**-chosen.decimals
        return f"<{SPACE}{plain(least, chosen.decimals)}{SPACE}{chosen.unit}".rstrip()
    return chosen(value)


def plain(value: float, decimals: int) -> str:
    """Write a number: grouped by commas, with a true minus sign, never `-0`."""
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        return text[1:] if not text.strip("-0.,") else MINUS + text[1:]
    return text


def _prefix(largest: float) -> tuple[str, float]:
    chosen = _PREFIXES[0]
    for prefix in _PREFIXES[1:]:
        if largest >= prefix[1] * (1 if prefix[0] == "k" else _MANY / 1e3):
            chosen = prefix
    return chosen


def _decimals(largest: float, prefix: str) -> int:
    if not prefix:
        return 0
    if largest < 10:  # noqa: PLR2004 - three to four digits
        return 2
    return 1 if largest < 1000 else 0  # noqa: PLR2004
