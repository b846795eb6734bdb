"""Sealing: what old events take on disk, what it costs to move them, and how fast they are read again."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench import load
from bench.figures import Figure
from bench.processes import usage
from bus import envelope, instants
from bus.journal import Entry
from bus.journal_writer import SqliteJournal
from bus.sealing import Keeping

COUNT = 2 * Keeping().events
_BATCH = 256


def sealing(tmp: Path) -> Iterator[Figure]:
    """Fill a journal with samples, seal all of it, and read it."""
    journal = SqliteJournal(tmp / "journal", Keeping(seal_after_days=0))
    now_us = instants.now_us()
    for first in range(0, COUNT, _BATCH):
        journal.append([_entry(n, now_us) for n in range(first, first + _BATCH)], recorded_us=now_us)
    unsealed = _tables(journal)
    began, before, longest, slices = time.perf_counter(), usage(os.getpid()), 0.0, 0
    while True:
        at = time.perf_counter()
        if not journal.tidy(now_us + 1_000_000):
            break
        longest, slices = max(longest, time.perf_counter() - at), slices + 1
    spent, seconds = usage(os.getpid()).since(before), time.perf_counter() - began
    sealed = sum(path.stat().st_size for path in (tmp / "journal" / "sealed").rglob("*.seal")) / COUNT
    tables = _tables(journal)
    yield Figure("journal on disk, before sealing", unsealed, "bytes a sample")
    yield Figure("journal on disk, sealed", tables + sealed, "bytes a sample", at_most=400)
    yield Figure("of that in tables: ids, places and hashes", tables, "bytes a sample")
    yield Figure("sealing: CPU an event", spent.cpu_s / COUNT * 1e6, "us")
    yield Figure("sealing: bytes written an event", spent.written_bytes / COUNT, "bytes")
    yield Figure("sealing: a slice, mean", seconds / slices * 1e3, "ms")
    yield Figure("sealing: a slice, longest", longest * 1e3, "ms")
    began = time.perf_counter()
    count = sum(1 for _ in journal.read())
    yield Figure("sealed events read", count / (time.perf_counter() - began), "events/s")
    journal.close()


def _entry(n: int, now_us: int) -> Entry:
    fact = load.sample(n, now_us + n)
    body = envelope.encode(fact)
    return Entry("load", fact.source, fact.id, fact.type, fact.subject, fact.time_us, body, "victron/500")


def _tables(journal: SqliteJournal) -> float:
    """Return the bytes that the tables take an event; pages that are free take the next ones."""
    with closing(sqlite3.connect(journal.path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, size = (
            db.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
    return float((pages - free) * size / COUNT)
