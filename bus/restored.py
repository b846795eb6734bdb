"""What the recorder does first: notice a journal that was restored, wiped or swapped, and record the loss."""

import logging
from pathlib import Path
from typing import Any

from bus import anchor, envelope, ids, instants
from bus.anchor import Loss
from bus.envelope import Envelope
from bus.intake import SITE
from bus.journal import Entry
from bus.journal_writer import SqliteJournal

log = logging.getLogger(__name__)

TYPE = "journal.restored"


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
    hash_at_copy = journal.hash_at(copy.position) if copy else None
    loss = anchor.loss(copy, head, hash_at_copy, journal.highest_ever())
    if loss is None:
        return min(copy.position, head.position) if copy else head.position
    log.warning("the journal was restored: positions %d to %d are lost", loss.first, loss.last)
    _record(journal, source, _said(loss, journal.begin_incarnation()))
    return head.position


def _said(loss: Loss, incarnation: str) -> dict[str, Any]:
    return {
        "previous_incarnation": loss.incarnation,
        "incarnation": incarnation,
        "lost_from": loss.first,
        "lost_to": loss.last,
        "reason": "behind_anchor",
        "note": f"the lost events were of journal {loss.journal}",
    }


def _record(journal: SqliteJournal, source: str, data: dict[str, Any]) -> None:
    now_us = instants.now_us()
    fact = Envelope(ids.uuid7(now_us), source, TYPE, SITE, now_us, data)
    entry = Entry("recorder", source, fact.id, TYPE, SITE, now_us, envelope.encode(fact))
    journal.append([entry], recorded_us=now_us)
