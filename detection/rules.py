"""Rules of detection as data: what raises which occurrence, read from TOML and checked whole.

Rules that must stay true here: a rule names only what exists (measurements, occurrences, other rules), so
that a slip of the pen is an error at the start and not a silence at three in the morning.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from schemas.errors import ConfigurationError
from schemas.measurements import MEASUREMENTS
from schemas.occurrences import PREFIX, TABLE

KINDS: Final = ("level", "rise", "drop", "cycles")
FACTS: Final = ("nominal_voltage_v", "rated_a", "rated_w", "cells", "capacity_wh", "usable_pct")
"""What a system may be registered with and a limit may be multiplied by."""

CHEMISTRIES: Final = ("lifepo4", "li_ion", "lead_acid")
Limit = float | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Test:
    """One question about a system: true, false, or unknown.

    Attributes:
        readings: measurements; `of` says which of them count: the first that is known, any, or all.
        equals: it is true for these values.
        above, below: it is true beyond this limit, by chemistry where it is a table.
        above_too: with `below`: and not below this one.
        limit: a registered fact that is used in place of `above` or `below`.
        times: a registered fact, or a measurement, that limits and hysteresis are multiplied by.
        hysteresis: how far a value must come back.
        alarm: true while a device of the system has this alarm at `level` or worse.
        rule: true while that rule holds.
        disconnected: true while a device of the system does not answer.
        kinds, not_kinds: only for samples, or devices, of these kinds.
        cause: a word for the occurrence.
    """

    readings: tuple[str, ...] = ()
    of: str = "first"
    equals: tuple[float, ...] = ()
    above: Limit | None = None
    below: Limit | None = None
    above_too: float | None = None
    limit: str | None = None
    times: str | None = None
    hysteresis: float = 0.0
    alarm: str | None = None
    level: str = "warning"
    rule: str | None = None
    disconnected: bool = False
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: names it in events and overrides.
        kind: level (a condition holds), rise or drop (of a counter), cycles (of a battery).
        raises: the occurrence at its beginning; with `on` end, when it is over.
        ends: the occurrence at its end; None when the end is none.
        hold_s: how long it must hold before it is confirmed.
        rearm_s: how long it must be gone before it is over and can be raised again.
        settle_s: how long after `unless` it is not believed.
        first: raise or silent: what it means when the condition holds where the system is first seen.
        decide: of the tests, the first that is known decides, or any, or all must be true.
        unless: while any of these is true nothing is decided.
        kinds: only for samples of these kinds.
        per_device: judged for each device of a system on its own.
    """

    id: str
    raises: str
    test: tuple[Test, ...]
    kind: str = "level"
    on: str = "begin"
    ends: str | None = None
    hold_s: float = 0.0
    rearm_s: float = 0.0
    settle_s: float = 0.0
    first: str = "raise"
    decide: str = "first"
    unless: tuple[Test, ...] = ()
    kinds: tuple[str, ...] = ()
    per_device: bool = False


WORDS: Final = {
    "kind": KINDS,
    "on": ("begin", "end"),
    "first": ("raise", "silent"),
    "decide": ("first", "any", "all"),
    "of": ("first", "any", "all"),
    "level": ("warning", "alarm"),
}


def load(more: Iterable[Path] = ()) -> tuple[Rule, ...]:
    """Read the rules that come with the program, and the files of a site; a rule of the same id replaces.

    Raises:
        ConfigurationError: a file cannot be read, or a rule does not fit.
    """
    texts = [
        (path.name, path.read_text(encoding="utf-8"))
        for path in sorted((files("detection") / "rules").iterdir(), key=lambda path: path.name)
        if path.name.endswith(".toml")
    ]
    for path in more:
        try:
            texts.append((str(path), path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError(f"cannot read the rules in {path}: {error.strerror}") from error
    return read(texts)


def read(texts: Iterable[tuple[str, str]]) -> tuple[Rule, ...]:
    """Read rules from named TOML texts.

    Raises:
        ConfigurationError: naming the file, the rule and the key.
    """
    rules: dict[str, Rule] = {}
    for name, text in texts:
        try:
            said = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{name} cannot be read: {error}") from error
        for number, row in enumerate(_tables(f"{name}: rule", said.get("rule", [])), start=1):
            rule = _rule(f"{name}: rule {row.get('id', number)}", row)
            rules[rule.id] = rule
    for rule in rules.values():
        for test in (*rule.test, *rule.unless):
            if test.rule is not None and test.rule not in rules:
                raise ConfigurationError(f"rule {rule.id}: there is no rule {test.rule}")
    return tuple(sorted(rules.values(), key=lambda rule: (_depth(rules, rule), rule.id)))


def _tables(where: str, said: Any) -> list[Mapping[str, Any]]:
    if not isinstance(said, list) or not all(isinstance(one, Mapping) for one in said):
        raise ConfigurationError(f"{where}: write a list of tables")
    return said


def _rule(where: str, row: Mapping[str, Any]) -> Rule:
    said = dict(row)
    tests = {
        name: tuple(
            _test(f"{where}: {name} {number}", one)
            for number, one in enumerate(_tables(f"{where}: {name}", said.pop(name, [])), 1)
        )
        for name in ("test", "unless")
    }
    checked: dict[str, Any] = _checked(Rule, said, where) | tests
    for name in ("id", "raises"):
        if name not in checked:
            raise ConfigurationError(f"{where}: {name} is missing")
    if not tests["test"]:
        raise ConfigurationError(f"{where}: it tests nothing")
    for name in ("raises", "ends"):
        if checked.get(name) is not None:
            checked[name] = PREFIX + checked[name]
            if checked[name] not in TABLE.occurrences:
                raise ConfigurationError(f"{where}: there is no occurrence {checked[name]}")
    return Rule(**checked)


def _test(where: str, row: Mapping[str, Any]) -> Test:
    said = dict(row)
    if "reading" in said:
        said["readings"] = [said.pop("reading")]
    checked = _checked(Test, said, where)
    asked = [bool(checked.get(name)) for name in ("readings", "alarm", "rule", "disconnected")]
    if sum(asked) != 1:
        raise ConfigurationError(f"{where}: ask for one of readings, alarm, rule and disconnected")
    checked["readings"] = _expanded(where, checked.get("readings", ()))
    factor = checked.get("times")
    if factor is not None and factor not in FACTS and factor not in MEASUREMENTS:
        raise ConfigurationError(f"{where}: times is one of {', '.join(FACTS)}, or a measurement")
    for name in ("above", "below"):
        limit = checked.get(name)
        if isinstance(limit, Mapping) and set(limit) != set(CHEMISTRIES):
            raise ConfigurationError(f"{where}: {name} by chemistry needs {', '.join(CHEMISTRIES)}")
    return Test(**checked)


def _expanded(where: str, names: Iterable[str]) -> tuple[str, ...]:
    """Spell out names with `*` by the vocabulary."""
    found: list[str] = []
    for name in names:
        matching = [name] if name in MEASUREMENTS else [one for one in MEASUREMENTS if fnmatchcase(one, name)]
        if not matching:
            raise ConfigurationError(f"{where}: there is no measurement {name}")
        found += matching
    return tuple(found)


def _checked(kind: type[Any], row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check names, words and types of plain keys; lists become tuples.

    Raises:
        ConfigurationError: one of them does not fit.
    """
    hints = get_type_hints(kind)
    checked: dict[str, Any] = {}
    for name, value in row.items():
        if name not in hints:
            raise ConfigurationError(f"{where}: {name} is not known; there are: {', '.join(sorted(hints))}")
        if name in WORDS and value not in WORDS[name]:
            raise ConfigurationError(f"{where}: {name} is one of {', '.join(WORDS[name])}, not {value!r}")
        checked[name] = tuple(value) if isinstance(value, list) else value
        if not _fits(hints[name], checked[name]):
            raise ConfigurationError(f"{where}: {name} cannot be {value!r}")
    return checked


def _fits(hint: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    if isinstance(value, Mapping):
        return "Mapping" in str(hint) and all(_plain(one) for one in value.values())
    if isinstance(value, int | float):
        return hint is float or float in get_args(hint) or "float" in str(hint)
    if isinstance(value, tuple):
        return "tuple" in str(hint) and all(
            isinstance(one, str) if "str" in str(hint) else _plain(one) for one in value
        )
    return isinstance(value, str) and (hint is str or str in get_args(hint))


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _depth(rules: Mapping[str, Rule], rule: Rule, seen: tuple[str, ...] = ()) -> int:
    """Tell how many rules must be judged before this one.

    Raises:
        ConfigurationError: rules ask for each other in a circle.
    """
    if rule.id in seen:
        raise ConfigurationError(f"rules ask for each other in a circle: {' → '.join((*seen, rule.id))}")
    asked = [test.rule for test in (*rule.test, *rule.unless) if test.rule is not None]
    return 1 + max((_depth(rules, rules[one], (*seen, rule.id)) for one in asked), default=-1)
