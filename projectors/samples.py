"""Samples of one system: from the archive up to its checkpoint, from the journal from there on.

Rules that must stay true here:
- what comes out depends on the journal, the span and the position alone, never on how far the archive is;
  only samples that the journal has erased are nowhere but in the archive;
- a system is what its recorded names stand for at that position: aliases registered later are not known.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bus import instants
from bus.envelope import Recorded
from bus.journal import JournalReader, check_place
from bus.naming import about
from projectors.aliases import REGISTERED, Aliases
from projectors.archive_reader import Archived, ArchiveReader
from projectors.events import SAMPLE, EventReader
from projectors.nodes import name_of, plain
from projectors.sample_blocks import Block, only, streams, within
from projectors.sample_rows import GatheredSamples, SampleReader
from reporter.columns import Samples
from schemas.errors import InputError
from schemas.registry import Registry

log = logging.getLogger(__name__)

AROUND_US: Final = 60 * instants.SECOND_US
_MOST_CELLS: Final = 6_000_000


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
    recorded: Sequence[str] | None = None,
    recent: "Recent | None" = None,
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
        recorded: the names under which it was recorded; None to look them up.
        recent: what was read before of the newest samples, this system's and this span's among them.

    Raises:
        ConfigurationError: the archive was made from another journal, or a file of it is damaged.
        TransientError: the journal cannot be read now.
    """
    upto = reader.head().position if upto is None else upto
    since_us, until_us = since_us - around_us, until_us + around_us
    subjects = recorded_names(reader, system_id, upto) if recorded is None else recorded
    found = Archived(None)
    if archive is not None:
        most = upto if recent is None else min(upto, recent.after)
        found = archive.blocks(subjects, since_us, until_us, names=names, upto=most)
    after = 0
    if found.place is not None:
        check_place(reader, found.place, "the archive", "run `ovr rebuild archive`")
        after = found.place.position
    blocks: dict[str, list[Block]] = defaultdict(list, found.blocks)
    if recent is not None and recent.after <= after:
        for kind, block in recent.of(subjects):
            blocks[kind].append(within(only(block, names), since_us, until_us, upto))
    elif after < upto:
        if recent is not None:  # another archive serves meanwhile, which is behind
            return read_samples(
                reader, archive, system_id, since_us, until_us, names=names, upto=upto, around_us=0
            )
        for kind, block in _recorded(reader, subjects, since_us, until_us, after, upto):
            blocks[kind].append(only(block, names))
    return Samples(
        system_id, tuple(stream for kind in sorted(blocks) for stream in streams(kind, blocks[kind]))
    )


@dataclass(frozen=True, slots=True)
class Recent:
    """The samples of some systems that are not archived yet: the newest minutes, read once for all of them.

    Attributes:
        after: they were recorded behind this position.
    """

    after: int
    _blocks: Mapping[str, Sequence[tuple[str, Block]]]

    def of(self, subjects: Collection[str]) -> Iterator[tuple[str, Block]]:
        """Yield kind and rows of what was recorded under some names."""
        for subject in subjects:
            yield from self._blocks.get(subject, ())

    @classmethod
    def read(
        cls,
        reader: JournalReader,
        archive: ArchiveReader | None,
        subjects: Collection[str],
        since_us: int,
        until_us: int,
        upto: int,
        names: Collection[str],
    ) -> "Recent | None":
        """Read some measurements of them; None where they are too many, as where nothing is archived yet."""
        place = None if archive is None else archive.place()
        after = 0 if place is None else min(place.position, upto)
        gathered = GatheredSamples(_Few(names))
        for recorded in _read(reader, subjects, since_us, until_us, after, upto):
            _add(gathered, recorded)
            if gathered.cells > _MOST_CELLS:
                return None
        found: dict[str, list[tuple[str, Block]]] = defaultdict(list)
        for subject, kind, block in gathered.blocks():
            found[subject].append((kind, block))
        return cls(after, found)


class _Few(SampleReader):
    """Decodes samples to some of their measurements."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self._names = frozenset(names)

    def data(self, recorded: Recorded) -> Mapping[str, Any]:
        data = super().data(recorded)
        values = {name: value for name, value in data["values"].items() if name in self._names}
        return {**data, "values": values}


def recorded_names(reader: JournalReader, system_id: str, upto: int) -> list[str]:
    """List the names under which samples of a system were recorded up to a position, its own included."""
    events, aliases = EventReader(Registry.load()), Aliases()
    for recorded in reader.read(upto=upto, types=[REGISTERED]):
        try:
            event = events.event(recorded)
            aliases.claim(name_of(event), event.data.get("aliases", ()))
        except InputError as error:
            log.warning("position %d cannot be read: %s", recorded.position, error, extra=about(recorded))
    known = aliases.known().items()
    return sorted({system_id, *(plain(name)[0] for name, owner in known if plain(owner)[0] == system_id)})


def _recorded(
    reader: JournalReader, subjects: Collection[str], since_us: int, until_us: int, after: int, upto: int
) -> list[tuple[str, Block]]:
    gathered = GatheredSamples()
    for recorded in _read(reader, subjects, since_us, until_us, after, upto):
        _add(gathered, recorded)
    return [(kind, block) for _, kind, block in gathered.blocks()]


def _read(
    reader: JournalReader, subjects: Collection[str], since_us: int, until_us: int, after: int, upto: int
) -> Iterator[Recorded]:
    return reader.read(
        after, upto=upto, subjects=subjects, types=[SAMPLE], since_us=since_us, until_us=until_us
    )


def _add(gathered: GatheredSamples, recorded: Recorded) -> None:
    try:
        gathered.add(recorded)
    except InputError as error:
        log.warning("position %d cannot be read: %s", recorded.position, error, extra=about(recorded))
