"""Making a report: reads what it is about, lets the reporter make documents, and lays the files down.

Rules that must stay true here:
- whoever waits hears of every half day that was read: only what hangs is silent;
- the same journal, cut, request, settings and software give the same bytes of data.json;
- of an event one system's samples and document are in hand at a time, whatever the number of systems;
- a directory appears whole or not at all, and takes the place of the one that a making before left.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import orjson

from bus import instants
from bus.envelope import Event
from bus.journal import JournalReader
from projectors.archive_reader import ArchiveReader
from projectors.report_facts import Part, Wanted, event_facts, first_cut, parts, system_facts
from projectors.report_files import laid_down
from projectors.report_names import folder
from projectors.report_past import Past
from projectors.samples import Recent
from projectors.window_samples import AROUND_US, WindowSamples
from reporter import event_report as whole
from reporter import system_report as single
from reporter.event_members import SystemPart
from reporter.facts import Document, MadeFrom, ReportSettings, SystemFacts
from reporter.profile import profile
from reporter.render import DATA, files
from reporter.track import Track
from reporter.wanted import EVERY
from schemas.errors import InputError
from schemas.registry import Registry

Progress = Callable[[int, int], None]
_BULKY: Final = ("curve", "phase_curves", "soc_curve")


@dataclass(frozen=True, slots=True)
class Sources:
    """What reports are made from.

    Attributes:
        settings: by event_id, what the site wants.
        attendance: by event_id, how many people came.
    """

    reader: JournalReader
    archive: ArchiveReader | None
    photos: Path
    settings: Callable[[str], ReportSettings]
    attendance: Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class Made:
    """A report that was made.

    Attributes:
        folders: those that hold a document, below the report's directory; the report itself is ``.
    """

    document: Document
    sha256: str
    from_us: int
    to_us: int
    folders: tuple[str, ...]
    systems: tuple[tuple[str, str], ...]

    def told(self) -> dict[str, Any]:
        """Tell of it what the index and the stream want to know, as JSON."""
        made_from = self.document["made_from"]
        quality = self.document["quality"]
        return {
            "sha256": self.sha256,
            "totals": _totals(self.document),
            "changed": self.document["changed"],
            "made": {
                "provisional": self.document["provisional"],
                "coverage_pct": quality.get("coverage_pct"),
                "grade": quality.get("grade"),
                "systems": [{"system_id": one, "folder": where} for one, where in self.systems],
            },
            "from_us": self.from_us,
            "to_us": self.to_us,
            "folders": list(self.folders),
            "journal_hash": made_from["journal_hash"],
            "incarnation": made_from["incarnation"],
        }


def make(
    sources: Sources,
    wanted: Wanted,
    cut: int,
    target: Path,
    root: Path,
    progress: Progress,
    *,
    longest_us: int | None = None,
) -> Made:
    """Make a report of one system or of a whole event.

    Args:
        sources: what it is made from.
        wanted: what is asked for.
        cut: the position up to which it counts.
        target: its directory; what is there is replaced.
        root: the directory of all reports.
        progress: told again and again how many systems are done, and of how many.
        longest_us: no window or span may be longer; None for any.

    Raises:
        InputError: there is nothing that it could be about, or it is too long.
        TransientError: the journal or the disk is in the way.
    """
    past = Past(sources.reader, Registry.load(), cut, wanted.position)
    about = parts(past, wanted)
    if not about:
        raise InputError(
            "nothing_to_report",
            "event_id",
            f"no window of {wanted.event_id!r} has any length up to position {cut}",
        )
    if longest_us is not None:
        _check_length(about, longest_us)
    progress(0, len(about))
    settings = sources.settings(wanted.event_id)
    maker = _Maker(sources, past, wanted, about, settings, progress)
    with laid_down(root, target) as directory:
        if wanted.system_id is not None:
            made = maker.system(about[0], directory)
        else:
            made = maker.event(about, directory)
    return made


def _check_length(about: Sequence[Part], longest_us: int) -> None:
    longest = max(about, key=lambda part: part.to_us - part.from_us)
    days, most = (
        (of_us / instants.SECOND_US / 86_400) for of_us in (longest.to_us - longest.from_us, longest_us)
    )
    if days > most:
        raise InputError(
            "span_too_long",
            "from",
            f"{days:.0f} days of {longest.system_id}: a node makes reports of at most {most:.0f} days;"
            " ask for shorter spans, or let `ovr report … -o DIR` make one where there is more memory",
        )


def documents(sources: Sources, wanted: Wanted, cut: int) -> Iterator[tuple[Part, Document]]:
    """Make the documents of all systems that a report is about, one after the other, and no files."""
    past = Past(sources.reader, Registry.load(), cut, wanted.position)
    settings = sources.settings(wanted.event_id)
    about = parts(past, wanted)
    maker = _Maker(sources, past, wanted, about, settings)
    for part in about:
        yield part, maker.document(part)


class _Maker:
    """Makes the documents of one request."""

    def __init__(
        self,
        sources: Sources,
        past: Past,
        wanted: Wanted,
        about: Sequence[Part],
        settings: ReportSettings,
        progress: Progress = lambda _done, _total: None,
    ) -> None:
        self._sources = sources
        self._done, self._total = 0, len(about)
        self._progress = progress
        self._past = past
        self._wanted = wanted
        self._settings = settings
        self._made_from = _made_from(past, sources.reader, settings)
        self._samples = WindowSamples(
            sources.reader, sources.archive, settings, past.cut, _recent(sources, past, about), self._tell
        )

    def _tell(self) -> None:
        self._progress(self._done, self._total)

    def system(self, part: Part, directory: Path) -> Made:
        happened = self._happened([part])
        _, document, _ = self._part(part, happened)
        return Made(
            document,
            self._write(document, directory),
            part.from_us,
            part.to_us,
            ("",),
            ((part.system_id, ""),),
        )

    def document(self, part: Part) -> Document:
        return self._part(part, self._happened([part]))[1]

    def event(self, about: Sequence[Part], directory: Path) -> Made:
        happened = self._happened(about)
        found: list[SystemPart] = []
        facts: list[SystemFacts] = []
        systems: list[tuple[str, str]] = []
        for part in about:
            one, document, power = self._part(part, happened)
            where = folder(part.system_id, part.number)
            self._write(document, directory / where)
            minutes = profile(part.system_id, power)
            found.append(SystemPart(_slim(document), minutes, f"{where}/report.html"))
            facts.append(one)
            systems.append((part.system_id, where))
        told = event_facts(
            self._past,
            self._wanted,
            facts,
            happened,
            self._made_from,
            self._sources.attendance(self._wanted.event_id),
        )
        document = whole.event_report(found, told, self._settings)
        sha256 = self._write(document, directory)
        folders = ("", *(where for _, where in systems))
        return Made(document, sha256, told.from_us, told.to_us, folders, tuple(systems))

    def _happened(self, about: Sequence[Part]) -> Mapping[str, Sequence[Event]]:
        first = min(about, key=lambda part: part.from_us)
        exact = first.window is not None and first.window.started_us == first.from_us
        started_by = first.window.started_by if exact and first.window is not None else None
        found = self._past.happened(
            first.from_us,
            max(part.to_us for part in about),
            started_by,
            _subjects(self._past, about),
            remarks_of_all=self._wanted.system_id is None,
        )
        self._tell()
        return found

    def _part(
        self, part: Part, happened: Mapping[str, Sequence[Event]]
    ) -> tuple[SystemFacts, Document, Track]:
        names = self._past.recorded_names(part.system_id)
        first = first_cut(self._past, self._wanted, part)
        window = self._samples.read(names, part.from_us, part.to_us, first)
        facts = replace(
            system_facts(self._past, self._wanted, part, happened, self._made_from),
            late_samples=window.late,
        )
        standing = single.stand(window.samples, facts, self._settings)
        return facts, single.document(standing), standing.power

    def _write(self, document: Document, directory: Path) -> str:
        """Write all files of a document but the PDF; return the hash of its JSON."""
        shown = {one["sha256"]: self._sources.photos / one["sha256"] for one in document["photos"]}
        there = {sha256: path for sha256, path in shown.items() if path.is_file()}
        made = files(document, there, self._tell)
        for name, body in made.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        self._done = min(self._done + 1, self._total)
        self._tell()
        return hashlib.sha256(made[DATA]).hexdigest()


def _recent(sources: Sources, past: Past, about: Sequence[Part]) -> Recent | None:
    """Read what is not archived yet of all systems of a report at once."""
    subjects = _subjects(past, about)
    since_us = min((part.from_us for part in about), default=0) - AROUND_US
    until_us = max((part.to_us for part in about), default=0) + AROUND_US
    return Recent.read(sources.reader, sources.archive, subjects, since_us, until_us, past.cut, EVERY)


def _subjects(past: Past, about: Sequence[Part]) -> set[str]:
    return {name for part in about for name in past.recorded_names(part.system_id)}


def _slim(document: Document) -> Document:
    """Leave out of a system's document what an event's report does not look at and what grows with time."""
    kept = {name: value for name, value in document.items() if name not in _BULKY}
    return kept | {"demand": {**document["demand"], "blocks": []}}


def _made_from(past: Past, reader: JournalReader, settings: ReportSettings) -> MadeFrom:
    said = orjson.dumps(asdict(settings), option=orjson.OPT_SORT_KEYS)
    return MadeFrom(
        journal=reader.head().journal,
        incarnation=past.incarnation(),
        cut_position=past.cut,
        journal_hash=(reader.hash_at(past.cut) or bytes(32)).hex(),
        software=metadata.version("ovr"),
        configuration_sha256=hashlib.sha256(said).hexdigest(),
    )


def _totals(document: Document) -> dict[str, float | None]:
    return single.totals(document) if document["scope"] == "system" else whole.totals(document)
