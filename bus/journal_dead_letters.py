"""Messages that could not be recorded, kept beside the journal with their reasons, and bounded.

The same message refused again is counted, not kept twice; beyond `KEPT` the oldest go.
"""

import hashlib
import sqlite3
from collections.abc import Sequence

from bus.journal import DeadLetter

KEPT = 2000
LONGEST = 65_536


def bury(db: sqlite3.Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep letters inside the caller's transaction."""
    for letter in letters:
        digest = hashlib.sha256(f"{letter.client}\n{letter.topic}\n".encode() + letter.payload).digest()[:16]
        db.execute(
            "INSERT INTO dead_letter VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + 1, received_us = excluded.received_us",
            (
                digest,
                letter.received_us,
                letter.client,
                letter.topic,
                letter.payload[:LONGEST],
                letter.reason,
                letter.field,
                letter.hint,
            ),
        )
    if letters:
        db.execute(
            "DELETE FROM dead_letter WHERE digest IN"
            " (SELECT digest FROM dead_letter ORDER BY received_us DESC LIMIT -1 OFFSET ?)",
            (KEPT,),
        )


def exhume(db: sqlite3.Connection, limit: int = 100) -> list[tuple[DeadLetter, int]]:
    """Return the newest dead letters, each with how often it came."""
    rows = db.execute(
        "SELECT received_us, client, topic, payload, reason, field, hint, count"
        " FROM dead_letter ORDER BY received_us DESC LIMIT ?",
        (limit,),
    )
    return [(DeadLetter(*row[:7]), row[7]) for row in rows]
