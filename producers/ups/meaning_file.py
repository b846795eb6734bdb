"""Reads `producers/devices/nut.toml`, the table of what NUT's variables mean."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from producers.ups.meaning import Alarm, Coded, Flag, Meaning, Reading
from schemas.errors import ConfigurationError

_PHASES = ("1", "2", "3")
_LINES = (("1", "2"), ("2", "3"), ("3", "1"))
_SENSORS = range(1, 9)


@cache
def packaged() -> Meaning:
    """Give the table that comes with the program."""
    return read(files("producers").joinpath("devices/nut.toml").read_text(encoding="utf-8"))


def read(text: str) -> Meaning:
    """Read a table.

    Raises:
        ConfigurationError: it is not one.
    """
    try:
        document = tomllib.loads(text)
        status = dict(document["status"])
        return Meaning(
            readings=tuple(_readings(document)),
            silent=frozenset(status.pop("silent")),
            flags=tuple(_flag(name, said) for name, said in status.items()),
            coded=tuple(_coded(name, said) for name, said in document["texts"].items()),
            alarms=tuple(_alarm(said) for said in document["alarm"]),
            description={field: tuple(names) for field, names in document["description"].items()},
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"the table of NUT's variables cannot be read: {error!r}") from error


def _readings(document: Mapping[str, Any]) -> Iterator[Reading]:
    for name, said in document["readings"].items():
        yield _reading(name, said)
    for name, said in document["phases"].items():
        for phase in _PHASES:
            yield _reading(name, said, n=phase)
    for name, said in document["lines"].items():
        for one, other in _LINES:
            yield _reading(name, said, a=one, b=other)
    for name, said in document["numbered"].items():
        for place in _SENSORS:
            yield _reading(name, said, n=str(place))


def _reading(name: str, said: Any, **places: str) -> Reading:
    given = said if isinstance(said, dict) else {"from": said}
    wanted = [given["from"]] if isinstance(given["from"], str) else given["from"]
    return Reading(
        name=name.format(**places),
        wanted=tuple(variable.format(**places) for variable in wanted),
        parts=tuple(given.get("sum", ())),
        lowest=given.get("lowest"),
        missing=frozenset(map(float, given.get("missing", ()))),
        single=given.get("single", ""),
        direction=given.get("direction", False),
    )


def _flag(name: str, said: Mapping[str, Any]) -> Flag:
    words, against = frozenset(said["words"]), frozenset(said.get("against", ()))
    return Flag(name, words, against, said.get("either", False))


def _coded(name: str, said: Mapping[str, Any]) -> Coded:
    codes = {text.lower(): float(code) for text, code in said["codes"].items()}
    return Coded(name, said["variable"], codes, float(said["other"]))


def _alarm(said: Mapping[str, Any]) -> Alarm:
    return Alarm(**{**said, "texts": tuple(said.get("texts", ()))})
