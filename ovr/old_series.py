"""What an export of VictoriaMetrics says: which series is which measurement of which system. Pure.

Rules that must stay true here:
- a name is mapped back where a table or the vocabulary says what it is; another is kept under `x_`;
- what belongs to no system is left out, and counted by name.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

import orjson

from ovr.old_rows import NotUnderstoodError, instant
from projectors.lines import EVENT_METRIC, Compatibility
from schemas import measurements

LONGEST_LINE: Final = 64 << 20
_KIND: Final = re.compile(r"[a-z][a-z0-9]{0,31}")
_UNFIT: Final = re.compile(r"[^a-z0-9_]+")
_LARGEST: Final = 1e15
NAME, VALUE, TIME = "__name__", "__value__", "__timestamp__"


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one series.

    Attributes:
        times_ms: Unix milliseconds.
        dropped: values that are no finite number that a sample can hold.
    """

    metric: Mapping[str, str]
    times_ms: Sequence[int]
    values: Sequence[float]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where readings belong."""

    system: str
    kind: str
    measurement: str


class LeftOutError(ValueError):
    """A series is no measurement of a system; the reason is in words that repeat."""


@dataclass(slots=True)
class Names:
    """Maps series back.

    Attributes:
        labels: which label names the system, the first that a series has.
        system: of series that have none of them; None leaves those out.
        mapped: by series' name, the measurement it became; for the account.
    """

    compatibility: Compatibility
    labels: Sequence[str] = ("system_id",)
    system: str | None = None
    mapped: dict[str, str] = field(default_factory=dict)
    _known: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._known = frozenset(measurements.MEASUREMENTS)

    def place(self, metric: Mapping[str, str]) -> Place:
        """Tell where a series belongs.

        Raises:
            LeftOutError: nowhere.
        """
        name = str(metric.get(NAME, ""))
        if name == EVENT_METRIC:
            raise LeftOutError("windows are taken with --windows")
        system = next((metric[label] for label in self.labels if metric.get(label)), self.system)
        if not system:
            raise LeftOutError(f"no label {' or '.join(self.labels)}")
        kind, underscore, rest = name.partition("_")
        if not underscore or not rest or not _KIND.fullmatch(kind):
            raise LeftOutError("its name does not begin with a kind of device")
        measurement = self._measurement(kind, rest)
        self.mapped[name] = measurement
        return Place(system, kind, measurement)

    def _measurement(self, kind: str, rest: str) -> str:
        legacy = dict(self.compatibility.fields.get(kind, ()))
        if rest in legacy:
            return legacy[rest]
        if rest in self._known or rest.startswith(measurements.FREE_PREFIX):
            return rest
        plain = _UNFIT.sub("_", rest.lower()).strip("_")
        return f"{measurements.FREE_PREFIX}{plain or 'value'}"[: measurements.LONGEST]


def from_json(line: bytes) -> Readings:
    """Read one line of `/api/v1/export`.

    Raises:
        NotUnderstoodError: it is none.
    """
    try:
        said = orjson.loads(line)
        metric, values, times = said["metric"], said["values"], said["timestamps"]
        if not isinstance(metric, dict) or len(values) != len(times):
            raise NotUnderstoodError("the line has not as many timestamps as values")
        return _readings({str(key): str(value) for key, value in metric.items()}, times, values)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise NotUnderstoodError("the line is no line of /api/v1/export") from error


def from_csv(line: bytes, columns: Sequence[str]) -> Readings:
    """Read one line of `/api/v1/export/csv`; the columns are named as its `format` named them.

    Raises:
        NotUnderstoodError: it has other columns, or no number.
    """
    try:
        fields = next(csv.reader(io.StringIO(line.decode()), strict=True))
        said = dict(zip(columns, fields, strict=True))
        time_ms = instant(said.pop(TIME), UTC) // 1000
        return _readings(said, [time_ms], [float(said.pop(VALUE))])
    except (UnicodeDecodeError, StopIteration, csv.Error, ValueError, KeyError) as error:
        if isinstance(error, NotUnderstoodError):
            raise
        raise NotUnderstoodError("the line has not the columns that were named") from error


def columns_of(said: str) -> tuple[str, ...]:
    """Read the `format` of a CSV export: `__name__,system_id,__value__,__timestamp__:unix_ms`.

    Raises:
        NotUnderstoodError: it names no value or no time.
    """
    columns = tuple(one.strip().partition(":")[0] for one in said.split(","))
    if not {NAME, VALUE, TIME} <= set(columns) or len(set(columns)) != len(columns):
        raise NotUnderstoodError(
            f"name the columns as the export's format did: {NAME}, {VALUE}, {TIME}, labels"
        )
    return columns


def _readings(metric: Mapping[str, str], times: Sequence[Any], values: Sequence[Any]) -> Readings:
    kept = [
        (time, float(value))
        for time, value in zip(times, values, strict=True)
        if type(value) in {int, float}
        and type(time) is int
        and math.isfinite(value)
        and abs(value) <= _LARGEST
    ]
    return Readings(metric, [t for t, _ in kept], [v for _, v in kept], len(values) - len(kept))


def windows(readings: Readings) -> Iterator[tuple[int, bool]]:
    """Yield when a series of windows changed, and whether it was active then; times in ms."""
    active: bool | None = None
    for time_ms, value in sorted(zip(readings.times_ms, readings.values, strict=True)):
        if (value > 0) is not active:
            active = value > 0
            yield time_ms, active
