"""How far the lanes of nodes are recorded in a journal: a table beside its events, written with them."""

import sqlite3
from collections.abc import Iterable

from bus.journal import MOST_LIVES, Head, Held


def note_held(db: sqlite3.Connection, held: Iterable[Held]) -> None:
    """Write it, inside the transaction of the events; a lane of one incarnation only moves on."""
    db.executemany(
        "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET journal = excluded.journal,"
        " position = excluded.position, hash = excluded.hash, recorded_us = excluded.recorded_us"
        " WHERE excluded.position > position",
        [
            (
                one.client,
                one.lane,
                one.place.incarnation,
                one.place.journal,
                one.place.position,
                one.place.hash,
                one.recorded_us,
            )
            for one in held
            if one.place.position
        ],
    )
    for client, lane in {(one.client, one.lane) for one in held}:
        _forget_oldest(db, client, lane)


def _forget_oldest(db: sqlite3.Connection, client: str, lane: str) -> None:
    """Keep what is needed: a node that names ever new incarnations must not fill the journal."""
    db.execute(
        "DELETE FROM held WHERE client = ? AND lane = ? AND incarnation NOT IN (SELECT incarnation FROM held"
        " WHERE client = ? AND lane = ? ORDER BY recorded_us DESC LIMIT ?)",
        (client, lane, client, lane, MOST_LIVES),
    )


def read_held(db: sqlite3.Connection) -> list[Held]:
    """Read all of it."""
    rows = db.execute(
        "SELECT client, lane, journal, incarnation, position, hash, recorded_us FROM held"
    ).fetchall()
    return [Held(client, lane, Head(*place), recorded_us) for client, lane, *place, recorded_us in rows]
