"""Asking the state's tables: what is, what was noted, what to offer; each in a short transaction."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson

from bus.instants import SECOND_US, text
from web.api.reading import Stores

_MOST_SUGGESTED = 200


def position(stores: Stores) -> int:
    """Return up to where in the journal the state holds."""
    row = stores.state().execute("SELECT position FROM checkpoint").fetchone()
    return int(row[0]) if row else 0


def aliases(stores: Stores) -> dict[str, str]:
    """Return other names of systems, and the system each stands for."""
    return dict(stores.state().execute("SELECT alias, system_id FROM aliases").fetchall())


def active(stores: Stores, system_id: str | None) -> dict[str, str]:
    """Return, by system, the event it takes part in now."""
    rows = stores.state().execute(
        "SELECT system_id, event_id FROM systems WHERE event_id IS NOT NULL"
        " AND (? IS NULL OR system_id = ?) ORDER BY event_started_us",
        (system_id, system_id),
    )
    return dict(rows.fetchall())


def status(stores: Stores, system_id: str | None, now_us: int) -> list[dict[str, Any]]:
    """Describe systems as they are."""
    rows = stores.state().execute(
        "SELECT s.system_id, s.name, s.kind, s.event_id, s.event_started_us, s.location, s.lat, s.lon,"
        " s.node,"
        " (SELECT max(time_us) FROM latest_samples l WHERE l.system_id = s.system_id),"
        " (SELECT count(*) FROM active_alarms a WHERE a.system_id = s.system_id)"
        " FROM systems s WHERE ? IS NULL OR s.system_id = ? ORDER BY s.system_id",
        (system_id, system_id),
    )
    return [_status(row, now_us) for row in rows.fetchall()]


def _status(row: tuple[Any, ...], now_us: int) -> dict[str, Any]:
    system_id, name, kind, event_id, started_us, location, lat, lon, node, sampled_us, alarms = row
    return {
        "system_id": system_id,
        "name": name,
        "kind": kind,
        "active": event_id is not None,
        "event_id": event_id,
        "started_at": _text(started_us),
        "location": location,
        "lat": lat,
        "lon": lon,
        "time": _text(sampled_us),
        "age_s": None if sampled_us is None else round(max(0, now_us - sampled_us) / SECOND_US, 3),
        "alarms": alarms,
        "node": node or None,
    }


def known(stores: Stores, system_id: str) -> bool:
    """Tell whether anything was ever said of a system."""
    found = stores.state().execute("SELECT 1 FROM systems WHERE system_id = ?", (system_id,)).fetchone()
    return found is not None


def registered(stores: Stores) -> list[dict[str, Any]]:
    """Describe systems as they were registered."""
    db = stores.state()
    names: dict[str, list[str]] = {}
    for alias, system_id in db.execute("SELECT alias, system_id FROM aliases ORDER BY alias").fetchall():
        names.setdefault(system_id, []).append(alias)
    rows = db.execute("SELECT system_id, name, kind, registration FROM systems ORDER BY system_id").fetchall()
    return [
        {
            **(orjson.loads(registration) if registration else {}),
            "system_id": system_id,
            "name": name,
            "kind": kind,
            "aliases": names.get(system_id, []),
        }
        for system_id, name, kind, registration in rows
    ]


def suggestions(stores: Stores) -> tuple[list[str], list[str]]:
    """Return events and locations that were named, the newest first."""
    db = stores.state()
    events = db.execute(
        "SELECT event_id FROM windows GROUP BY event_id ORDER BY max(started_us) DESC LIMIT ?",
        (_MOST_SUGGESTED,),
    )
    places = db.execute(
        "SELECT name FROM locations GROUP BY name ORDER BY max(time_us) DESC LIMIT ?", (_MOST_SUGGESTED,)
    )
    return [row[0] for row in events.fetchall()], [row[0] for row in places.fetchall()]


def notes(stores: Stores, system_id: str | None, event_id: str | None, limit: int) -> list[dict[str, Any]]:
    """Return notes, the newest first."""
    rows = _within_events(
        stores.state(), "notes_in_windows", "position, system_id, event_id, time_us, client, text",
        system_id, event_id, limit,
    )  # fmt: skip
    return [
        {
            "position": position,
            "system_id": system,
            "event_id": event,
            "time": text(time_us),
            "client": client,
            "msg": said,
        }
        for position, system, event, time_us, client, said in rows
    ]


def photos(stores: Stores, system_id: str | None, event_id: str | None, limit: int) -> list[dict[str, Any]]:
    """Return photos, the newest first."""
    names = (
        "position, system_id, event_id, time_us, client, sha256, media_type, caption, bytes, width, height"
    )
    rows = _within_events(stores.state(), "photos_in_windows", names, system_id, event_id, limit)
    found = [dict(zip(names.split(", "), row, strict=True)) for row in rows]
    return [{**one, "time": text(one.pop("time_us")), "url": f"/api/photos/{one['sha256']}"} for one in found]


def media_type(stores: Stores, sha256: str) -> str | None:
    """Return what a photo is, as it was said of it."""
    row = stores.state().execute("SELECT media_type FROM photos WHERE sha256 = ?", (sha256,)).fetchone()
    return None if row is None else str(row[0])


def verdicts(
    stores: Stores, positions: Iterable[int], system_id: str | None = None
) -> dict[int, dict[str, Any]]:
    """Return, by position, what facts about windows came to, for a system or for the first of several."""
    wanted = list(positions)
    marks = ",".join("?" * len(wanted))
    rows = stores.state().execute(
        "SELECT position, verdict, counts_us, event_id, corrected_by FROM outcomes"  # noqa: S608 - marks only
        f" WHERE position IN ({marks}) AND (? IS NULL OR system_id = ?) ORDER BY system_id DESC",
        (*wanted, system_id, system_id),
    )
    return {
        row[0]: {
            "verdict": row[1],
            "counts_at": text(row[2]),
            "event_id": row[3],
            "corrected_by": row[4],
        }
        for row in rows.fetchall()
    }


def came_to(stores: Stores, at: int) -> list[tuple[str, str, str | None]] | None:
    """Return the system, verdict and event of each that a fact about windows concerns.

    None while the state is not there yet.
    """
    if position(stores) < at:
        return None
    rows = stores.state().execute(
        "SELECT o.system_id, o.verdict, o.event_id FROM (SELECT DISTINCT system_id FROM node_systems) AS s"
        " CROSS JOIN outcomes AS o ON o.system_id = s.system_id AND o.position = ?"
        " LEFT JOIN windows AS w ON w.system_id = o.system_id AND w.ended_by = o.position"
        " ORDER BY w.started_us, o.system_id",
        (at,),
    )
    return rows.fetchall()


def parts(stores: Stores, event_id: str) -> list[tuple[str, int, int | None]]:
    """Return the windows of an event: system, start, end."""
    rows = stores.state().execute(
        "SELECT system_id, started_us, ended_us FROM windows WHERE event_id = ?", (event_id,)
    )
    return rows.fetchall()


def events(stores: Stores, limit: int) -> list[dict[str, Any]]:
    """Describe events, the newest first."""
    rows = stores.state().execute(
        "SELECT event_id, min(started_us), max(ended_us), count(*) > count(ended_us),"
        " count(DISTINCT system_id) FROM windows GROUP BY event_id ORDER BY 4 DESC, 2 DESC LIMIT ?",
        (limit,),
    )
    return [
        {
            "event_id": event_id,
            "active": bool(active),
            "started_at": text(started_us),
            "ended_at": None if active else _text(ended_us),
            "systems": systems,
        }
        for event_id, started_us, ended_us, active, systems in rows.fetchall()
    ]


def streams(stores: Stores, systems: Collection[str]) -> dict[str, list[tuple[str, int, Mapping[str, Any]]]]:
    """Return kind, interval in ms and values of the newest samples of systems."""
    rows = stores.state().execute(
        "SELECT system_id, kind, interval_ms, data FROM latest_samples"
        " WHERE system_id IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(systems)).decode(),),
    )
    found: dict[str, list[tuple[str, int, Mapping[str, Any]]]] = {}
    for system_id, kind, interval_ms, data in rows.fetchall():
        values = orjson.loads(data).get("values") or {}
        found.setdefault(system_id, []).append((kind, interval_ms, values))
    return found


def kinds(stores: Stores, system_id: str) -> list[str]:
    """Return the kinds of samples that a system takes."""
    rows = stores.state().execute(
        "SELECT DISTINCT kind FROM latest_samples WHERE system_id = ? ORDER BY kind", (system_id,)
    )
    return [row[0] for row in rows.fetchall()]


def _within_events(
    db: sqlite3.Connection, view: str, columns: str, system_id: str | None, event_id: str | None, limit: int
) -> list[tuple[Any, ...]]:
    rows = db.execute(
        f"SELECT {columns} FROM {view} WHERE (? IS NULL OR system_id = ?) AND (? IS NULL OR event_id = ?)"  # noqa: S608 - our words only
        " GROUP BY position ORDER BY time_us DESC, position DESC LIMIT ?",
        (system_id, system_id, event_id, event_id, limit),
    )
    return rows.fetchall()


def _text(time_us: int | None) -> str | None:
    return None if time_us is None else text(time_us)
