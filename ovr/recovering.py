"""`ovr journal recover`: what a node has lost, back from the cloud."""

import hashlib
import logging
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from bus import anchor, envelope, restored, uplink_checkpoint
from bus.journal import Head, JournalReader
from bus.journal_writer import SqliteJournal
from bus.remote import RemoteReader
from ovr.node import Node
from ovr.uplink import settings
from schemas.errors import TransientError
from uplink import recover as recovery
from uplink.found import Spool
from uplink.photos import fetch
from uplink.shared import Settings

log = logging.getLogger(__name__)


def recover(node: Node, *, dry_run: bool = False) -> dict[str, Any]:
    """Bring back what the cloud has of this node and its journal has not.

    Returns:
        `same` and `anew`: how many events got their old positions, and how many new ones; `missing`: what the
        cloud never had, first and last positions; `photos`: how many came back; `photos_missing`: which not.

    Raises:
        ConfigurationError: the node runs, or no cloud is configured.
        TransientError: the cloud cannot be asked.
    """
    said, data = settings(node), node.layout.data
    checkpoint = uplink_checkpoint.load(data)
    user = said.cloud.username or said.node_id
    with (
        closing(SqliteJournal(node.layout.journal)) as journal,
        closing(RemoteReader(said.cloud, f"{user}-recover", own=True)) as cloud,
        Spool(node.layout.run / "recovering.sqlite") as found,
    ):
        after = recovery.begin_at(checkpoint, journal.hash_at, cloud.head())
        found.add(recovery.missing(cloud, after, journal, said.node_id))
        facts = known(journal, found, anchor.directory(node.layout.recorder))
        told = {"missing": [(gone.first, gone.last) for gone in facts.gone]}
        if dry_run:
            same = recovery.continuing(journal.head(), found)
            return {"same": same, "anew": len(found) - same, **told, "photos": 0, "photos_missing": []}
        outcome = bring_back(journal, found, said.node_id, facts, node.layout.recorder)
        recovered = {**checkpoint.recovered, **asked_back(journal, found)}
        uplink_checkpoint.save(data, replace(checkpoint, recovered=recovered))
        photos, lost = _photos(journal, data / "photos", said)
    return {
        "same": outcome.same,
        "anew": outcome.anew,
        **told,
        "photos": photos,
        "photos_missing": lost,
    }


def bring_back(
    journal: SqliteJournal, found: Spool, node_id: str, known: recovery.Known, recorder: Path
) -> recovery.Outcome:
    """Append what was found; where that begins a new life, `recorder` is not to notice a loss once more."""
    copy = anchor.directory(recorder)

    def begun(head: Head) -> None:
        anchor.save(copy, head)
        restored.fulfilled(copy)

    return recovery.bring_back(journal, found, node_id, known, begun)


def known(journal: SqliteJournal, found: Spool, copy_path: Path) -> recovery.Known:
    """Gather what is known of the journal, from its own past and from the copy of its head."""
    head, copy = journal.head(), anchor.load(copy_path)
    last = journal.highest_ever()
    if copy is not None and (copy.journal, copy.incarnation) == (head.journal, head.incarnation):
        last = max(last, copy.position)
    gone = recovery.nowhere(found, head, _restored(journal), last)
    return recovery.Known(gone, last, restored.asked(copy_path, journal))


def asked_back(journal: JournalReader, found: Spool) -> dict[str, tuple[int, str]]:
    """Note the lives that ended: the journal has now what the cloud had of them, found now or before."""
    head = journal.head()
    ended = {str(data.get("previous_incarnation")) for _, data in _restored(journal)}
    place = head.position, head.hash.hex()
    return dict.fromkeys(sorted({*found.lives, *ended} - {head.incarnation}), place)


def _restored(journal: JournalReader) -> list[tuple[int, Mapping[str, Any]]]:
    found = journal.read(types=["journal.restored"])
    return [(event.position, envelope.decode(event.body).data) for event in found]


def _photos(journal: JournalReader, directory: Path, said: Settings) -> tuple[int, list[str]]:
    """Fetch the photos that events name and that are not here."""
    back, lost = 0, list[str]()
    for sha256 in dict.fromkeys(recovery.photos_of(journal.read(types=["photo.added"]))):
        path = directory / sha256
        if path.exists():
            continue
        try:
            body = fetch(said, sha256)
        except TransientError as error:
            log.warning("photo %s: %s", sha256[:12], error)
            body = None
        if body is None or hashlib.sha256(body).hexdigest() != sha256:
            lost.append(sha256)
            continue
        directory.mkdir(parents=True, exist_ok=True)
        part = directory / f".part-{sha256}"
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        back += 1
    return back, lost
