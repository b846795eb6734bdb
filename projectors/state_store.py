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
from projectors.fleet import Fleet, Node
from projectors.nodes import HERE
from projectors.state_fold import Changes, State
from projectors.state_rows import Values
from projectors.state_system import Alarm, AlarmKey, Device, Stamped, System
from projectors.windows import Windows

Rows = dict[str, list[Values]]
_OF_A_SYSTEM = (
    "node_systems",
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


def write(db: sqlite3.Connection, fleet: Fleet) -> list[tuple[str, str, Windows]]:
    """Write what changed; return what windows that were folded anew had been, by node and system."""
    for system_id, name in sorted(fleet.displaced):
        db.execute("DELETE FROM node_systems WHERE system_id = ? AND node = ?", (system_id, name))
    fleet.displaced.clear()
    before: list[tuple[str, str, Windows]] = []
    for name, node in fleet.nodes.items():
        before += ((name, *one) for one in _write_state(db, node.state, name))
    changed = sorted(fleet.changed - {HERE})
    told = [state_rows.node_row(name, fleet.nodes[name]) for name in changed if name in fleet.nodes]
    gone = [(name,) for name in changed if name not in fleet.nodes]
    db.executemany("DELETE FROM nodes WHERE node = ?", gone)
    db.executemany("INSERT OR REPLACE INTO nodes VALUES (?,?,?,?,?,?,?,?,?,?)", told)
    fleet.changed.clear()
    return before


def _write_state(db: sqlite3.Connection, state: State, node: str) -> list[tuple[str, Windows]]:
    changes, known = state.changes, state.systems
    rows: Rows = defaultdict(list)
    if changes.joined:
        _join(db, state.aliases, changes.joined, node)
        rows["aliases"] += state.aliases.known().items()
    _write_log(db, state, node)
    before = state.fold()
    for system_id, windows in before:
        _replace(db, system_id, state, windows, rows)
    own = (changes.seen | changes.stale) & known.keys()
    rows["node_systems"] += (state_rows.system_row(n, known[n]) for n in own)
    rows["latest_samples"] += (
        state_rows.sample_row(n, s, known[n].samples[s])
        for n, s in changes.samples
        if n in known and s in known[n].samples
    )
    rows["devices"] += (
        state_rows.device_row(n, d, known[n].devices[d]) for n, d in changes.devices if n in known
    )
    rows["alarms"] += (
        state_rows.alarm_row(n, k, known[n].alarms[k]) for n, k in changes.alarms if n in known
    )
    _put(db, rows, node)
    state.changes = Changes()
    return before


def write_log(db: sqlite3.Connection, fleet: Fleet) -> None:
    """Write what no later event changes, but for the system it is about: the audit log, notes and photos."""
    for name, node in fleet.nodes.items():
        _write_log(db, node.state, name)


def _write_log(db: sqlite3.Connection, state: State, node: str) -> None:
    rows: Rows = defaultdict(list)
    for event in state.changes.log:
        for table, row in state_rows.log_rows(state.aliases.resolve(event.subject), event):
            rows[table].append(row)
    state.changes.log.clear()
    _put(db, rows, node)


def _join(db: sqlite3.Connection, aliases: Aliases, joined: Sequence[str], node: str) -> None:
    """Give what was written under aliases to their systems."""
    for alias in joined:
        for table in _OF_A_SYSTEM:
            db.execute(f"DELETE FROM {table} WHERE system_id = ? AND node = ?", (alias, node))  # noqa: S608 - our tables
        for table in _ABOUT_A_SYSTEM:
            db.execute(
                f"UPDATE {table} SET system_id = ? WHERE system_id = ? AND node = ?",  # noqa: S608 - our tables
                (aliases.resolve(alias), alias, node),
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


def _put(db: sqlite3.Connection, rows: Rows, node: str) -> None:
    """Insert rows of a node, each in the place of the one with its key."""
    for table, of_table in rows.items():
        if of_table:
            marks = ",".join("?" * (len(of_table[0]) + 1))
            whole = [(*row, node) for row in of_table]
            db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", whole)  # noqa: S608 - our tables


def load(db: sqlite3.Connection) -> Fleet:
    """Read the state that is saved."""
    fleet = Fleet()
    for name, incarnation, brought_us, restored, *places in db.execute(
        "SELECT node, incarnation, brought_us, restored, facts_recorded_us, facts_position,"
        " progressed_recorded_us, progressed_position FROM nodes"
    ):
        fleet.nodes[name] = _node(incarnation, *places, brought_us=brought_us, restored=restored)
    aliases: dict[str, dict[str, str]] = defaultdict(dict)
    for alias, system_id, node in db.execute("SELECT alias, system_id, node FROM aliases"):
        aliases[node][alias] = system_id
    for node, of_node in aliases.items():
        fleet.node(node).state.aliases = Aliases(of_node)
    for system_id, node in db.execute("SELECT system_id, node FROM node_systems"):
        fleet.node(node).state.systems[system_id] = System()
    facts = db.execute(
        "SELECT node, position, recorded_us, client, source, id, type, system_id, time_us, data"
        " FROM audit_log"
    )
    for node, position, recorded_us, client, source, id_, type_, system_id, time_us, data in facts:
        fleet.node(node).state.recall(
            Event(position, recorded_us, client, source, id_, type_, system_id, time_us, orjson.loads(data))
        )
    _load_latest(db, fleet)
    for of_fleet in fleet.nodes.values():
        of_fleet.state.fold()
        of_fleet.state.changes = Changes()
    return fleet


def _load_latest(db: sqlite3.Connection, fleet: Fleet) -> None:
    """Read samples, devices and alarms: what is kept of each is the newest."""
    for *key, node, time_us, position, data, node_position, node_us in db.execute(
        "SELECT system_id, kind, interval_ms, node, time_us, position, data, node_position, node_recorded_us"
        " FROM latest_samples"
    ):
        sample = Stamped(time_us, position, orjson.loads(data), node_position, node_us)
        fleet.node(node).state.systems[key[0]].samples[key[1], key[2]] = sample
    for system_id, name, connected, *rest, node in db.execute("SELECT * FROM devices"):
        system = fleet.node(node).state.systems[system_id]
        system.told = True
        system.devices[name] = Device(
            _stamped(*rest[:3]), None if connected is None else bool(connected), _stamped(*rest[3:])
        )
    alarms = db.execute(
        "SELECT node, system_id, type, name, device, part, cleared_us, cleared_position, raised, seen"
        " FROM alarms"
    )
    for node, system_id, *key, cleared_us, cleared_by, raised, seen in alarms:
        alarm_key: AlarmKey = (key[0], key[1], key[2], key[3])
        system = fleet.node(node).state.systems[system_id]
        system.told = True
        system.alarms[alarm_key] = Alarm(
            {said[1]: Stamped(*said) for said in orjson.loads(raised)},
            None if cleared_us is None else Stamped(cleared_us, cleared_by, {}),
            None if seen is None else Stamped(*orjson.loads(seen)),
        )


def _node(incarnation: str, *places: int, brought_us: int, restored: str | None) -> Node:
    said = None if restored is None else Stamped(*orjson.loads(restored))
    return Node(State(), incarnation, (places[0], places[1]), (places[2], places[3]), brought_us, said)


def _stamped(data: str | None, time_us: int, position: int) -> Stamped | None:
    return None if data is None else Stamped(time_us, position, orjson.loads(data))
