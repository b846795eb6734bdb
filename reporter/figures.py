"""How figures stand in a document: value, coverage, grade; digits by unit. Pure.

Rules that must stay true here: a unit is the suffix of a key, and its digits are in one table; no figure is
NaN: it is null and says why; the same figures always give the same text.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from reporter.facts import Document

DIGITS: Final[Mapping[str, int]] = {
    "w": 1,
    "wh": 1,
    "va": 1,
    "vah": 1,
    "var": 1,
    "varh": 1,
    "v": 2,
    "a": 2,
    "hz": 3,
    "pct": 2,
    "ratio": 4,
    "s": 1,
    "h": 3,
    "l": 2,
    "lph": 2,
    "kg": 2,
    "c": 1,
    "ah": 2,
    "amount": 2,
    "price": 6,
    "kwh": 4,
    "kw": 4,
    "factor": 6,
}
"""Digits behind the point, by the last word of a key; a key without a unit takes its parent's."""

_DIGITS_OF_OTHERS: Final = 4
_GRADES: Final = (("A", 99.5), ("B", 97.0), ("C", 90.0))
_DELTAS: Final = (("A", 1.0), ("B", 2.0))


def instant(time_us: int | None) -> str | None:
    """Write an instant as RFC 3339 in UTC, to the millisecond where it needs that."""
    if time_us is None:
        return None
    at = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    parts = time_us % 1_000_000
    digits = f".{parts:06d}" if parts % 1000 else f".{parts // 1000:03d}" if parts else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{digits}Z"


def grade(coverage_pct: float, delta_pct: float | None = None) -> str:
    """Grade a figure by its coverage, and by how far it is from the meter's register where there is one.

    A from 99.5 % and within 1 %, B from 97 % and within 2 %, C from 90 %, D below.
    """
    by_coverage = next((letter for letter, least in _GRADES if coverage_pct >= least), "D")
    if delta_pct is None:
        return by_coverage
    return max(by_coverage, next((letter for letter, most in _DELTAS if abs(delta_pct) <= most), "C"))


def figure(
    value: float | None,
    coverage_pct: float,
    at_us: int | None = None,
    why: str | None = None,
    delta_pct: float | None = None,
) -> Document:
    """Make a figure; `why` is a word that tells why there is none."""
    known = value is not None and isfinite(value)
    made: Document = {
        "value": value if known else None,
        "coverage_pct": coverage_pct,
        "grade": grade(coverage_pct, delta_pct) if known else "D",
    }
    if at_us is not None and known:
        made["at"] = instant(at_us)
    if not known:
        made["why"] = why or "no_data"
    return made


class Settled(list[Any]):
    """Mark a long list whose numbers are rounded already."""


def rounded(value: Any, digits: int = _DIGITS_OF_OTHERS) -> Any:
    """Round every number of a document by the unit of its key, or of the nearest key above that has one."""
    if isinstance(value, float):
        return (round(value, digits) + 0.0) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(part, digits_of(key, digits)) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | Settled):
        return [rounded(part, digits) for part in value]
    return value


def digits_of(key: str, otherwise: int = _DIGITS_OF_OTHERS) -> int:
    """Say how many digits behind the point a key's number has."""
    return DIGITS.get(key.rsplit("_", 1)[-1], otherwise)
