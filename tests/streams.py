"""Making streams of events for tests of projectors."""

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus import envelope
from bus.envelope import Envelope
from bus.journal import Entry, Journal

BASE_US = 1_795_000_000_000_000
S = 1_000_000


@dataclass(frozen=True)
class Said:
    """One event to be recorded; `at_s` is when it happened, in seconds after the beginning of all tests."""

    type: str
    subject: str
    at_s: float
    data: Mapping[str, Any]
    id: str | None = None

    def entry(self, number: int) -> Entry:
        """Make it ready for a journal; without an id of its own it is `e<number>`."""
        id_ = self.id or f"e{number}"
        time_us = BASE_US + round(self.at_s * S)
        said = Envelope(id_, "/test/stream", self.type, self.subject, time_us, self.data)
        stream = None
        if self.type == "sample.taken":
            stream = f"{self.data['kind']}/{self.data['interval_ms']}"
        return Entry(
            "tester", said.source, id_, self.type, self.subject, time_us, envelope.encode(said), stream
        )


def sample(subject: str, at_s: float, value: float, *, kind: str = "victron", interval_ms: int = 500) -> Said:
    """Take a sample of one reading."""
    data = {"kind": kind, "interval_ms": interval_ms, "values": {"ac_out_power_w": value}}
    return Said("sample.taken", subject, at_s, data)


def record(journal: Journal, said: Sequence[Said], *, recorded_s: float | None = None) -> None:
    """Append events; each is recorded one second after it happened, or all at one time."""
    first = journal.head().position + 1
    for number, one in enumerate(said, first):
        at_s = one.at_s + 1 if recorded_s is None else recorded_s
        journal.append([one.entry(number)], recorded_us=BASE_US + round(at_s * S))


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Read all tables of a SQLite file, rows sorted."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {
            name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in names.fetchall()
        }
