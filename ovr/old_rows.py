"""What the rows of the older event service's database say, as events with their own times. Pure.

Nobody has written down how its tables are laid out, so they are known by the names of their columns and by
what stands in them. Rules that must stay true here:
- what is not understood is listed with its reason, never guessed;
- an event's id follows from what it says: the same row read again is the same event;
- whatever stands in a row, it is an event or a problem.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, Final

import orjson

from bus import instants
from bus.envelope import Envelope

SITE: Final = "_site"
ALL: Final = "all"
_NAMESPACE: Final = uuid.UUID("6f1c2a54-53a5-5d51-9d5e-1d0f3a6f1c2a")
_NOTE_LONGEST, _LINE_LONGEST = 4000, 120
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_WORDS: Final = re.compile(r"[a-z]+")
_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}")


class Role(StrEnum):
    """What a column holds."""

    SYSTEM = "system"
    EVENT = "event"
    LOCATION = "location"
    TEXT = "text"
    TIME = "time"
    STARTED = "started"
    ENDED = "ended"
    ACTION = "action"
    PAYLOAD = "payload"
    OPERATOR = "operator"
    PROVIDER = "provider"
    MONTH = "month"
    COUNT = "count"
    LAT = "lat"
    LON = "lon"


_NAMES: Final[Mapping[Role, Sequence[str]]] = {
    Role.SYSTEM: ("system_id", "system", "logger_id", "logger", "device_id", "rig", "unit_id"),
    Role.EVENT: ("event_id", "event", "event_name", "active_event", "current_event"),
    Role.LOCATION: ("location", "loc", "place", "current_location", "site"),
    Role.TEXT: ("note", "msg", "message", "notes", "text", "comment", "annotation"),
    Role.STARTED: ("started_at", "start_time", "start_ts", "started", "start", "start_ns", "active_since"),
    Role.ENDED: ("ended_at", "end_time", "end_ts", "ended", "end", "end_ns", "stopped_at"),
    Role.TIME: (
        "ts",
        "timestamp",
        "time",
        "ts_ns",
        "timestamp_ns",
        "timestamp_ms",
        "created_at",
        "logged_at",
        "at",
        "datetime",
        "date",
        "when",
        "updated_at",
        "last_updated",
    ),
    Role.ACTION: ("action", "op", "operation", "event_type", "kind", "type", "endpoint", "verb"),
    Role.PAYLOAD: ("payload", "data", "details", "detail", "body", "request", "json", "meta", "params"),
    Role.OPERATOR: ("operator", "user", "author", "username", "email", "actor"),
    Role.PROVIDER: ("provider",),
    Role.MONTH: ("month_key", "month"),
    Role.COUNT: ("count", "tiles", "total", "tile_count"),
    Role.LAT: ("lat", "latitude"),
    Role.LON: ("lon", "lng", "long", "longitude"),
}


class Kind(StrEnum):
    """What the rows of a table are."""

    LOG = "log of actions"
    WINDOWS = "windows"
    NOTES = "notes"
    LOCATIONS = "locations"
    TILES = "map tiles"


@dataclass(frozen=True, slots=True)
class Table:
    """A table that was recognised.

    Attributes:
        roles: which column has which role.
        ignored: columns that have none.
    """

    name: str
    kind: Kind
    roles: Mapping[Role, str]
    ignored: tuple[str, ...]


class NotUnderstoodError(ValueError):
    """A row says nothing that there is an event for; the reason is in words that repeat."""


def recognise(name: str, columns: Sequence[str]) -> Table | None:
    """Tell what a table is by the names of its columns; None when that is not clear."""
    lowered = {column.lower(): column for column in columns}
    roles = {
        role: lowered[found]
        for role, names in _NAMES.items()
        if (found := next((one for one in names if one in lowered), None)) is not None
    }
    kind = _kind(roles.keys())
    if kind is None:
        return None
    used = set(roles.values())
    return Table(name, kind, roles, tuple(column for column in columns if column not in used))


def _kind(roles: Any) -> Kind | None:
    has = set(roles)
    if {Role.PROVIDER, Role.MONTH, Role.COUNT} <= has:
        return Kind.TILES
    if {Role.ACTION, Role.TIME} <= has and has & {Role.SYSTEM, Role.EVENT, Role.PAYLOAD}:
        return Kind.LOG
    if {Role.SYSTEM, Role.EVENT} <= has and has & {Role.STARTED, Role.TIME} and Role.TEXT not in has:
        return Kind.WINDOWS
    if {Role.TEXT, Role.TIME} <= has:
        return Kind.NOTES
    if {Role.SYSTEM, Role.EVENT, Role.STARTED} <= has:
        return Kind.WINDOWS
    if {Role.SYSTEM, Role.LOCATION} <= has and has & {Role.TIME, Role.STARTED}:
        return Kind.LOCATIONS
    return None


def events(table: Table, row: Mapping[str, Any], source: str, zone: tzinfo) -> list[Envelope]:
    """Say what one row says.

    Args:
        table: where it stands.
        row: by the names of columns.
        source: of the events.
        zone: of times that name none.

    Raises:
        NotUnderstoodError: there is no event for it.
    """
    said = {role: row[column] for role, column in table.roles.items() if row.get(column) not in {None, ""}}
    if Role.PAYLOAD in said:
        said = {**_payload(said[Role.PAYLOAD]), **said}
    make = {
        Kind.LOG: _logged,
        Kind.WINDOWS: _windows,
        Kind.NOTES: _notes,
        Kind.LOCATIONS: _locations,
        Kind.TILES: _tiles,
    }[table.kind]
    return [_event(source, *claim) for claim in make(said, zone)]


Claim = tuple[str, str, int, dict[str, Any], dict[str, str]]
_Said = Mapping[Role, Any]


def _logged(said: _Said, zone: tzinfo) -> list[Claim]:
    words = set(_WORDS.findall(str(said.get(Role.ACTION, "")).lower()))
    time_us = instant(said.get(Role.TIME), zone)
    data = _present(event_id=_line(said, Role.EVENT), location=_line(said, Role.LOCATION))
    text = _text(said)
    operator = _operator(said)
    if words & {"report", "reports", "generate", "login", "auth"}:
        raise NotUnderstoodError(f"the action {_short(said[Role.ACTION])!r} has no event")
    if words & {"start", "started", "begin"}:
        _need(data, "event_id")
        return [("window.started", _system(said), time_us, data | _present(note=text), operator)]
    if words & {"end", "ended", "stop", "stopped"}:
        subject = ALL if "all" in words else _system(said)
        ended = _present(event_id=data.get("event_id"), note=text)
        return [("window.ended", subject, time_us, ended, operator)]
    if words & {"location", "loc", "move", "moved"}:
        return [("location.set", _system(said), time_us, _place(said), operator)]
    if words & {"note", "notes", "annotation", "comment"}:
        return [_note(said, time_us)]
    raise NotUnderstoodError(f"the action {_short(said.get(Role.ACTION))!r} is not known")


def _windows(said: _Said, zone: tzinfo) -> list[Claim]:
    data = _present(event_id=_line(said, Role.EVENT), location=_line(said, Role.LOCATION))
    _need(data, "event_id")
    system, operator = _system(said), _operator(said)
    started_us = instant(said.get(Role.STARTED, said.get(Role.TIME)), zone)
    claims: list[Claim] = [("window.started", system, started_us, data, operator)]
    if Role.ENDED in said:
        ended_us = instant(said[Role.ENDED], zone)
        claims.append(("window.ended", system, ended_us, {"event_id": data["event_id"]}, operator))
    return claims


def _notes(said: _Said, zone: tzinfo) -> list[Claim]:
    return [_note(said, instant(said.get(Role.TIME), zone))]


def _locations(said: _Said, zone: tzinfo) -> list[Claim]:
    time_us = instant(said.get(Role.TIME, said.get(Role.STARTED)), zone)
    return [("location.set", _system(said), time_us, _place(said), _operator(said))]


def _tiles(said: _Said, zone: tzinfo) -> list[Claim]:
    month, provider = str(said.get(Role.MONTH, "")), str(said.get(Role.PROVIDER, "")).lower()
    try:
        count = int(said.get(Role.COUNT, 0))
    except (TypeError, ValueError) as error:
        raise NotUnderstoodError("a count is no number") from error
    if not _MONTH.fullmatch(month) or provider not in {"mapbox", "esri"} or count < 1:
        raise NotUnderstoodError("a month, a provider or a count is none")
    time_us = instant(said.get(Role.TIME, f"{month}-01T00:00:00Z"), zone)
    data = {"provider": provider, "count": count, "month_key": month}
    return [("map_tiles.loaded", SITE, time_us, data, {})]


def _note(said: _Said, time_us: int) -> Claim:
    data = _present(text=_text(said), event_id=_line(said, Role.EVENT))
    _need(data, "text")
    subject = str(said[Role.SYSTEM]).strip() if Role.SYSTEM in said else SITE
    return ("note.added", subject or SITE, time_us, data, _operator(said))


def _place(said: _Said) -> dict[str, Any]:
    data: dict[str, Any] = _present(name=_line(said, Role.LOCATION))
    try:
        if Role.LAT in said and Role.LON in said:
            data |= {"lat": float(said[Role.LAT]), "lon": float(said[Role.LON])}
    except (TypeError, ValueError):
        pass
    if not data:
        raise NotUnderstoodError("a location has no name")
    return data


def _event(
    source: str, type_: str, subject: str, time_us: int, data: dict[str, Any], more: dict[str, str]
) -> Envelope:
    return Envelope(name(type_, subject, time_us, data), source, type_, subject, time_us, data, 1, more)


def name(type_: str, subject: str, time_us: int, data: Mapping[str, Any]) -> str:
    """Give what is imported the id that follows from what it says."""
    said = orjson.dumps([type_, subject, time_us, data], option=orjson.OPT_SORT_KEYS)
    return str(uuid.uuid5(_NAMESPACE, said.decode()))


def instant(value: Any, zone: tzinfo) -> int:
    """Read a time: seconds, milliseconds, microseconds or nanoseconds since 1970, or text.

    Args:
        value: as it stands in the database.
        zone: of a text that names none.

    Raises:
        NotUnderstoodError: it is no time.
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = float(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None
            if value is None:
                said = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
                said = said if said.tzinfo is not None else said.replace(tzinfo=zone)
                return round(said.timestamp() * instants.SECOND_US)
        except (ValueError, OverflowError) as error:
            raise NotUnderstoodError("a time cannot be read") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotUnderstoodError("a time is missing" if value is None else "a time cannot be read")
    for least, factor in ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (1e8, 1e6)):
        if least <= abs(value) < least * 1e3:
            return value // 1000 if isinstance(value, int) and factor < 1 else round(value * factor)
    raise NotUnderstoodError("a time cannot be read")


def _payload(value: Any) -> dict[Role, Any]:
    """Read what an action was told: JSON, or words."""
    if not isinstance(value, str | bytes):
        return {}
    try:
        said = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {Role.TEXT: value} if isinstance(value, str) else {}
    if not isinstance(said, dict):
        return {}
    found: dict[Role, Any] = {}
    for role, names in _NAMES.items():
        key = next((one for one in names if isinstance(said.get(one), str | int | float) and said[one]), None)
        if key is not None and role not in {Role.PAYLOAD, Role.ACTION}:
            found[role] = said[key]
    return found


def _system(said: _Said) -> str:
    system = str(said.get(Role.SYSTEM, "")).strip()
    if not system:
        raise NotUnderstoodError("a system is missing")
    return ALL if system.lower() == ALL else system


def _line(said: _Said, role: Role) -> str | None:
    if role not in said:
        return None
    return " ".join(_UNPRINTABLE.sub(" ", str(said[role])).split())[:_LINE_LONGEST].strip() or None


def _text(said: _Said) -> str | None:
    if Role.TEXT not in said:
        return None
    return _UNPRINTABLE.sub("", str(said[Role.TEXT])).strip()[:_NOTE_LONGEST] or None


def _operator(said: _Said) -> dict[str, str]:
    operator = _line(said, Role.OPERATOR)
    return {"operator": operator[:80]} if operator and operator.isprintable() else {}


def _present(**fields: str | None) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}


def _need(data: Mapping[str, Any], key: str) -> None:
    if key not in data:
        raise NotUnderstoodError(f"{key} is missing")


def _short(value: Any) -> str:
    return str(value)[:40]
