"""Says the values of a document: figures with units, times in its zone, names that others wrote. Pure.

Rules that must stay true here: a figure without a value is said to be missing, and why; a figure that rests
on less than all of the time says so; what others wrote is cleaned of control characters before anything is
made of it, and is kept apart from the text around it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup, escape

from reporter.counters import words
from reporter.moments import Clock, clock, duration, utc
from reporter.quantities import Scale, plain, say, scale, unit_of
from reporter.texts import Texts, texts

Document = Mapping[str, Any]
LONGEST_NAME: Final = 120
LONGEST_TEXT: Final = 4000
_COMPLETE_PCT: Final = 99.5
_APART_PCT: Final = 1.0
_MOST_DECIMALS: Final = 4
_LONG = re.compile(r"\S{20}(?=\S)")
_ENDLESS = re.compile(r"(\S{120})\S+")
_BELOW = re.compile(r"[^/\\:?#<>\"'&\s][^\\:?#<>\"'&\n\t]*")
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Voice:
    """Speak of one document: its language, its zone, its currency; `paper`: into a PDF."""

    t: Texts
    clock: Clock
    currency: str = ""
    paper: bool = False

    def say(self, value: float | None, unit: str) -> str:
        """Say a number with its unit; None is `not measured`."""
        return self.t("none") if value is None else say(value, unit)

    def value(self, found: Mapping[str, Any], key: str) -> float | None:
        """Give the number of a figure, or a plain number, by its key."""
        return value_of(found.get(key))

    def figure(self, found: Mapping[str, Any], key: str, unit: str | None = None) -> Markup:
        """Say a figure by its key; one that is missing is said to be, with the reason to be pointed at."""
        value = value_of(found.get(key))
        if value is None:
            return self.missing(found.get(key))
        unit = unit_of(key) if unit is None else unit
        if unit == "s":
            return escape(duration(value))
        return escape(plain(value, 0) if key.endswith("_count") else say(value, unit))

    def missing(self, figure: Any) -> Markup:
        """Say that there is no value, and why."""
        return Markup('<span class="none">{}</span>').format(self._reason(figure))

    def why(self, found: Mapping[str, Any], key: str) -> str:
        """Say why a figure has no value."""
        return self._reason(found.get(key))

    def _reason(self, figure: Any) -> str:
        why = figure.get("why") if isinstance(figure, Mapping) else None
        return self.t.word("why", why) if why else self.t("none")

    def about(self, found: Mapping[str, Any], key: str, overall_pct: float = 100.0) -> str:
        """Say when a figure was, and how much of the time it rests on where that is not what all do."""
        figure = found.get(key)
        if not isinstance(figure, Mapping) or figure.get("value") is None:
            return ""
        parts = [self.t("at_time", time=self.clock.moment(figure["at"]))] if figure.get("at") else []
        covered = figure.get("coverage_pct")
        if covered is not None and covered < _COMPLETE_PCT and abs(covered - overall_pct) > _APART_PCT:
            parts.append(self.t("of_time_measured", share=self.share(covered)))
        return ", ".join(parts)

    def at(self, found: Any) -> str:
        """Say the time of a figure."""
        return self.clock.moment(found["at"]) if isinstance(found, Mapping) and found.get("at") else ""

    def share(self, percent: float | None) -> str:
        """Say a percentage; what is nearly all or nearly none is not rounded to it."""
        if percent is None:
            return self.t("none")
        if 99.95 <= percent < 100:  # noqa: PLR2004 - would be rounded to all
            return ">\u202f99.9\u202f%"
        return say(percent, "pct") if percent not in (0, 100) else f"{percent:.0f}\u202f%"

    def money(self, amount: float | None) -> str:
        """Say an amount in the document's currency."""
        return self.t("none") if amount is None else f"{plain(amount, 2)}\u202f{self.currency}".rstrip()

    def plain(self, value: float, decimals: int = 0) -> str:
        """Say a number without a unit."""
        return plain(value, decimals)

    def duration(self, seconds: float | None) -> str:
        """Say how long."""
        return self.t("none") if seconds is None else duration(seconds)

    def exact(self, value: float | None, unit: str) -> str:
        """Say a round number (a limit, a rating) with no more digits than it has."""
        if value is None:
            return self.t("none")
        chosen = scale(unit, [value])
        shown = value / chosen.divisor
        decimals = next((n for n in range(_MOST_DECIMALS) if round(shown, n) == shown), chosen.decimals)
        return f"{plain(shown, decimals)}\u202f{chosen.unit}".rstrip()

    def seconds(self, seconds: float) -> str:
        """Say how long, to a tenth where it is short: what is counted in samples is."""
        return f"{plain(seconds, 1)} s" if seconds < 10 else duration(seconds)  # noqa: PLR2004 - of a clock

    def utc(self, text: str | None) -> str:
        """Say a time in UTC."""
        return utc(text)

    def between(self, begin: str, end: str) -> str:
        """Say how long it is from one time to another."""
        return duration((self.clock.at(end) - self.clock.at(begin)).total_seconds())

    def register(self, energy_wh: float | None) -> str:
        """Say a reading of a counter, in kWh with all its digits."""
        return self.t("none") if energy_wh is None else f"{plain(energy_wh / 1000, 2)}\u202fkWh"

    def price(self, price: float) -> str:
        """Say a price of a kWh."""
        decimals = 2 if round(price, 2) == price else 4
        return f"{plain(price, decimals)}\u202f{self.currency}/kWh"

    def volts(self, value: float) -> str:
        """Say a cell's voltage: with all its decimals."""
        return f"{plain(value, 2)}\u202fV"

    def factor(self, value: float) -> str:
        """Say an emission factor, with the decimals that it was published with."""
        return f"{value:.6f}".rstrip("0").rstrip(".")

    def amount(self, found: Any) -> Markup:
        """Say a figure that is money."""
        value = value_of(found)
        return self.missing(found) if value is None else escape(self.money(value))

    def sized(self, value: float | None, name: str) -> str:
        """Say a number by the unit that a name ends with."""
        return self.say(value, unit_of(name))

    def per_person(self, found: Mapping[str, Any], key: str, unit: str) -> Markup:
        """Say a figure for one person and day: small, so with two decimals."""
        value = value_of(found.get(key))
        label = {"kwh": "kWh", "l": "L", "kg": "kg"}[unit]
        return self.missing(found.get(key)) if value is None else escape(f"{plain(value, 2)}\u202f{label}")

    def link(self, address: Any) -> str:
        """Give an address that leads to a file of ours beside or below the page; others are none."""
        text = str(address)
        return quote(text) if _BELOW.fullmatch(text) and ".." not in text else ""

    def occurrence(self, label: Any) -> str:
        """Say a type of occurrence: `AC_POWER_LOSS` is `AC power loss`."""
        return words(str(label).removeprefix("ups.").upper())

    def scale(self, unit: str, values: Iterable[Any]) -> Scale:
        """Choose unit and decimals for a column."""
        return scale(unit, [value_of(value) for value in values])

    def marked(self, key: str, **values: object) -> Markup:
        """Say a text of the catalogue around parts that are marked up; the others are escaped."""
        return Markup(self.t(key)).format(**values)  # noqa: S704 - the catalogue is ours, the values are escaped

    def name(self, name: Any) -> Markup:
        """Write a name that others chose, cut where it is too long, apart from the text around it."""
        return Markup("<bdi>{}</bdi>").format(self._written(name, LONGEST_NAME))

    def text(self, text: Any) -> Markup:
        """Write what others wrote, with its line breaks."""
        return Markup('<bdi class="text">{}</bdi>').format(self._written(text, LONGEST_TEXT))

    def _written(self, text: Any, most: int) -> str:
        """Cut a text; on paper let long words break and cut endless ones, which take its setter minutes."""
        written = cut("" if text is None else str(text), most)
        if not self.paper:
            return written
        return _LONG.sub("\\g<0>\u200b", _ENDLESS.sub("\\1\u2026", written))


def voice(document: Document, *, paper: bool = False) -> Voice:
    """Make the voice that a document asks for in its settings."""
    settings = document.get("settings") or {}
    said = texts(str(settings.get("language") or "en"))
    days, months = said("calendar.days").split(), said("calendar.months").split()
    return Voice(
        said, clock(settings.get("time_zone"), days, months), str(settings.get("currency") or "")[:8], paper
    )


def value_of(found: Any) -> float | None:
    """Give the number of a figure (`{"value": …}`) or of a plain number."""
    if isinstance(found, Mapping):
        found = found.get("value")
    return None if isinstance(found, bool | str) else found


def cleaned(found: Any) -> Any:
    """Copy a document with its texts cleaned of control characters and of marks that turn directions."""
    if isinstance(found, str):
        return _CONTROL.sub("", found) if _CONTROL.search(found) else found
    if isinstance(found, Mapping):
        return {(cleaned(key) if isinstance(key, str) else key): cleaned(one) for key, one in found.items()}
    if isinstance(found, Sequence):
        return [cleaned(one) if not isinstance(one, int | float) else one for one in found]
    return found


def cut(text: str, most: int) -> str:
    """Cut a text that is too long; an ellipsis stands for the rest."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}\u2026"
