"""A table of a scenario file: values are asked for by name and checked; what nobody asks for is wrong."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from producers.simulator.timeline import DAY_S, Spans

_NEEDED: Any = object()
_MOST = 1e9


class Table:
    """Reads values; every error is a `ValueError` that says what to write."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = said
        self._asked: set[str] = set()

    def __contains__(self, name: object) -> bool:
        """Tell whether the table says something."""
        return name in self._said

    def done(self) -> None:
        """Refuse what nobody asked for."""
        if unknown := sorted(self._said.keys() - self._asked):
            raise ValueError(f"{unknown[0]} is unknown: known are {', '.join(sorted(self._asked))}")

    def label(self) -> str:
        """Give what the table calls itself."""
        said = self._said.get("system_id") or self._said.get("name") or self._said.get("what") or ""
        return said if isinstance(said, str) else ""

    def any(self, name: str, default: Any = _NEEDED) -> Any:
        """Give whatever the table says."""
        self._asked.add(name)
        if name in self._said:
            return self._said[name]
        if default is _NEEDED:
            raise ValueError(f"{name} is missing")
        return default

    def some(self, names: Sequence[str]) -> dict[str, Any]:
        """Give those of several that the table says."""
        self._asked.update(names)
        return {name: self._said[name] for name in names if name in self._said}

    def text(self, name: str, default: Any = _NEEDED) -> str:
        """Give a text."""
        value = self.any(name, default)
        if not isinstance(value, str):
            raise _wrong(name, "text", value)
        return value

    def choice(self, name: str, choices: Sequence[str], default: Any = _NEEDED) -> str:
        """Give one of a few texts."""
        value = self.text(name, default)
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Give true or false."""
        value = self.any(name, default)
        if not isinstance(value, bool):
            raise _wrong(name, "true or false", value)
        return value

    def number(self, name: str, default: Any = _NEEDED, *, least: float = 0.0, most: float = _MOST) -> float:
        """Give a number within limits."""
        return _number(name, self.any(name, default), least, most)

    def numbers(self, name: str, default: Sequence[float]) -> list[float]:
        """Give a list of numbers."""
        value = self.any(name, default)
        if not isinstance(value, list | tuple):
            raise _wrong(name, "a list of numbers", value)
        return [_number(name, item, -_MOST, _MOST) for item in value]

    def texts(self, name: str) -> list[str]:
        """Give a list of texts; empty when the table says nothing."""
        value = self.any(name, ())
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise _wrong(name, "a list of texts", value)
        return list(value)

    def time(self, name: str, default: Any = _NEEDED) -> float:
        """Give a time of day, in seconds."""
        return _time(self.text(name, default))

    def times(self, name: str) -> tuple[float, ...]:
        """Give times of day."""
        return tuple(_time(text) for text in self.texts(name))

    def spans(self, name: str, *, needed: bool = False) -> Spans:
        """Give spans of the day: `[["17:02", "17:04"], …]`."""
        rows = self.any(name, _NEEDED if needed else ())
        if not isinstance(rows, list | tuple) or not all(_is_pair(row) for row in rows):
            raise ValueError(f'{name} must be a list of spans such as ["17:02", "17:04"], got {rows!r}')
        spans = tuple((_time(begin), _time(end)) for begin, end in rows)
        for (begin_s, end_s), row in zip(spans, rows, strict=True):
            if end_s <= begin_s:
                raise ValueError(f"{name}: {list(row)} ends before it begins")
        return Spans(spans)

    def points(self, name: str) -> list[tuple[float, float]]:
        """Give points of a timeline, `[["17:00", 7500], …]`; one number holds all day."""
        value = self.any(name)
        if not isinstance(value, list):
            return [(0.0, _number(name, value, 0.0, _MOST))]
        if not all(_is_pair(row, second=(int, float)) for row in value):
            raise ValueError(f'{name} must be a number or a list of points such as ["17:00", 7500]')
        return [(_time(at), _number(name, power, 0.0, _MOST)) for at, power in value]

    def table(self, name: str) -> "Table":
        """Give an inner table; an empty one when there is none."""
        value = self.any(name, {})
        if not isinstance(value, dict):
            raise _wrong(name, f"a table, [{name}]", value)
        return Table(value)

    def tables(self, name: str) -> list["Table"]:
        """Give a list of inner tables."""
        value = self.any(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise _wrong(name, f"tables: write each {name} as a table: [[{name}]]", value)
        return [Table(item) for item in value]


def _wrong(name: str, must: str, value: object) -> ValueError:
    return ValueError(f"{name} must be {must}, got {value!r:.80}")


def _is_pair(row: Any, second: Any = str) -> bool:
    return isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) and isinstance(row[1], second)  # noqa: PLR2004


def _number(name: str, value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _wrong(name, "a number", value)
    if not least <= value <= most:
        raise ValueError(f"{name} must lie between {least:g} and {most:g}, got {value!r}")
    return float(value)


def _time(text: str) -> float:
    """Read a time of day, `HH:MM` or `HH:MM:SS`, up to 24:00."""
    parts = text.split(":")
    if len(parts) in {2, 3} and all(part.isdecimal() for part in parts):
        hours, minutes, seconds = (int(part) for part in (*parts, "0")[:3])
        time_s = hours * 3600.0 + minutes * 60.0 + seconds
        if minutes < 60 and seconds < 60 and time_s <= DAY_S:  # noqa: PLR2004 - of a clock
            return time_s
    raise ValueError(f"{text!r} is no time of day: write HH:MM or HH:MM:SS")
