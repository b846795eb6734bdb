"""A journal in memory: the contract's second implementation, and a stand-in where disks do not matter."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from bus import ids
from bus.envelope import Recorded
from bus.journal import GENESIS, DeadLetter, Duplicate, Entry, Head, Held, Verdict, chain
from bus.journal_verify import verify


class MemoryJournal:
    """Keeps everything in lists."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self.dead: list[DeadLetter] = []
        self._streams: dict[int, str] = {}
        self._once: dict[tuple[str, str], int] = {}
        self._journal, self._incarnation = ids.uuid7(), ids.token()

    def head(self) -> Head:
        last = self.events[-1] if self.events else None
        return Head(
            self._journal, self._incarnation, last.position if last else 0, last.hash if last else GENESIS
        )

    def append(
        self,
        entries: Sequence[Entry],
        *,
        recorded_us: int,
        dead_letters: Sequence[DeadLetter] = (),
        deliveries: Mapping[int, bytes] | None = None,  # noqa: ARG002 - the contract's, for brokers
        held: Sequence[Held] = (),  # noqa: ARG002 - the contract's, for uplinks
    ) -> list[Recorded | Duplicate]:
        answers: list[Recorded | Duplicate] = []
        for entry in entries:
            known = self._once.get((entry.source, entry.id))
            answers.append(Duplicate(known) if known else self._record(entry, recorded_us))
        self.dead += dead_letters
        return answers

    def _record(self, entry: Entry, recorded_us: int) -> Recorded:
        head = self.head()
        position = head.position + 1
        event = Recorded(
            position,
            recorded_us,
            entry.client,
            entry.source,
            entry.id,
            entry.type,
            entry.subject,
            entry.time_us,
            entry.body,
            chain(head.hash, position, recorded_us, entry.client, entry.body),
        )
        self.events.append(event)
        self._once[entry.source, entry.id] = position
        if entry.stream is not None:
            self._streams[position] = entry.stream
        return event

    def read(
        self,
        after: int = 0,
        *,
        limit: int | None = None,
        upto: int | None = None,
        subjects: Collection[str] | None = None,
        types: Collection[str] | None = None,
        clients: Collection[str] | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> Iterator[Recorded]:
        found = (
            event
            for event in self.events[after:upto]
            if (subjects is None or event.subject in subjects)
            and (types is None or event.type in types)
            and (clients is None or event.client in clients)
            and (since_us is None or event.time_us >= since_us)
            and (until_us is None or event.time_us < until_us)
        )
        for count, event in enumerate(found):
            if limit is not None and count >= limit:
                return
            yield event

    def newest_samples(self, upto: int) -> Iterator[Recorded]:
        newest: dict[tuple[str, str], Recorded] = {}
        for event in self.events[:upto]:
            stream = self._streams.get(event.position)
            if stream is not None:
                key = (event.subject, stream)
                if key not in newest or event.time_us >= newest[key].time_us:
                    newest[key] = event
        return iter(sorted(newest.values(), key=lambda event: event.position))

    def hash_at(self, position: int) -> bytes | None:
        return self.events[position - 1].hash if 0 < position <= len(self.events) else None

    def verify(self) -> Verdict:
        return verify(iter(self.events), self.head(), len(self.events))

    def begin_incarnation(self) -> str:
        self._incarnation = ids.token()
        return self._incarnation

    def tamper(self, position: int, body: bytes) -> None:
        self.events[position - 1] = replace(self.events[position - 1], body=body)

    def close(self) -> None:
        pass
