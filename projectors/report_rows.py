"""Writing the index of reports, and choosing what is to be done next.

Rules that must stay true here:
- what was asked for and what the journal told of it is written with the checkpoint; what became of the work
  is written when it is done, so that work which a crash took is done again;
- every statement may be repeated.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bus.envelope import Event
from projectors.report_index import NAME
from projectors.report_lines import OPERATOR, Gone
from projectors.report_names import directory, folder
from projectors.report_requests import Asked

MAKE, PDF, SEND = "make", "pdf", "send"
MAIL: Final = "mail"
MOST_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Job:
    """Work to be done for one report.

    Attributes:
        kind: make the document and what is served at once, or print one of its folders.
        position: of the report's request.
        said: what the worker needs to know.
        attempt: 1 for the first.
    """

    kind: str
    position: int
    said: Mapping[str, Any]
    attempt: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A report that is to be sent to somebody.

    Attributes:
        position: of the report's request.
        channel: mail or webhook.
        said: what the worker needs to know.
        attempt: 1 for the first.
    """

    position: int
    channel: str
    recipient: str
    said: Mapping[str, Any]
    attempt: int
    kind: str = SEND

    @property
    def key(self) -> tuple[int, str, str]:
        """What tells it from others, whatever the attempt."""
        return self.position, self.channel, self.recipient


def add(db: sqlite3.Connection, event: Event, asked: Asked) -> None:
    """Note that a report was asked for."""
    where = f"{NAME}/{directory(asked.event_id, event.time_us, f'{event.source} {event.id}')}"
    if asked.system_id is not None:
        where += f"/{folder(asked.system_id)}"
    from_us, to_us = asked.span or (None, None)
    db.execute(
        "INSERT OR IGNORE INTO report (position, source, id, scope, event_id, system_id, from_us, to_us,"
        " revision, reason, cut_position, requested_us, directory)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.position,
            event.source,
            event.id,
            event.data["scope"],
            asked.event_id,
            asked.system_id,
            from_us,
            to_us,
            asked.revision,
            asked.reason,
            asked.cut,
            event.time_us,
            where,
        ),
    )


def told(db: sqlite3.Connection, event: Event) -> None:
    """Note that the journal holds that a report was made."""
    data = event.data
    db.execute(
        "UPDATE report SET told_position = ?, told_us = ?, told_sha256 = ?, revision = ?"
        " WHERE id = ? AND told_position IS NULL",
        (event.position, event.time_us, data["sha256"], data["revision"], data.get("request", "")),
    )


def told_before(db: sqlite3.Connection, job: Job) -> bool:
    """Tell whether an earlier revision of the same is there, which went to whoever gets it."""
    said = job.said
    found = db.execute(
        "SELECT 1 FROM report WHERE position < ? AND state = 'ready' AND reason <> ?"
        " AND event_id = ? AND system_id IS ? AND (system_id IS NULL OR from_us = ?)",
        (job.position, OPERATOR, said["event_id"], said["system_id"], said["from_us"]),
    )
    return found.fetchone() is not None


def withdraw(db: sqlite3.Connection, gone: Gone) -> None:
    """Note that what reports are about never was."""
    db.execute(
        "UPDATE report SET withdrawn = 1 WHERE event_id = ? AND system_id IS ?"
        " AND (? IS NULL OR from_us = ?)",
        (gone.event_id, gone.system_id, gone.system_id, gone.from_us),
    )


def next_make(db: sqlite3.Connection, resting: Collection[int]) -> Job | None:
    """Choose a report to make: the oldest that nobody was told of, or else the newest to be made again."""
    rows = db.execute(
        "SELECT position, attempts, source, id, scope, event_id, system_id, from_us, to_us, revision, reason,"
        " cut_position, directory FROM report WHERE state IN ('requested', 'making')"
        " ORDER BY told_position IS NOT NULL, iif(told_position IS NULL, position, -position)"
    )
    for position, attempts, *values in rows:
        if position in resting:
            continue
        names = ("source", "id", "scope", "event_id", "system_id", "from_us", "to_us", "revision", "reason")
        said = dict(zip((*names, "cut", "directory"), values, strict=True))
        return Job(MAKE, position, {**said, "position": position}, attempts + 1)
    return None


def next_pdf(db: sqlite3.Connection, resting: Collection[int]) -> Job | None:
    """Choose a folder to print: what a person waits for, events, systems, parts of events; oldest first."""
    rows = db.execute(
        "SELECT p.position, p.folder, p.attempts, r.directory FROM pdf p JOIN report r USING (position)"
        " WHERE p.state = 'waiting' AND r.state = 'ready'"
        " ORDER BY p.folder <> '', r.reason <> ?, r.scope, p.position, p.folder",
        (OPERATOR,),
    )
    for position, name, attempts, path in rows:
        if position not in resting:
            return Job(PDF, position, {"directory": path, "folder": name}, attempts + 1)
    return None


def next_parcel(db: sqlite3.Connection, resting: Collection[tuple[int, str, str]]) -> Parcel | None:
    """Choose a report to send: mail goes when there is a PDF, or will never be one."""
    rows = db.execute(
        "SELECT d.position, d.channel, d.recipient, d.attempts, r.id, r.scope, r.event_id, r.system_id,"
        " r.revision, r.directory, r.sha256, r.reason"
        " FROM delivery d JOIN report r USING (position)"
        " LEFT JOIN pdf p ON p.position = d.position AND p.folder = ''"
        " WHERE d.state = 'waiting' AND r.state = 'ready' AND (d.channel <> 'mail' OR p.state <> 'waiting')"
        " ORDER BY d.position, d.channel DESC, d.recipient"
    )
    for position, channel, recipient, attempts, *values in rows:
        if (position, channel, recipient) in resting:
            continue
        names = ("id", "scope", "event_id", "system_id", "revision", "directory", "sha256", "reason")
        said = dict(zip(names, values, strict=True)) | {"channel": channel, "recipient": recipient}
        return Parcel(position, channel, recipient, said, attempts + 1)
    return None


def begun(db: sqlite3.Connection, job: Job) -> None:
    """Note that a report is being made."""
    db.execute("UPDATE report SET state = 'making' WHERE position = ?", (job.position,))


def made(db: sqlite3.Connection, job: Job, result: Mapping[str, Any]) -> None:
    """Note that a report is there."""
    db.execute(
        "UPDATE report SET state = 'ready', error = NULL, sha256 = ?, totals = ?, changed = ?, made = ?,"
        " from_us = coalesce(from_us, ?), to_us = coalesce(to_us, ?) WHERE position = ?",
        (
            result["sha256"],
            orjson.dumps(result["totals"]).decode(),
            orjson.dumps(result["changed"]).decode(),
            orjson.dumps(result["made"]).decode(),
            result["from_us"],
            result["to_us"],
            job.position,
        ),
    )
    db.execute("DELETE FROM pdf WHERE position = ?", (job.position,))
    db.executemany(
        "INSERT INTO pdf (position, folder) VALUES (?, ?)", [(job.position, one) for one in result["folders"]]
    )


def printed(db: sqlite3.Connection, job: Job) -> None:
    """Note that a PDF is there."""
    db.execute(
        "UPDATE pdf SET state = 'ready', error = NULL WHERE position = ? AND folder = ?",
        (job.position, job.said["folder"]),
    )


def failed(db: sqlite3.Connection, job: Job, error: str, *, for_good: bool) -> None:
    """Note that work failed; for good, it is kept with its reason until somebody asks for it again."""
    if job.kind == MAKE:
        db.execute(
            "UPDATE report SET state = ?, attempts = ?, error = ? WHERE position = ?",
            ("failed" if for_good else "requested", job.attempt, error, job.position),
        )
    else:
        db.execute(
            "UPDATE pdf SET state = ?, attempts = ?, error = ? WHERE position = ? AND folder = ?",
            ("failed" if for_good else "waiting", job.attempt, error, job.position, job.said["folder"]),
        )


def address(db: sqlite3.Connection, position: int, recipients: Iterable[tuple[str, str]]) -> None:
    """Note to whom a report goes, each once."""
    db.executemany(
        "INSERT OR IGNORE INTO delivery (position, channel, recipient) VALUES (?, ?, ?)",
        [(position, channel, recipient) for channel, recipient in recipients],
    )


def delivered(db: sqlite3.Connection, parcel: Parcel, error: str | None, *, for_good: bool) -> None:
    """Note what became of sending."""
    state = "done" if error is None else "failed" if for_good else "waiting"
    db.execute(
        "UPDATE delivery SET state = ?, attempts = ?, error = ?"
        " WHERE position = ? AND channel = ? AND recipient = ?",
        (state, parcel.attempt, error, parcel.position, parcel.channel, parcel.recipient),
    )


def figures(db: sqlite3.Connection) -> dict[str, Any]:
    """Count what waits and what failed, with the newest failure's reason."""
    states = dict(db.execute("SELECT state, count(*) FROM report WHERE state <> 'ready' GROUP BY state"))
    (pdfs,) = db.execute("SELECT count(*) FROM pdf WHERE state = 'waiting'").fetchone()
    (unprinted,) = db.execute("SELECT count(*) FROM pdf WHERE state = 'failed'").fetchone()
    (unsent,) = db.execute("SELECT count(*) FROM delivery WHERE state = 'failed'").fetchone()
    newest = db.execute(
        "SELECT event_id, error FROM report WHERE state = 'failed' ORDER BY position DESC LIMIT 1"
    ).fetchone()
    return {
        "to_make": states.get("requested", 0) + states.get("making", 0),
        "to_print": pdfs,
        "failed": states.get("failed", 0),
        "unprinted": unprinted,
        "unsent": unsent,
        "failure": None if newest is None else f"{newest[0]}: {newest[1]}",
    }
