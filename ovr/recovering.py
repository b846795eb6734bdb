"""`ovr journal recover`: what a node has lost, back from the cloud."""

import hashlib
import logging
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from bus import anchor, envelope, uplink_checkpoint
from bus.journal import JournalReader
from bus.journal_writer import SqliteJournal
from bus.remote import RemoteReader
from ovr.node import Node
from ovr.uplink import settings
from schemas.errors import TransientError
from uplink import recover as recovery
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
    said = settings(node)
    data = node.layout.data
    checkpoint = uplink_checkpoint.load(data)
    user = said.cloud.username or said.node_id
    with (
        closing(SqliteJournal(node.layout.journal)) as journal,
        closing(RemoteReader(said.cloud, f"{user}-recover", own=True)) as cloud,
    ):
        head = journal.head()
        after = recovery.begin_at(checkpoint, journal.hash_at)
        found = list(recovery.missing(cloud, after, journal, said.node_id))
        known = anchor.load(data / "recorder" / "head.json")
        last = known.position if known and known.incarnation == head.incarnation else 0
        missing = recovery.nowhere(found, head, _restored(journal), last)
        if dry_run:
            same, anew = recovery.foreseen(head.position, found)
            return {"same": same, "anew": anew, "missing": missing, "photos": 0, "photos_missing": []}
        outcome = recovery.bring_back(journal, found, said.node_id)
        photos, lost = _photos(journal, data / "photos", said)
    recovered = tuple(dict.fromkeys((*checkpoint.recovered, *outcome.incarnations)))
    uplink_checkpoint.save(data, replace(checkpoint, recovered=recovered))
    return {
        "same": outcome.same,
        "anew": outcome.anew,
        "missing": missing,
        "photos": photos,
        "photos_missing": lost,
    }


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
