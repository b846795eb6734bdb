"""Samples of one system: from the archive up to its checkpoint, from the journal from there on.

Rules that must stay true here:
- what comes out depends on the journal, the span and the position alone, never on how far the archive is;
  only samples that the journal has erased are nowhere but in the archive;
- a system is what its recorded names stand for at that position: aliases registered later are not known.
"""

import logging
from collections import defaultdict
from collections.abc import Collection

from bus import instants
from bus.journal import JournalReader, check_place
from projectors.aliases import REGISTERED, Aliases
from projectors.archive_reader import Archived, ArchiveReader
from projectors.events import SAMPLE, EventReader
from projectors.sample_blocks import Block, only, streams
from projectors.sample_rows import GatheredSamples
from reporter.columns import Samples
from schemas.errors import InputError
from schemas.registry import Registry

log = logging.getLogger(__name__)

AROUND_US = 60 * instants.SECOND_US


def read_samples(
    reader: JournalReader,
    archive: ArchiveReader | None,
    system_id: str,
    since_us: int,
    until_us: int,
    *,
    names: Collection[str] | None = None,
    upto: int | None = None,
    around_us: int = AROUND_US,
) -> Samples:
    """Return the samples of a system in [since, until), with what lies around it.

    A measurement or flag that no row of a stream has is no column of it; a stream without rows is left out.
    Streams are sorted by (kind, interval).

    Args:
        reader: of the journal.
        archive: None reads everything from the journal.
        system_id: the system; other names that it was recorded under are found.
        since_us: the beginning.
        until_us: the end, left out.
        names: only these measurements; None for all.
        upto: only what was recorded up to this position; None for the journal's head.
        around_us: how much before the beginning and behind the end is handed over too, so that edges can be
            interpolated.

    Raises:
        ConfigurationError: the archive was made from another journal, or a file of it is damaged.
        TransientError: the journal cannot be read now.
    """
    upto = reader.head().position if upto is None else upto
    since_us, until_us = since_us - around_us, until_us + around_us
    subjects = recorded_names(reader, system_id, upto)
    found = Archived(None)
    if archive is not None:
        found = archive.blocks(subjects, since_us, until_us, names=names, upto=upto)
    after = 0
    if found.place is not None:
        check_place(reader, found.place, "the archive", "run `ovr rebuild archive`")
        after = found.place.position
    blocks: dict[str, list[Block]] = defaultdict(list, found.blocks)
    if after < upto:
        for kind, block in _recorded(reader, subjects, since_us, until_us, after, upto):
            blocks[kind].append(only(block, names))
    return Samples(
        system_id, tuple(stream for kind in sorted(blocks) for stream in streams(kind, blocks[kind]))
    )


def recorded_names(reader: JournalReader, system_id: str, upto: int) -> list[str]:
    """List the names under which samples of a system were recorded up to a position, its own included."""
    events, aliases = EventReader(Registry.load()), Aliases()
    for recorded in reader.read(upto=upto, types=[REGISTERED]):
        try:
            aliases.learn(events.event(recorded))
        except InputError as error:
            log.warning("position %d cannot be read: %s", recorded.position, error)
    return sorted({system_id, *(name for name, owner in aliases.known().items() if owner == system_id)})


def _recorded(
    reader: JournalReader, subjects: Collection[str], since_us: int, until_us: int, after: int, upto: int
) -> list[tuple[str, Block]]:
    gathered = GatheredSamples()
    for recorded in reader.read(
        after, upto=upto, subjects=subjects, types=[SAMPLE], since_us=since_us, until_us=until_us
    ):
        try:
            gathered.add(recorded)
        except InputError as error:
            log.warning("position %d cannot be read: %s", recorded.position, error)
    return [(kind, block) for _, kind, block in gathered.blocks()]
