"""How far an archive is: its checkpoint, read without what reads its rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bus.journal import Head
from projectors.archive_tree import CHECKPOINT


def place_of(root: Path) -> Head | None:
    """Return the checkpoint of one archive; None when it has none."""
    try:
        with closing(sqlite3.connect(f"{(root / CHECKPOINT).as_uri()}?mode=ro", uri=True)) as db:
            db.execute("PRAGMA busy_timeout = 5000")
            row = db.execute("SELECT journal, incarnation, position, hash FROM checkpoint").fetchone()
    except sqlite3.OperationalError:
        return None  # it is being made, or was just replaced
    return None if row is None else Head(*row)
