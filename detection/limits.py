"""Limits on how often something may occur: what the program, the site and a system say, put together. Pure.

Rules that must stay true here:
- what is said nearer to a system counts more: occurrences.toml, the YAML file, site.toml, the system's own;
- an alert is named by what is counted and over which time, so that its name outlives any change of its limit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from bus import system_ids
from bus.instants import SECOND_US
from schemas.errors import ConfigurationError, InputError
from schemas.occurrences import PREFIX, SEVERITIES, TABLE

PERIODS: Final[Mapping[str, int]] = {"hourly": 3600 * SECOND_US, "daily": 86_400 * SECOND_US}
"""How far back is counted, in microseconds."""

OFF: Final = "off"
_SEVERITY: Final[Mapping[str, str]] = {"hourly": "critical", "daily": "warning"}
_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """How many occurrences of a type are allowed within a period; more are an alert.

    Attributes:
        counted: the type of occurrence.
        period: hourly or daily: the last hour, or the last 24.
        most: how many are allowed.
        severity: how bad more are.
    """

    counted: str
    period: str
    most: int
    severity: str

    @property
    def alert(self) -> str:
        """Name the alert."""
        return f"{self.counted.removeprefix(PREFIX)}_{self.period}"

    @property
    def period_us(self) -> int:
        """Tell how far back is counted."""
        return PERIODS[self.period]

    @property
    def calm(self) -> int:
        """Tell down to how many the count must fall before the alert is over.

        A fifth below the limit, and at least one: what clears at the limit would be raised again by the next
        occurrence, and the one after that.
        """
        return max(0, self.most - max(1, -(-self.most // 5)))


Said = Mapping[str, Mapping[str, int | str]]
"""What one place says: by type, `daily`, `hourly` (a number, or off) and `severity`."""

LimitsOf = Callable[[str], tuple[Limit, ...]]
"""The limits that hold for a system."""


def packaged() -> Said:
    """Return what comes with the program."""
    said: dict[str, dict[str, int | str]] = {}
    for counted, threshold in TABLE.thresholds.items():
        numbers = {"daily": threshold.daily, "hourly": threshold.hourly}
        said[counted] = {period: most for period, most in numbers.items() if most is not None}
    return said


def read(said: Any, where: str) -> Said:
    """Read a table of limits by occurrence, whose names are as in occurrences.toml or in capitals.

    Raises:
        ConfigurationError: it names what is not there, or has what is no limit.
    """
    if not isinstance(said, Mapping):
        raise ConfigurationError(f"{where}: write it as a table of occurrences")
    return {_type(name, where): _row(row, f"{where}.{name}") for name, row in said.items()}


def specified(document: Any, where: str) -> Said:
    """Read `alert_thresholds` of the event counters' YAML file; what else stands there concerns others.

    Raises:
        ConfigurationError: it does not fit.
    """
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"{where}: it holds no table")
    return read(document.get("alert_thresholds") or {}, f"{where}: alert_thresholds")


def limits_of(*said: Said, systems: Mapping[str, Any] | None = None) -> LimitsOf:
    """Return what holds for each system.

    Args:
        said: what holds for all, the nearest last.
        systems: by system, a table of limits of its own.

    Raises:
        ConfigurationError: what a system's table says does not fit.
    """
    own: dict[str, Said] = {}
    for name, table in (systems or {}).items():
        where = f"alerts.systems.{name}"
        try:
            system_id = system_ids.canonical(name)
        except InputError as error:
            raise ConfigurationError(f"{where}: {error.hint}") from error
        own[system_id] = read(table, where)

    common = _limits(*said)
    special = {system_id: _limits(*said, table) for system_id, table in own.items()}

    @cache
    def of(system_id: str) -> tuple[Limit, ...]:
        return special.get(system_id, common)

    return of


def _limits(*said: Said) -> tuple[Limit, ...]:
    merged: dict[str, dict[str, int | str]] = {}
    for one in said:
        for counted, row in one.items():
            merged.setdefault(counted, {}).update(row)
    found = []
    for counted, row in sorted(merged.items()):
        for period in PERIODS:
            most = row.get(period, OFF)
            if isinstance(most, int):
                found.append(Limit(counted, period, most, str(row.get("severity", _SEVERITY[period]))))
    return tuple(found)


def _type(name: Any, where: str) -> str:
    counted = f"{PREFIX}{str(name).lower().removeprefix(PREFIX)}"
    if counted not in TABLE.occurrences:
        known = ", ".join(sorted(one.removeprefix(PREFIX) for one in TABLE.occurrences))
        raise ConfigurationError(f"{where}: there is no occurrence {name}; there are: {known}")
    return counted


def _row(row: Any, where: str) -> Mapping[str, int | str]:
    if not isinstance(row, Mapping):
        raise ConfigurationError(f"{where}: write it as a table with daily, hourly and severity")
    found: dict[str, int | str] = {}
    for key, value in row.items():
        if key in PERIODS:
            found[key] = _most(value, f"{where}.{key}")
        elif key == "severity":
            found[key] = _severity(value, where)
        else:
            raise ConfigurationError(f"{where}: there is no {key}; there are: daily, hourly, severity")
    return found


def _most(value: Any, where: str) -> int | str:
    # YAML reads `off` as false.
    if value is False or value == OFF:
        return OFF
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise ConfigurationError(f"{where}: must be a whole number, or off, got {value!r}")
    return value


def _severity(value: Any, where: str) -> str:
    severity = value.lower() if isinstance(value, str) else ""
    if severity not in SEVERITIES:
        raise ConfigurationError(
            f"{where}: severity is one of {', '.join(SEVERITIES)}, in any case, not {value!r}"
        )
    return severity
