"""What NUT's variables and status words mean, once `meaning_file` has read the table. Pure.

Rules that must stay true here:
- no device is special: what NUT's drivers do is said in the table, in its few words;
- a text that is no number is no value, and what contradicts itself is unknown: neither becomes a reading.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from producers.adapter import AlarmSeen, Description

Variables = Mapping[str, str]
Readings = dict[str, float | None]

STATUS = "ups.status"
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:[.,][0-9]{1,18})?", re.ASCII)
_THREE = 3.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a measurement comes from, in the words of the table."""

    name: str
    wanted: tuple[str, ...]
    parts: tuple[str, ...] = ()
    lowest: float | None = None
    missing: frozenset[float] = frozenset()
    single: str = ""
    direction: bool = False

    def here(self, variables: Variables) -> bool:
        """Tell whether the device has it at all."""
        return any(name in variables for name in self.wanted) or self._summed(variables)

    def value(self, variables: Variables, status: Readings) -> float | None:
        """Give the value; None when there is none now."""
        if self._summed(variables):
            parts = [number(variables[name]) for name in self.parts]
            known = [part for part in parts if part is not None]
            return sum(known) if len(known) == len(parts) else None
        if self.single and number(variables.get(self.single, "")) == _THREE:
            return None
        value = next((number(variables[name]) for name in self.wanted if name in variables), None)
        if value is None or value in self.missing or (self.lowest is not None and value < self.lowest):
            return None
        return _directed(value, status) if self.direction else value

    def _summed(self, variables: Variables) -> bool:
        return bool(self.parts) and all(name in variables for name in self.parts)


@dataclass(frozen=True, slots=True)
class Flag:
    """A code that words of the status set."""

    name: str
    words: frozenset[str]
    against: frozenset[str] = frozenset()
    either: bool = False

    def value(self, said: Collection[str]) -> float | None:
        """Give 0 or 1; None when these words do not tell."""
        yes, no = not self.words.isdisjoint(said), not self.against.isdisjoint(said)
        if (yes and no) or (self.either and not yes and not no):
            return None
        return float(yes)


@dataclass(frozen=True, slots=True)
class Coded:
    """A text that stands for a code."""

    name: str
    variable: str
    codes: Mapping[str, float]
    other: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm, and how it shows."""

    alarm: str
    level: str
    status: str = ""
    variable: str = "ups.alarm"
    texts: tuple[str, ...] = ()
    any_text: bool = False

    def seen(self, variables: Variables, status: Readings) -> AlarmSeen | None:
        """Tell its state; None while it is unknown."""
        text = variables.get(self.variable, "").strip()
        lower = text.lower()
        told = any(part in lower for part in self.texts) or (self.any_text and bool(text))
        flag = status.get(self.status) if self.status else 0.0
        if told or flag:
            return AlarmSeen(self.alarm, self.level, text=text if told else "")
        return None if flag is None else AlarmSeen(self.alarm, None)


@dataclass(frozen=True, slots=True)
class Said:
    """What the variables of one read say.

    Attributes:
        strange: words of the status that no table knows.
    """

    values: Readings
    alarms: tuple[AlarmSeen, ...]
    strange: frozenset[str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """The whole table."""

    readings: tuple[Reading, ...]
    flags: tuple[Flag, ...]
    silent: frozenset[str]
    coded: tuple[Coded, ...]
    alarms: tuple[Alarm, ...]
    description: Mapping[str, tuple[str, ...]]

    def of(self, variables: Variables) -> Said:
        """Tell what one read says."""
        words = status_words(variables.get(STATUS, ""))
        status = self._status(variables, words)
        values: Readings = {
            reading.name: reading.value(variables, status)
            for reading in self.readings
            if reading.here(variables)
        }
        values |= {
            coded.name: coded.codes.get(variables[coded.variable].strip().lower(), coded.other)
            for coded in self.coded
            if variables.get(coded.variable, "").strip()
        }
        alarms = (alarm.seen(variables, status) for alarm in self.alarms)
        known = self.silent.union(*(flag.words for flag in self.flags))
        return Said(values | status, tuple(seen for seen in alarms if seen is not None), words - known)

    def describe(self, variables: Variables) -> Description | None:
        """Tell what the device says of itself; None while its driver has only begun to ask it."""
        if STATUS in variables and not self._told(status_words(variables[STATUS])):
            return None
        said = {
            field: next((text for name in names if (text := variables.get(name, "").strip())), "")
            for field, names in self.description.items()
        }
        phases = number(said["phases"])
        return Description(
            maker=said["maker"] or None,
            model=said["model"] or None,
            serial=said["serial"] or None,
            firmware=said["firmware"] or None,
            hardware=said["hardware"] or None,
            product_id=said["product_id"] or None,
            rated_w=_rating(said["rated_w"]),
            rated_va=_rating(said["rated_va"]),
            rated_a=_rating(said["rated_a"]),
            phases=int(phases) if phases in {1.0, 2.0, 3.0} else None,
            capacity_ah=_rating(said["capacity_ah"]),
        )

    def _status(self, variables: Variables, words: frozenset[str]) -> Readings:
        if STATUS not in variables:
            return {}
        told = self._told(words)
        return {flag.name: flag.value(words) if told else None for flag in self.flags}

    def _told(self, words: frozenset[str]) -> bool:
        return bool(words) and words.isdisjoint(self.silent)


def status_words(text: str) -> frozenset[str]:
    """Read `ups.status`: words without order; what stands after # is a remark."""
    return frozenset(text.partition("#")[0].upper().split())


def number(text: str) -> float | None:
    """Read a number as drivers write them, `026.9` and `21,52` too; None when it is none."""
    stripped = text.strip()
    return float(stripped.replace(",", ".")) if _NUMBER.fullmatch(stripped) else None


def _directed(amount: float, status: Readings) -> float | None:
    charging = bool(status.get("ups_charging_code"))
    discharging = bool(status.get("ups_discharging_code")) or bool(status.get("ups_on_battery_code"))
    if amount == 0 or charging != discharging:
        return abs(amount) if charging or amount == 0 else -abs(amount)
    return None


def _rating(text: str) -> float | None:
    value = number(text)
    return value if value is not None and value > 0 else None
