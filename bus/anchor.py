"""The copy of the journal's head that is kept outside the journal: how a restore is noticed.

It trails the journal by about a second. A journal that does not hold what the copy names was restored,
wiped or swapped; the copy then says which positions were lost.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from bus.journal import Head

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a restored journal no longer holds: positions `first` to `last` of an earlier incarnation."""

    journal: str
    incarnation: str
    first: int
    last: int


def save(path: Path, head: Head) -> None:
    """Replace the copy; a crash or a full disk leaves the old one or the new one."""
    draft = path.with_suffix(".new")
    said = {
        "journal": head.journal,
        "incarnation": head.incarnation,
        "position": head.position,
        "hash": head.hash.hex(),
    }
    try:
        draft.write_bytes(orjson.dumps(said))
        draft.replace(path)
    except OSError as error:
        log.warning("the copy of the journal's head is not kept at the moment: %s", error)


def load(path: Path) -> Head | None:
    """Read the copy; None when there is none, or power was lost while it was first written."""
    try:
        said = orjson.loads(path.read_bytes())
        return Head(said["journal"], said["incarnation"], said["position"], bytes.fromhex(said["hash"]))
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, ValueError, TypeError):
        return None


def loss(copy: Head | None, head: Head, hash_at_copy: bytes | None, highest_ever: int) -> Loss | None:
    """Compare the copy with the journal; None when nothing is missing.

    Args:
        copy: the head kept outside the journal.
        head: the journal's head now.
        hash_at_copy: the journal's hash at the copy's position.
        highest_ever: the greatest position that this journal's file ever gave out.
    """
    if copy is not None and copy.journal != head.journal:
        return Loss(copy.journal, copy.incarnation, 1, copy.position) if copy.position else None
    last = max(highest_ever, copy.position if copy else 0)
    if last > head.position:
        return Loss(head.journal, (copy or head).incarnation, head.position + 1, last)
    if copy is not None and copy.position and hash_at_copy != copy.hash:
        # It lost an unknown part of its past and has grown again since.
        return Loss(copy.journal, copy.incarnation, 1, copy.position)
    return None


def directory(path: Path) -> Path:
    """Make the directory that holds the copy, away from the journal's own; return the copy's path."""
    os.makedirs(path, exist_ok=True)  # noqa: PTH103 - one call that tolerates races
    return path / "head.json"
