"""What the recorder does first: notice a journal that was restored, wiped or swapped, and record the loss.

A restore from a backup may ask for it as well: on another machine nothing else would tell.
"""

import logging
from pathlib import Path
from typing import Any

import orjson

from bus import anchor, envelope, ids, instants
from bus.anchor import Loss
from bus.envelope import Envelope
from bus.intake import SITE
from bus.journal import Entry, Head
from bus.journal_writer import SqliteJournal

log = logging.getLogger(__name__)

TYPE = "journal.restored"
_ASKED = "restored.json"


def note(journal: SqliteJournal, copy_path: Path, source: str) -> int:
    """Compare the journal with the copy of its head; begin a new incarnation when events were lost.

    Args:
        journal: as it was found.
        copy_path: where the copy of the head is kept.
        source: the recorder's, for the event that tells the loss.

    Returns:
        The position up to which the live stream was published.
    """
    copy, head = anchor.load(copy_path), journal.head()
    asked = _asked(copy_path, head)
    hash_at_copy = journal.hash_at(copy.position) if copy else None
    loss = anchor.loss(copy, head, hash_at_copy, journal.highest_ever())
    if loss is None and asked is None:
        return min(copy.position, head.position) if copy else head.position
    if loss is not None:
        log.warning("the journal was restored: positions %d to %d are lost", loss.first, loss.last)
    previous = head.incarnation if loss is None else loss.incarnation
    note, incarnation = asked or (None, None)
    _record(journal, source, _said(loss, previous, journal.begin_incarnation(incarnation), note))
    copy_path.with_name(_ASKED).unlink(missing_ok=True)
    return head.position


def ask(directory: Path, head: Head, note: str, incarnation: str) -> None:
    """Ask the recorder to begin a new incarnation behind a head, because the journal comes from a backup.

    Args:
        directory: where the copy of the head is kept.
        head: the restored journal's.
        note: where it comes from, in words.
        incarnation: the new one's name, which read models that came along know already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    said = {
        "position": head.position,
        "hash": head.hash.hex(),
        "note": note,
        "incarnation": incarnation,
    }
    (directory / _ASKED).write_bytes(orjson.dumps(said))


def _asked(copy_path: Path, head: Head) -> tuple[str, str] | None:
    """Return where the journal comes from, and its next incarnation; None when nobody asked for one here."""
    try:
        said = orjson.loads(copy_path.with_name(_ASKED).read_bytes())
        same = (said["position"], said["hash"]) == (head.position, head.hash.hex())
        return (str(said["note"]), str(said["incarnation"])) if same else None
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _said(loss: Loss | None, previous: str, incarnation: str, asked: str | None) -> dict[str, Any]:
    said = {"previous_incarnation": previous, "incarnation": incarnation}
    if loss is None:
        return {**said, "reason": "restore", "note": str(asked)}
    note = f"the lost events were of journal {loss.journal}" + (f"; {asked}" if asked else "")
    return {
        **said,
        "lost_from": loss.first,
        "lost_to": loss.last,
        "reason": "behind_anchor" if asked is None else "restore",
        "note": note,
    }


def _record(journal: SqliteJournal, source: str, data: dict[str, Any]) -> None:
    now_us = instants.now_us()
    fact = Envelope(ids.uuid7(now_us), source, TYPE, SITE, now_us, data)
    entry = Entry("recorder", source, fact.id, TYPE, SITE, now_us, envelope.encode(fact))
    journal.append([entry], recorded_us=now_us)
