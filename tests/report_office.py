"""Streams of windows and samples, and a workshop that makes nothing, for tests of reports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bus import envelope
from bus.envelope import Envelope
from bus.journal import Entry
from projectors.report_rows import Job, Parcel
from projectors.reports import Outcome, Reports, Wishes
from projectors.runner import Runner
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record, sample

REGISTRY = Registry.load()
SOURCE = "/edge-01/reports"


def start(at_s: float, event_id: str = "gig", system: str = "rig_01", **more: Any) -> Said:
    return Said("window.started", system, at_s, {"event_id": event_id, **more})


def end(at_s: float, system: str = "rig_01", *, id: str | None = None, **data: Any) -> Said:  # noqa: A002 - as in an envelope
    return Said("window.ended", system, at_s, data, id)


def samples(from_s: int, to_s: int, system: str = "rig_01", value: float = 1000.0) -> list[Said]:
    return [sample(system, at_s, value, interval_ms=1000) for at_s in range(from_s, to_s)]


def clock(at_s: float) -> Said:
    """Let time pass: a sample of a system that takes part in nothing."""
    return sample("host_edge", at_s, 1.0, kind="host", interval_ms=5000)


@dataclass
class Desk:
    """A workshop that is done at once, and fails as often as it is told to.

    Attributes:
        same: whether revisions after the first change nothing.
        fails: by kind of work, and by system or `event` behind it, the errors to answer with.
    """

    fails: dict[str, list[str]] = field(default_factory=dict)
    done: list[Job | Parcel] = field(default_factory=list)
    same: bool = False
    folders: tuple[str, ...] = ("",)
    _finished: list[Outcome] = field(default_factory=list)

    def free(self, kind: str) -> bool:
        del kind
        return not self._finished

    def warm(self) -> None:
        pass

    def start(self, what: Job | Parcel) -> None:
        self.done.append(what)
        if isinstance(what, Parcel):
            name = what.channel
        else:
            name = f"{what.kind} {'rig_01' if 'rig_01' in what.said['directory'] else 'event'}"
        if self.fails.get(name):
            self._finished.append(Outcome(what, error=self.fails[name].pop(0)))
        else:
            self._finished.append(Outcome(what, result=self._result(what)))

    def _result(self, what: Job | Parcel) -> Mapping[str, Any]:
        revision = what.said.get("revision", 0) if isinstance(what, Job) else 0
        return {
            "sha256": f"{revision:064d}",
            "totals": {"energy_wh": 1.5},
            "changed": []
            if revision == 1 or self.same
            else [{"figure": "energy_wh", "before": 1, "after": 1.5}],
            "made": {"provisional": False},
            "from_us": BASE_US,
            "to_us": BASE_US + S,
            "folders": list(self.folders),
            "journal_hash": "0" * 64,
            "incarnation": "abc",
        }

    def outcomes(self) -> Iterable[Outcome]:
        finished, self._finished = self._finished, []
        return finished


@dataclass
class Office:
    """A journal, the projector on it, and an outbox that leads back into the journal."""

    path: Path
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    desk: Desk = field(default_factory=Desk)
    wishes: Wishes = field(default_factory=Wishes)
    silent_upto: int = 0
    batch: int = 2000
    told: list[Envelope] = field(default_factory=list)
    projector: Reports = field(init=False)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin with what is on the disk, as after kill -9."""
        self.projector = Reports(
            self.path,
            REGISTRY,
            source=SOURCE,
            publish=self.told.append,
            silent_upto=lambda: self.silent_upto,
            workshop=self.desk,
            wishes=self.wishes,
        )
        self.runner = Runner(self.journal, self.projector, strict=True, batch=self.batch)

    def take(self, said: Sequence[Said] = ()) -> list[Envelope]:
        """Record events, fold all, record what is told, until nothing more is; return what was told."""
        record(self.journal, said)
        self.runner.finish()
        before = len(self.told)
        self.deliver(before)
        return self.told[before:] if said else self.told

    def deliver(self, since: int = 0) -> None:
        while since < len(self.told):
            event = self.told[since]
            since += 1
            REGISTRY.check(event.type, event.version, event.data)
            entry = Entry(
                "reports",
                event.source,
                event.id,
                event.type,
                event.subject,
                event.time_us,
                envelope.encode(event),
            )
            self.journal.append([entry], recorded_us=max(event.time_us, self.journal.events[-1].recorded_us))
            self.runner.finish()

    def asked(self, said: Sequence[Said]) -> list[tuple[Any, ...]]:
        """Return in short what is asked for while these are taken: subject, revision, reason, cut."""
        before = len(self.told)
        record(self.journal, said)
        self.runner.finish()
        self.deliver(before)
        return [
            (event.subject, event.data["event_id"], event.data["revision"], event.data["reason"])
            for event in self.told[before:]
            if event.type == "report.requested"
        ]

    def work(self, turns: int = 12) -> None:
        """Let the workshop do what there is, and the journal hear of it."""
        for _ in range(turns):
            before = len(self.told)
            self.now_s += 3600
            list(self.projector.messages(self.now_s))
            self.deliver(before)
