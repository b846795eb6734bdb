"""Every write of the API: an event, in the outbox before it is answered, confirmed when it is recorded.

Rules that must stay true here:
- a request with a key (an id of the client's, or an Idempotency-Key) is one event, however often it comes and
  whatever was killed meanwhile: the id follows from the key, and outbox and journal are the only memory;
- what is answered with 200 is recorded, what is answered with 202 is on our disk, however long that took;
- the loop never waits for a disk: outbox and journal are asked in threads, of the writes alone;
- nor for a long list: many events are checked in slices.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from bus import envelope, ids, instants, system_ids
from bus.connection import Broker
from bus.envelope import Envelope
from bus.intake import Judge
from bus.sender import Rejection, Sender
from bus.topics import Intake
from projectors.events import EventReader
from schemas.errors import InputError, TransientError
from schemas.registry import Registry
from web.api.claims import SITE, Claim, id_of
from web.api.outcomes import Became, Known, Outcome, find, find_all, letter_of, outcome_of
from web.api.problems import Problem
from web.api.reading import Reading

CLIENT: Final = "web"
SLICE: Final = 10  # as many are checked in about 2 ms
_OFFLINE_S: Final = 0.5
_REFUSAL_S: Final = 1.0
_MOST_REFUSALS: Final = 1000


@dataclass(slots=True)
class _Flying:
    """An event that is not known to be recorded.

    Attributes:
        place: in the outbox; None before, and again once it was confirmed.
        keeping: puts it there; None when it is there since the start.
    """

    event: Envelope
    done: asyncio.Future[Outcome]
    place: int | None = None
    keeping: asyncio.Task[None] | None = None


class Writer:
    """Publishes for all requests; made and used in the loop's thread."""

    def __init__(
        self, broker: Broker, reading: Reading, keeping: Reading, node_id: str, aliases: Mapping[str, str]
    ) -> None:
        """Open the outbox and begin to send.

        Args:
            broker: where to.
            reading: the threads of all who read.
            keeping: threads of the writes alone: whoever reads slowly holds up none.
            node_id: names the source of the events.
            aliases: other names of systems, as configured.

        Raises:
            ConfigurationError: another process has the outbox.
        """
        self.source = f"/{node_id}/{CLIENT}"
        self.newest = 0
        self._loop = asyncio.get_running_loop()
        self._reading = reading
        self._keeping = keeping
        self._aliases = dict(aliases)
        self._registry = Registry.load()
        self._judge = Judge(self._registry, node_id, dict(aliases))
        self._events = EventReader(self._registry)
        self._flying: dict[str, _Flying] = {}
        self._refused: OrderedDict[str, Rejection] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        path = reading.stores.data / "outbox" / f"{CLIENT}.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.sender = Sender(broker, client=CLIENT, name="sender", path=path, on_progress=self._ring)
        for place, event in self.sender.waiting():
            self._flying[event.id] = _Flying(event, self._loop.create_future(), place)
        self._advance()

    def close(self) -> None:
        """Stop sending; what is not confirmed stays in the outbox."""
        for task in self._tasks:
            task.cancel()
        self.sender.close()

    @property
    def waiting(self) -> int:
        """Count what is not known to be recorded."""
        return len(self._flying)

    def learn(self, aliases: Mapping[str, str]) -> None:
        """Take over the names of systems that the state knows."""
        self._judge.aliases = {**self._aliases, **aliases}
        self._judge._canonical.clear()  # noqa: SLF001 - what it remembers was made with other aliases

    def canonical(self, typed: str) -> str:
        """Return the system that a name stands for.

        Raises:
            InputError: it can be no system's name.
        """
        if typed.strip().lower() == system_ids.ALL:
            return system_ids.ALL
        return system_ids.canonical(typed, self._judge.aliases)

    def check(self, claim: Claim) -> None:
        """Refuse what the recorder would refuse.

        Raises:
            InputError: it would.
        """
        now_us = instants.now_us()
        self._check(self._event(claim, now_us), now_us)

    async def write(self, claim: Claim, *, patience_s: float) -> Outcome:
        """Publish one event and wait for its confirmation; see `write_all`."""
        (outcome,) = await self.write_all([claim], patience_s=patience_s)
        return outcome

    async def write_all(self, claims: Sequence[Claim], *, patience_s: float) -> list[Outcome]:
        """Publish events in their order, with one write to the disk, and wait for their confirmations.

        Args:
            claims: each with another key, or none.
            patience_s: how long to wait once they are on the disk; shorter when broker or recorder are away.

        Returns:
            What became of each; those that are not confirmed in time are waiting.

        Raises:
            InputError: one cannot be recorded; none of them was taken.
            Problem: a key belongs to another event.
            TransientError: the outbox is full, or its disk; none of them was taken.
        """
        events = await self._events_of(claims)
        found = [self._flying.get(event.id) for event in events]
        new = [event for event, known in zip(events, found, strict=True) if known is None]
        begun = {event.id: _Flying(event, self._loop.create_future()) for event in new}
        for claim, event, known in zip(claims, events, found, strict=True):
            if known is not None:
                self._same(claim, event, known.event)
        self._flying |= begun  # at once: the same request may come again while we look
        flying = [self._flying[event.id] for event in events]
        if begun:
            keyed = {event.id for claim, event in zip(claims, events, strict=True) if claim.key}
            keeping = self._start(self._begin(begun, keyed))
            for one in begun.values():
                one.keeping = keeping
        await self._kept_on_disk(flying)
        outcomes = await self._wait([one.done for one in flying], patience_s)
        return [
            self._told(claim, event, one.event, outcome, again=known is not None)
            for claim, event, one, outcome, known in zip(claims, events, flying, outcomes, found, strict=True)
        ]

    async def kept(self, key: str | None) -> Envelope | None:
        """Return the event that a key stands for already."""
        if key is None:
            return None
        flying = self._flying.get(id_of(key))
        if flying is not None:
            return flying.event
        row = await self._keeping(find, self._keeping.stores, self.source, id_of(key))
        return None if row is None else envelope.decode(row.body)

    async def became(self, event_id: str) -> Outcome | None:
        """Tell what became of an event; None when we never had one of that id."""
        flying = self._flying.get(event_id)
        if flying is not None:
            with suppress(TransientError):
                await self._kept_on_disk([flying])
            flying = self._flying.get(event_id)
        if flying is not None and not flying.done.done():
            event = flying.event
            return Outcome(Became.WAITING, event.id, event.type, event.subject, event.time_us)
        recorded = await self._reading(find, self._reading.stores, self.source, event_id)
        if recorded is not None:
            return outcome_of(recorded)
        rejection = self._refused.get(event_id) or await self._reading(
            letter_of, self._reading.stores, CLIENT, event_id
        )
        if rejection is None:
            return None
        return Outcome(Became.REFUSED, event_id, rejection.type, rejection.subject, 0, rejection=rejection)

    def _event(self, claim: Claim, now_us: int) -> Envelope:
        return Envelope(
            id=ids.uuid7(now_us) if claim.key is None else id_of(claim.key),
            source=self.source,
            type=claim.type,
            subject=claim.subject if claim.subject == SITE else self.canonical(claim.subject),
            time_us=now_us if claim.time_us is None else claim.time_us,
            data=claim.data,
            version=self._registry.newest(claim.type),
            extensions=claim.extensions,
        )

    def _check(self, event: Envelope, now_us: int) -> None:
        """Refuse what the recorder would refuse, before it is kept.

        Raises:
            InputError: it would.
        """
        place = Intake(CLIENT, event.subject, event.type)
        try:
            payload = envelope.encode(event)
        except TypeError as error:
            raise InputError(
                "not_json", "data", f"send numbers and texts that JSON can hold: {error}"
            ) from error
        self._judge.judge(place, payload, now_us)

    async def _events_of(self, claims: Sequence[Claim]) -> list[Envelope]:
        """Make the events of claims, and let others have their turn between many.

        Raises:
            InputError: one of them cannot be recorded.
        """
        now_us = instants.now_us()
        events: list[Envelope] = []
        for number, claim in enumerate(claims, start=1):
            event = self._event(claim, now_us)
            self._check(event, now_us)
            events.append(event)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return events

    async def _kept_on_disk(self, flying: Sequence[_Flying]) -> None:
        """Wait until events are on the disk, or it is known why not: who waits for `done` is told that.

        Raises:
            TransientError: we end before they were.
        """
        keeping = {one.keeping for one in flying if one.keeping is not None}
        if keeping:
            await asyncio.wait(keeping)  # goes on when whoever asks goes away
            if any(one.cancelled() for one in keeping):
                raise TransientError("the node is about to stop: send it again")

    async def _begin(self, begun: Mapping[str, _Flying], keyed: set[str]) -> None:
        """Put what is not recorded yet into the outbox."""
        try:
            known = await self._keeping(
                find_all, self._keeping.stores, self.source, sorted(keyed & begun.keys())
            )
            for event_id, recorded in known.items():
                self._settle(begun[event_id], outcome_of(recorded, replayed=True))
            new = [one for one in begun.values() if one.event.id not in known]
            if new:
                last = await self._keeping(self.sender.put_all, [one.event for one in new])
                for place, one in enumerate(new, start=last - len(new) + 1):
                    one.place = place
            self._advance()
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            for one in begun.values():
                self._flying.pop(one.event.id, None)
                if not one.done.done():
                    one.done.set_exception(error)
                    one.done.exception()  # it is no surprise, also when nobody waits any more

    async def _wait(self, done: Sequence[asyncio.Future[Outcome]], patience_s: float) -> list[Outcome | None]:
        """Wait for all, not long when nobody is there who could confirm."""
        begun_s = time.monotonic()
        left = (one for one in done if not one.done())
        late = False
        while not late and (one := next(left, None)) is not None:
            while not (one.done() or late):
                await asyncio.wait({one}, timeout=0.1)
                waited_s = time.monotonic() - begun_s
                late = waited_s >= (patience_s if self.sender.online else min(patience_s, _OFFLINE_S))
        return [one.result() if one.done() else None for one in done]

    def _told(
        self, claim: Claim, asked: Envelope, kept: Envelope, outcome: Outcome | None, *, again: bool
    ) -> Outcome:
        if outcome is None:
            return Outcome(Became.WAITING, kept.id, kept.type, kept.subject, kept.time_us, replayed=again)
        if outcome.replayed:
            self._same(claim, asked, self._kept(outcome))
        return replace(outcome, replayed=True) if again else outcome

    def _kept(self, outcome: Outcome) -> Envelope:
        assert isinstance(outcome, Known)
        event = self._events.event(outcome.row)
        return Envelope(event.id, event.source, event.type, event.subject, event.time_us, event.data)

    def _same(self, claim: Claim, asked: Envelope, kept: Envelope) -> None:
        """Make sure that a key stands for the event it stood for before.

        Raises:
            Problem: it stands for another one.
        """
        time_us = kept.time_us if claim.time_us is None else claim.time_us
        one = (asked.type, self._resolve(asked.subject), time_us, dict(asked.data))
        other = (kept.type, self._resolve(kept.subject), kept.time_us, dict(kept.data))
        if one != other:
            raise Problem(
                "idempotency-key-reused",
                f"{kept.id} belongs to another request ({kept.type} of {kept.subject} at "
                f"{instants.text(kept.time_us)}): give every request an id or Idempotency-Key of its own.",
                reason="idempotency_key_reused",
            )

    def _resolve(self, subject: str) -> str:
        """Return the system that a recorded subject stands for now."""
        return system_ids.resolve(subject, self._judge.aliases)

    def _ring(self) -> None:
        """Wake the loop; called in the sender's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._advance)

    def _advance(self) -> None:
        confirmed = self.sender.confirmed
        ready = [
            one
            for one in self._flying.values()
            if one.place is not None and one.place <= confirmed and not one.done.done()
        ]
        if ready:
            for one in ready:
                one.place = None  # looked up once
            self._start(self._look_up(ready))

    async def _look_up(self, ready: Sequence[_Flying]) -> None:
        """Find what was confirmed in the journal; what is not there was refused."""
        wanted = [one.event.id for one in ready]
        while True:
            try:
                found = await self._keeping(find_all, self._keeping.stores, self.source, wanted)
                break
            except TransientError:
                await asyncio.sleep(_OFFLINE_S)
        for one in ready:
            recorded = found.get(one.event.id)
            if recorded is not None:
                self._settle(one, outcome_of(recorded))
            else:
                self._start(self._refuse(one))

    async def _refuse(self, one: _Flying) -> None:
        event = one.event
        rejection = await self._rejection(event)
        self._refused[event.id] = rejection
        if len(self._refused) > _MOST_REFUSALS:
            self._refused.popitem(last=False)
        self._settle(
            one,
            Outcome(Became.REFUSED, event.id, event.type, event.subject, event.time_us, rejection=rejection),
        )

    async def _rejection(self, event: Envelope) -> Rejection:
        until_s = time.monotonic() + _REFUSAL_S
        while time.monotonic() < until_s:
            for said in self.sender.rejected():
                if said.id == event.id:
                    return said
            letter = await self._keeping(letter_of, self._keeping.stores, CLIENT, event.id)
            if letter is not None:
                return letter
            await asyncio.sleep(0.05)
        hint = "the recorder refused the event: `ovr journal dead-letters` says why"
        return Rejection(event.id, "", event.type, event.subject, "refused", "", hint)

    def _settle(self, one: _Flying, outcome: Outcome) -> None:
        self._flying.pop(one.event.id, None)
        self.newest = max(self.newest, outcome.position or 0)
        if not one.done.done():
            one.done.set_result(outcome)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
