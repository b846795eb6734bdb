"""What a site says about the rules of one system, held against them before anything runs.

Pure. Rules that must stay true here:
- a limit changes only where it is clear which one is meant: one number never becomes volts and per cent;
- what changes nothing is a mistake, and is named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final

from detection.rules import CHEMISTRIES, WORDS, Rule, Test
from schemas.errors import ConfigurationError
from schemas.measurements import MEASUREMENTS

_SECONDS: Final = ("hold_s", "rearm_s", "settle_s")
_LIMITS: Final = ("above", "below", "hysteresis")


def override(rules: Iterable[Rule], said: Any, where: str) -> tuple[Rule, ...]:
    """Return the rules of one system: changed, or left out with `enabled = false`.

    Raises:
        ConfigurationError: there is no such rule or key, or it cannot be that.
    """
    rules = tuple(rules)
    if not isinstance(said, Mapping):
        raise ConfigurationError(f"{where}: write rules as a table, not {said!r}")
    ids = [rule.id for rule in rules]
    for name in said.keys() - ids:
        near = get_close_matches(name, ids, n=1)
        raise ConfigurationError(f"{where}: there is no rule {name}" + (f"; {near[0]}?" if near else ""))
    changed = (_changed(rule, said.get(rule.id, {}), f"{where}: rule {rule.id}") for rule in rules)
    return tuple(rule for rule in changed if rule is not None)


def _changed(rule: Rule, keys: Any, where: str) -> Rule | None:
    if not isinstance(keys, Mapping):
        raise ConfigurationError(f"{where}: write what changes as a table, {{ hold_s = 5 }}, not {keys!r}")
    for name, value in keys.items():
        if name in _LIMITS:
            rule = replace(rule, test=_limited(rule, name, value, where))
        elif name in _SECONDS:
            seconds: dict[str, Any] = {name: _number(value, f"{where}: {name}", least=0)}
            rule = replace(rule, **seconds)
        elif name == "first":
            if value not in WORDS[name]:
                raise ConfigurationError(f"{where}: first is one of {', '.join(WORDS[name])}, not {value!r}")
            rule = replace(rule, first=value)
        elif name != "enabled":
            raise ConfigurationError(f"{where}: {name} cannot be changed for a system")
    enabled = keys.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigurationError(f"{where}: enabled is true or false, not {enabled!r}")
    return rule if enabled else None


def _limited(rule: Rule, name: str, value: Any, where: str) -> tuple[Test, ...]:
    """Change a limit: of all tests when they mean the same, else of those that a table names."""
    having = [test for test in rule.test if _has(test, name)]
    if not having:
        raise ConfigurationError(f"{where}: it has no {name}")
    if not isinstance(value, Mapping):
        number = _number(value, f"{where}: {name}", least=0 if name == "hysteresis" else None)
        if len(meanings := sorted({_meaning(test) for test in having})) > 1:
            raise ConfigurationError(
                f"{where}: {name} may mean {' or '.join(meanings)}: say which one,"
                f" {name} = {{ {_names(having, name)[0]} = {value} }}; there are: {_listed(having, name)}"
            )
        return tuple(_with(test, name, number) if test in having else test for test in rule.test)
    tests = rule.test
    for key in sorted(value, key=lambda one: one not in CHEMISTRIES):
        if key not in _names(having, name):
            raise ConfigurationError(f"{where}: {name} has no {key}; there are: {_listed(having, name)}")
        number = _number(value[key], f"{where}: {name}.{key}", least=0 if name == "hysteresis" else None)
        tests = tuple(_named(test, name, key, number) for test in tests)
    return tests


def _named(test: Test, name: str, key: str, number: float) -> Test:
    """Change a limit of a test where a name, of a chemistry or of a cause, is about it."""
    limit = getattr(test, name)
    if key in CHEMISTRIES:
        return _with(test, name, {**limit, key: number}) if isinstance(limit, Mapping) else test
    return _with(test, name, number) if key == test.cause and _has(test, name) else test


def _has(test: Test, name: str) -> bool:
    limit = getattr(test, name)
    return bool(limit) if name == "hysteresis" else limit is not None


def _with(test: Test, name: str, limit: Any) -> Test:
    """Change a limit; what is said for one system goes before what it is registered with."""
    changed = replace(test, **{name: limit})
    return changed if name == "hysteresis" else replace(changed, limit=None)


def _meaning(test: Test) -> str:
    """Say what a limit of a test is a number of."""
    if isinstance(test.below if test.above is None else test.above, Mapping) or test.times == "cells":
        return "volts per cell"
    if test.times is not None:
        return "parts of a nominal value"
    return MEASUREMENTS[test.readings[0]].unit


def _names(tests: Iterable[Test], name: str) -> list[str]:
    """Return by which names a table may change a limit."""
    causes = dict.fromkeys(test.cause for test in tests if test.cause)
    by_chemistry = any(isinstance(getattr(test, name), Mapping) for test in tests)
    return [*causes, *(CHEMISTRIES if by_chemistry else ())]


def _listed(tests: Iterable[Test], name: str) -> str:
    return ", ".join(_names(tests, name)) or "none"


def _number(value: Any, where: str, *, least: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ConfigurationError(f"{where} must be a number, not {value!r}")
    if least is not None and value < least:
        raise ConfigurationError(f"{where} must be at least {least:g}, not {value!r}")
    return value
