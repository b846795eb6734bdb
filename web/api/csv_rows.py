"""Reading CSV files of windows and notes: each row becomes claims, or says what is wrong with it. Pure.

Rules that must stay true here:
- a row's events have ids that follow from what it says: the same file sent twice is recorded once;
- a column nobody knows is refused: what was typed wrongly must not vanish.
"""

import csv
import difflib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bus import instants
from web.api.claims import SITE, Claim
from web.api.problems import Problem

MOST_ROWS: Final = 5000
_WINDOWS: Final = ("system_id", "event_id", "started_at", "ended_at", "location", "note")
_NOTES: Final = ("system_id", "event_id", "time", "msg", "operator")
_LONGEST: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file.

    Attributes:
        line: where it begins in the file.
        claims: what it says, when it can be read.
        field, detail: what is wrong with it, when it cannot.
    """

    line: int
    system_id: str | None = None
    event_id: str | None = None
    claims: tuple[Claim, ...] = ()
    field: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of file."""

    columns: tuple[str, ...]
    needed: frozenset[str]
    claims: Callable[[Mapping[str, str]], tuple[Claim, ...]] = field(repr=False)


class RowError(Exception):
    """A field of a row is wrong."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name


def rows(body: bytes, form: Form) -> Iterator[Row]:
    """Read a file: a line of column names, then a row a line; separated by commas, semicolons or tabs.

    Raises:
        Problem: the file as a whole cannot be read.
    """
    reader = _reader(body, form)
    count = 0
    try:
        for said in reader:
            line = reader.line_num
            if not any((value or "").strip() for value in said.values() if isinstance(value, str)):
                continue
            count += 1
            if count > MOST_ROWS:
                raise Problem(
                    "too-large", f"Send at most {MOST_ROWS:,} rows at once.", reason="too_many_rows"
                )
            yield _row(line, said, form)
    except csv.Error as error:
        raise Problem("malformed", f"Line {reader.line_num} is no CSV: {error}.") from error


def _reader(body: bytes, form: Form) -> "csv.DictReader[str]":
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem("malformed", "Save the file as CSV in UTF-8, and send it again.") from error
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t", key=first.count)
    csv.field_size_limit(_LONGEST)
    reader = csv.DictReader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=separator, strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise Problem("malformed", f"The first line is no CSV: {error}.") from error
    reader.fieldnames = names
    for name in names:
        if name not in form.columns:
            near = difflib.get_close_matches(name, form.columns, n=1)
            meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(form.columns)}."
            raise Problem("invalid", f"There is no column {name[:80]!r}: {meant}", reason="unknown_column")
    missing = form.needed - set(names)
    if missing or len(names) != len(set(names)):
        raise Problem(
            "invalid",
            f"Name the columns in the first line, each once: {', '.join(form.columns)}.",
            field=min(missing, default=None),
            reason="missing_column",
        )
    return reader


def _row(line: int, said: Mapping[str | None, Any], form: Form) -> Row:
    extra = said.get(None)
    fields = {
        name: value.strip()
        for name, value in said.items()
        if isinstance(name, str) and isinstance(value, str)
    }
    system_id, event_id = fields.get("system_id") or None, fields.get("event_id") or None
    try:
        _check_whole(fields, extra, form)
        return Row(line, system_id, event_id, form.claims(fields))
    except RowError as error:
        return Row(line, system_id, event_id, field=error.name or None, detail=str(error))


def _check_whole(fields: Mapping[str, str], extra: object, form: Form) -> None:
    if extra:
        raise RowError("", "put texts with separators in them into quotes: there are too many fields")
    for name in form.columns:
        if name in form.needed and not fields.get(name):
            raise RowError(name, f"{name} is missing")


def _windows(said: Mapping[str, str]) -> tuple[Claim, ...]:
    system, event = said["system_id"], said["event_id"]
    started_us = _instant("started_at", said["started_at"])
    data = _present(event_id=event, location=said.get("location"), note=said.get("note"))
    claims = [_claim("window.started", system, data, started_us)]
    if said.get("ended_at"):
        ended_us = _instant("ended_at", said["ended_at"])
        if ended_us <= started_us:
            raise RowError("ended_at", "ended_at must be after started_at")
        claims.append(_claim("window.ended", system, {"event_id": event}, ended_us))
    return tuple(claims)


def _notes(said: Mapping[str, str]) -> tuple[Claim, ...]:
    data = _present(text=said["msg"], event_id=said.get("event_id"))
    operator = said.get("operator") or ""
    claim = _claim("note.added", said.get("system_id") or SITE, data, _instant("time", said["time"]))
    if operator and not operator.isprintable():
        raise RowError("operator", "write the operator's name on one line")
    extensions = {"operator": operator[:80]} if operator else {}
    return (Claim(claim.type, claim.subject, data, claim.time_us, claim.key, extensions),)


def _claim(type_: str, system: str, data: dict[str, Any], time_us: int) -> Claim:
    said = orjson.dumps([type_, system, time_us, data], option=orjson.OPT_SORT_KEYS).decode()
    return Claim(type_, system, data, time_us, f"import\n{said}")


def _instant(name: str, value: str) -> int:
    try:
        return instants.parse(value)
    except ValueError as error:
        raise RowError(name, f"write a time with an offset, such as 2026-11-21T05:00:00Z: {error}") from error


def _present(**fields: str | None) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


WINDOWS: Final = Form(_WINDOWS, frozenset({"system_id", "event_id", "started_at"}), _windows)
NOTES: Final = Form(_NOTES, frozenset({"time", "msg"}), _notes)
