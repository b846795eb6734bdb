"""The older event service's database is understood as far as it is clear, and the rest is listed."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import instants
from bus.envelope import Envelope
from ovr.old_database import TableAccount, read
from ovr.old_rows import Kind, NotUnderstoodError, events, instant, recognise
from schemas.errors import ConfigurationError

T0 = instants.parse("2026-01-15T12:00:00Z")
SOURCE = "/edge-01/import"
LOG = (
    "CREATE TABLE audit_log (id INTEGER PRIMARY KEY, ts TEXT, action TEXT, system_id TEXT, event_id TEXT,"
    " location TEXT, msg TEXT, ip TEXT)"
)


def database(path: Path, *statements: str, rows: Sequence[tuple[str, Sequence[Any]]] = ()) -> Path:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
        for statement, values in rows:
            db.execute(statement, values)
    return path


def taken(path: Path, **options: Any) -> tuple[list[Envelope], dict[str, TableAccount]]:
    accounts: list[TableAccount] = []
    found = list(read(path, SOURCE, lambda _: None, accounts, **options))
    return found, {one.name: one for one in accounts}


def logged(*values: Any) -> tuple[str, Sequence[Any]]:
    return "INSERT INTO audit_log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values


def test_a_log_of_actions_and_the_state_beside_it_become_events_once(tmp_path: Path) -> None:
    path = database(
        tmp_path / "events.db",
        LOG,
        "CREATE TABLE active_events (system_id TEXT, event_id TEXT, location TEXT, started_at REAL)",
        "CREATE TABLE locations (system_id TEXT PRIMARY KEY, location TEXT, updated_at INTEGER)",
        "CREATE TABLE map_tiles (provider TEXT, month_key TEXT, count INTEGER)",
        "CREATE TABLE settings (key TEXT, value TEXT)",
        rows=[
            logged(1, "2026-01-15T12:00:00", "event_start", "rig_01", "startup", "warehouse", "First", "::1"),
            logged(2, "2026-01-15T12:10:00+00:00", "location_set", "rig_01", None, "field", None, ""),
            logged(3, "2026-01-15T12:20:00Z", "note", "rig_01", "startup", None, "47V for 3 s", ""),
            logged(4, "2026-01-15T13:00:00", "event_end_all", None, "startup", None, None, ""),
            logged(5, "2026-01-15T13:05:00", "report_generate", None, "startup", None, None, ""),
            logged(6, "soon", "event_start", "rig_01", "startup", None, None, ""),
            logged(7, "2026-01-15T14:00:00", "event_start", "rig_01", "test 2", None, None, ""),
            ("INSERT INTO active_events VALUES (?, ?, ?, ?)", ("rig_01", "test 2", None, T0 / 1e6 + 7200.4)),
            ("INSERT INTO active_events VALUES (?, ?, ?, ?)", ("rig_02", "test 2", "yard", T0 / 1e6 + 9000)),
            ("INSERT INTO locations VALUES (?, ?, ?)", ("rig_01", "field", T0 // 1000 + 600_000)),
            ("INSERT INTO map_tiles VALUES (?, ?, ?)", ("mapbox", "2026-01", 1200)),
        ],
    )
    found, accounts = taken(path)

    said = [(one.type, one.subject, (one.time_us - T0) // 60_000_000, dict(one.data)) for one in found]
    assert said == [
        ("window.started", "rig_01", 0, {"event_id": "startup", "location": "warehouse", "note": "First"}),
        ("location.set", "rig_01", 10, {"name": "field"}),
        ("note.added", "rig_01", 20, {"text": "47V for 3 s", "event_id": "startup"}),
        ("window.ended", "all", 60, {"event_id": "startup"}),
        ("window.started", "rig_01", 120, {"event_id": "test 2"}),
        ("window.started", "rig_02", 150, {"event_id": "test 2", "location": "yard"}),
        ("map_tiles.loaded", "_site", -20880, {"provider": "mapbox", "count": 1200, "month_key": "2026-01"}),
    ]
    assert (accounts["active_events"].again, accounts["locations"].again) == (1, 1)
    assert accounts["settings"].kind is None
    assert accounts["settings"].columns == ("key", "value")
    assert accounts["audit_log"].columns == ("id", "ip")
    assert accounts["audit_log"].problems == {
        "the action 'report_generate' has no event": (1, [5]),
        "a time cannot be read": (1, [6]),
    }
    assert [one.id for one in taken(path)[0]] == [one.id for one in found]


def test_an_action_may_be_told_as_json(tmp_path: Path) -> None:
    path = database(
        tmp_path / "events.db",
        "CREATE TABLE audit (timestamp INTEGER, endpoint TEXT, payload TEXT, user TEXT)",
        rows=[
            (
                "INSERT INTO audit VALUES (?, ?, ?, ?)",
                (
                    T0 * 1000,
                    "/api/event/start",
                    '{"system_id": "Logger 3", "event_id": "x", "note": "hi", "list": [1]}',
                    "kim",
                ),
            )
        ],
    )
    ((event,), _) = taken(path)
    assert (event.type, event.subject, event.time_us) == ("window.started", "Logger 3", T0)
    assert (event.data, event.extensions) == ({"event_id": "x", "note": "hi"}, {"operator": "kim"})


def test_a_time_is_read_however_it_was_kept() -> None:
    numbers = [T0 / 1e6, T0 // 1_000_000, T0 // 1000, T0, T0 * 1000, f"{T0 // 1000}"]
    texts = ["2026-01-15T12:00:00Z", "2026-01-15 12:00:00", "2026-01-15T13:00:00+01:00"]
    assert [instant(value, UTC) for value in (*numbers, *texts)] == [T0] * 9


def test_a_time_without_a_zone_is_of_the_zone_that_is_said() -> None:
    assert instant("2026-01-15T13:00:00", ZoneInfo("Europe/Berlin")) == T0


@given(
    st.lists(
        st.sampled_from(["id", "ts", "action", "system_id", "event_id", "note", "location", "payload"]),
        unique=True,
    ),
    st.lists(st.none() | st.integers() | st.floats() | st.text() | st.binary(), min_size=8, max_size=8),
)
def test_whatever_stands_in_a_row_it_is_an_event_or_a_problem(columns: list[str], values: list[Any]) -> None:
    table = recognise("t", columns)
    if table is None:
        return
    try:
        found = events(table, dict(zip(columns, values, strict=False)), SOURCE, UTC)
    except NotUnderstoodError:
        pass
    else:
        assert found == events(table, dict(zip(columns, values, strict=False)), SOURCE, UTC)


def test_tables_are_known_by_their_columns() -> None:
    kinds = {
        ("ts", "action", "system_id"): Kind.LOG,
        ("system_id", "event_id", "started_at", "ended_at"): Kind.WINDOWS,
        ("id", "system_id", "event_id", "msg", "created_at"): Kind.NOTES,
        ("system_id", "location", "updated_at"): Kind.LOCATIONS,
        ("provider", "month_key", "count"): Kind.TILES,
        ("system_id", "colour"): None,
        (): None,
    }
    for columns, kind in kinds.items():
        table = recognise("t", columns)
        assert (None if table is None else table.kind) == kind


def test_what_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"SQLite format 3\0" + bytes(200))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        taken(tmp_path / "events.db")
