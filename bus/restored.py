"""What the recorder does first: notice a journal that was restored, wiped or swapped, and record the loss.

A restore from a backup may ask for it as well: on another machine nothing else would tell. Rules that must
stay true here:
- a new incarnation and the event that tells it are recorded together, or neither is;
- a loss is told once, though a kill may come before the copy of the head follows;
- a wish counts once: where another incarnation began behind the place that it names, nobody asks any more.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bus import anchor, envelope, ids, instants
from bus.anchor import Loss
from bus.envelope import Envelope
from bus.intake import SITE
from bus.journal import GENESIS, Entry, Head, JournalReader
from bus.journal_writer import SqliteJournal

log = logging.getLogger(__name__)

TYPE = "journal.restored"
_ASKED = "restored.json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A restore's wish for a new incarnation: where the journal comes from, in words, and a name."""

    note: str
    incarnation: str


def note(journal: SqliteJournal, copy_path: Path, source: str) -> int:
    """Compare the journal with the copy of its head; begin a new incarnation when events were lost.

    Args:
        journal: as it was found.
        copy_path: where the copy of the head is kept.
        source: the recorder's, for the event that tells the loss.

    Returns:
        The position up to which the live stream was published.
    """
    copy, head = _followed(anchor.load(copy_path), journal), journal.head()
    wish = asked(copy_path, journal)
    hash_at_copy = journal.hash_at(copy.position) if copy else None
    loss = anchor.loss(copy, head, hash_at_copy, journal.highest_ever())
    if wish is None:
        fulfilled(copy_path)  # or it was asked for in another life, or a kill came before it was forgotten
    if loss is None and wish is None:
        return min(copy.position, head.position) if copy else head.position
    if loss is not None:
        log.warning("the journal was restored: positions %d to %d are lost", loss.first, loss.last)
    previous = head.incarnation if loss is None else loss.incarnation
    incarnation = wish.incarnation if wish else ids.token()
    begin_life(journal, source, _said(loss, previous, incarnation, wish.note if wish else None))
    fulfilled(copy_path)
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


def asked(copy_path: Path, journal: JournalReader) -> Asked | None:
    """Return what a restore asks for; None when nobody asked for a new incarnation here, or it has begun."""
    try:
        said = orjson.loads(copy_path.with_name(_ASKED).read_bytes())
        wish = Asked(str(said["note"]), str(said["incarnation"]))
        position, hash_ = said["position"], said["hash"]
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None
    known = journal.hash_at(position) if position else GENESIS
    is_past = known is not None and known.hex() == hash_
    return wish if is_past and _beginning(journal, position) is None else None


def _followed(copy: Head | None, journal: JournalReader) -> Head | None:
    """Let a copy of the life before be one of this life's beginning, which tells already what is lost."""
    head = journal.head()
    begun = None if copy is None or copy.incarnation == head.incarnation else _beginning(journal)
    if copy is None or begun is None or begun[1].get("previous_incarnation") != copy.incarnation:
        return copy
    before = begun[0] - 1
    return Head(head.journal, head.incarnation, before, journal.hash_at(before) or GENESIS)


def _beginning(journal: JournalReader, after: int = 0) -> tuple[int, Mapping[str, Any]] | None:
    """Find what tells of the present incarnation: position and data; None when it is not behind `after`."""
    life = journal.head().incarnation
    for event in journal.read(after, types=[TYPE]):
        data = envelope.decode(event.body).data
        if data.get("incarnation") == life:
            return event.position, data
    return None


def fulfilled(copy_path: Path) -> None:
    """Forget what was asked for: it is done."""
    copy_path.with_name(_ASKED).unlink(missing_ok=True)


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


def begin_life(journal: SqliteJournal, source: str, data: Mapping[str, Any]) -> None:
    """Begin the incarnation that `data` of a `journal.restored` names, and record that."""
    now_us = instants.now_us()
    fact = Envelope(ids.uuid7(now_us), source, TYPE, SITE, now_us, data)
    entry = Entry("recorder", source, fact.id, TYPE, SITE, now_us, envelope.encode(fact))
    journal.begin_incarnation(str(data["incarnation"]), entry, recorded_us=now_us)
