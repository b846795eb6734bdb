"""Keeping the state in SQLite: what changed becomes rows, and rows become state again.

Rules that must stay true here:
- loading what was written gives the state that wrote it, nothing pending;
- only rows that differ are written.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

import orjson

from bus.envelope import Event
from projectors import state_rows
from projectors.aliases import Aliases
from projectors.state_fold import Changes, State
from projectors.state_rows import Values
from projectors.state_system import Alarm, AlarmKey, Device, Stamped, System
from projectors.windows import Windows

Rows = dict[str, list[Values]]
_OF_A_SYSTEM = (
    "systems",
    "windows",
    "segments",
    "locations",
    "outcomes",
    "latest_samples",
    "devices",
    "alarms",
)
_ABOUT_A_SYSTEM = ("audit_log", "notes", "photos")
_KEYS = {
    "windows": "started_by = ?",
    "segments": "started_by = ? AND segment = ?",
    "outcomes": "position = ?",
    "locations": "position = ?",
}


def write(db: sqlite3.Connection, state: State) -> list[tuple[str, Windows]]:
    """Write what changed; return what the windows that were folded anew had been."""
    changes, known = state.changes, state.systems
    rows: Rows = defaultdict(list)
    if changes.joined:
        _join(db, state.aliases, changes.joined)
        rows["aliases"] += state.aliases.known().items()
    write_log(db, state)
    before = state.fold()
    for system_id, windows in before:
        _replace(db, system_id, state, windows, rows)
    own = (changes.seen | changes.stale) & known.keys()
    rows["systems"] += (state_rows.system_row(n, known[n]) for n in own)
    rows["latest_samples"] += (
        state_rows.sample_row(n, s, known[n].samples[s]) for n, s in changes.samples if n in known
    )
    rows["devices"] += (
        state_rows.device_row(n, d, known[n].devices[d]) for n, d in changes.devices if n in known
    )
    rows["alarms"] += (
        state_rows.alarm_row(n, k, known[n].alarms[k]) for n, k in changes.alarms if n in known
    )
    _put(db, rows)
    return before


def write_log(db: sqlite3.Connection, state: State) -> None:
    """Write what no later event changes, but for the system it is about: the audit log, notes and photos."""
    rows: Rows = defaultdict(list)
    for event in state.changes.log:
        for table, row in state_rows.log_rows(state.aliases.resolve(event.subject), event):
            rows[table].append(row)
    state.changes.log.clear()
    _put(db, rows)


def _join(db: sqlite3.Connection, aliases: Aliases, joined: Sequence[str]) -> None:
    """Give what was written under aliases to their systems."""
    for alias in joined:
        for table in _OF_A_SYSTEM:
            db.execute(f"DELETE FROM {table} WHERE system_id = ?", (alias,))  # noqa: S608 - our tables
        for table in _ABOUT_A_SYSTEM:
            db.execute(
                f"UPDATE {table} SET system_id = ? WHERE system_id = ?",  # noqa: S608 - our tables
                (aliases.resolve(alias), alias),
            )


def _replace(db: sqlite3.Connection, system_id: str, state: State, before: Windows, rows: Rows) -> None:
    """Change the rows that follow from a system's windows where they differ."""
    system, shared = state.systems[system_id], state.shared
    old = state_rows.derived(system_id, system, shared, before)
    new = state_rows.derived(system_id, system, shared, system.windows)
    for table, _, first, second in old.keys() - new.keys():
        keys = (first, second) if table == "segments" else (first,)
        db.execute(
            f"DELETE FROM {table} WHERE system_id = ? AND {_KEYS[table]}",  # noqa: S608 - our tables
            (system_id, *keys),
        )
    for key, row in new.items():
        if old.get(key) != row:
            rows[key[0]].append(row)


def _put(db: sqlite3.Connection, rows: Rows) -> None:
    """Insert rows, each in the place of the one with its key."""
    for table, of_table in rows.items():
        if of_table:
            marks = ",".join("?" * len(of_table[0]))
            db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", of_table)  # noqa: S608 - our tables


def load(db: sqlite3.Connection) -> State:
    """Read the state that is saved."""
    state = State(dict(db.execute("SELECT alias, system_id FROM aliases").fetchall()))
    for (system_id,) in db.execute("SELECT system_id FROM systems").fetchall():
        state.systems[system_id] = System()
    facts = db.execute(
        "SELECT position, recorded_us, client, source, id, type, system_id, time_us, data FROM audit_log"
    )
    for position, recorded_us, client, source, id_, type_, system_id, time_us, data in facts:
        state.recall(
            Event(position, recorded_us, client, source, id_, type_, system_id, time_us, orjson.loads(data))
        )
    for system_id, kind, interval_ms, time_us, position, data in db.execute("SELECT * FROM latest_samples"):
        state.systems[system_id].samples[kind, interval_ms] = Stamped(time_us, position, orjson.loads(data))
    for system_id, name, connected, *rest in db.execute("SELECT * FROM devices"):
        state.systems[system_id].devices[name] = Device(
            _stamped(*rest[:3]), None if connected is None else bool(connected), _stamped(*rest[3:])
        )
    alarms = db.execute(
        "SELECT system_id, type, name, device, part, cleared_us, cleared_position, raised FROM alarms"
    )
    for system_id, *key, cleared_us, cleared_by, raised in alarms:
        alarm_key: AlarmKey = (key[0], key[1], key[2], key[3])
        state.systems[system_id].alarms[alarm_key] = Alarm(
            {said[1]: Stamped(*said) for said in orjson.loads(raised)},
            None if cleared_us is None else Stamped(cleared_us, cleared_by, {}),
        )
    state.fold()
    state.changes = Changes()
    return state


def _stamped(data: str | None, time_us: int, position: int) -> Stamped | None:
    return None if data is None else Stamped(time_us, position, orjson.loads(data))
