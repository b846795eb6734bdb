"""The durable queue of a sender: everything that is not confirmed yet, in the order in which it came.

Two tiers: a file with the oldest items and memory with the newest. Rules that must stay true here:
- everything in the file is older than everything in memory, whatever fails;
- a fact (any event but a sample) is on the disk before `put` returns, and is never dropped;
- a sample waits in memory and goes to the file when it is not confirmed after two seconds: writes wear flash;
- what `take` has handed out may be numbered already, so it is never dropped, not even by a later process: the
  file notes how far that goes; only `confirm` removes it;
- when the bounds are reached the oldest samples go, and `samples.dropped` says so in their place;
- the recorder trusts nothing here: an older, restored or cloned file only sends again what it knows by id.
"""

import logging
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

from bus import envelope, ids
from bus.envelope import Envelope
from bus.outbox_file import DamageError, OutboxFile
from bus.outbox_items import DISK_FULL, OUTBOX_FULL, Account, Dropped, Item, OutboxLimits, account, pack
from bus.outbox_memory import OutboxMemory, place
from schemas.errors import OvrError, TransientError

__all__ = ["Item", "Outbox", "OutboxFull", "OutboxLimits"]

log = logging.getLogger(__name__)

_SPILL_AFTER_S = 2.0
_FORGET_AFTER_S = 1.0
_MOST_DROPPED_AT_ONCE = 20_000
_NOTED_AHEAD = 5_000


class OutboxFull(TransientError):  # noqa: N818 - named for what it says
    """So many facts wait for the recorder that another one cannot be taken."""


class Outbox:
    """Holds events until they are confirmed; safe to use from several threads.

    Attributes:
        dropped: samples dropped since this process began.
        fault: why the file cannot be written at the moment; None when it can.
        closed: nothing more is taken or handed out.
    """

    def __init__(
        self, path: Path, limits: OutboxLimits | None = None, new_id: Callable[[], str] = ids.uuid7
    ) -> None:
        self.dropped = 0
        self.fault: str | None = None
        self.closed = False
        self._limits = limits or OutboxLimits()
        self._new_id = new_id
        self._lock = threading.Lock()
        self._file = OutboxFile(path)
        self._memory = OutboxMemory(self._limits)
        self._last = max(self._file.last, self._file.numbered)
        self._taken = self._confirmed = self._forgotten = self._lost = 0
        self._accounts: dict[str, Account] = {}
        self._retry_at_s = self._forget_at_s = 0.0

    def put(self, event: Envelope, now_s: float) -> int:
        """Take an event and return its place; a fact is on the disk when this returns.

        Raises:
            InputError: the event can never be sent.
            OutboxFull: too many facts wait already.
            TransientError: the disk is full or fails, or the outbox is closed; the fact was not taken.
        """
        return self.put_all((event,), now_s)

    def put_all(self, events: Sequence[Envelope], now_s: float) -> int:
        """Take events in their order, all or none, with one write when there are facts among them.

        Returns:
            The place of the last one.

        Raises:
            InputError: one of them can never be sent.
            OutboxFull: too many facts wait already.
            TransientError: as `put`.
        """
        with self._lock:
            if self.closed:
                raise TransientError("the outbox is closed")
            items = [pack(event, self._last + n, now_s) for n, event in enumerate(events, start=1)]
            if not all(item.sample for item in items):
                self._keep(items)
            else:
                for item in items:
                    self._memory.add(item)
            self._last += len(items)
            if self._memory.full:
                self._spill(now_s)
            return self._last

    def take(self, limit: int, size_limit: int) -> list[Item]:
        """Hand out the oldest items not handed out before, at least one if there is one."""
        with self._lock:
            items: list[Item] | None = None
            if self.closed:
                return []
            if self._taken < self._file.last:
                items = self._from_file(limit, size_limit)
                if items is None:
                    return []
            items = items or self._memory.page(self._taken, limit, size_limit)
            if items:
                self._taken = items[-1].n
            return items

    def confirm(self, items: Sequence[Item]) -> None:
        """Remove items that the recorder has confirmed: the oldest ones handed out, in order."""
        with self._lock:
            lost = bisect_right(items, self._lost, key=place)
            stored = bisect_right(items, self._file.last, lo=lost, key=place)
            self._file.confirm(items[lost:stored])
            self._confirmed = items[-1].n
            self._memory.confirm(self._confirmed)

    def waiting(self) -> list[Item]:
        """List the facts that are not confirmed."""
        with self._lock:
            if self.closed:
                return []
            stored = self._file.page(self._confirmed, self._file.count, self._limits.file_bytes)
            return [item for item in (*stored, *self._memory.items) if not item.sample]

    def tick(self, now_s: float) -> None:
        """Write to the file what has waited long enough, and remove what is confirmed."""
        with self._lock:
            if self.closed:
                return
            waiting = self._memory.items
            if waiting and now_s - waiting[0].held_s >= _SPILL_AFTER_S:
                self._spill(now_s)
            stored = min(self._confirmed, self._file.last)
            if stored > self._forgotten and now_s >= self._forget_at_s:
                self._forget_at_s = now_s + _FORGET_AFTER_S
                self._attempt(lambda: self._write((), durable=False), now_s)
                self._attempt(self._file.shrink, now_s)

    @property
    def pending(self) -> int:
        """Count what is not confirmed."""
        return self._file.count + len(self._memory.items)

    @property
    def last(self) -> int:
        """Give the place of the newest event ever put."""
        return self._last

    @property
    def confirmed(self) -> int:
        """Give the place up to which everything is confirmed, as far as this process knows."""
        return self._last if self.pending == 0 else self._confirmed

    def close(self) -> None:
        """Write memory to the file and unlock it.

        Raises:
            TransientError: the disk is full or fails; samples still in memory are lost.
        """
        with self._lock:
            if self.closed:
                return
            self.closed = True
            try:
                self._write(self._memory.items, durable=True)
                self._memory.clear()
            finally:
                self._file.close()

    def _from_file(self, limit: int, size_limit: int) -> list[Item] | None:
        """Read on in the file; None when it cannot be read now, and nothing newer may go first."""
        try:
            items = self._file.page(self._taken, limit, size_limit)
            if items and items[-1].n > self._file.numbered:
                self._note_numbered(items[-1].n)
        except DamageError as error:
            self._replace_file(error)
        except OvrError as error:
            self._note(str(error))
        else:
            return items
        return None

    def _note_numbered(self, upto: int) -> None:
        """Write down, somewhat ahead of time, what is handed out, so that no later process drops it.

        A full disk takes no note and must not stop sending: nothing leaves the file before it takes one.
        """
        ahead = min(_NOTED_AHEAD, self._limits.events // 100)
        try:
            with self._file.transaction(durable=False):
                self._file.note_numbered(min(upto + ahead, self._file.last))
        except DamageError:
            raise
        except TransientError as error:
            self._note(str(error))

    def _keep(self, items: Sequence[Item]) -> None:
        facts = self._file.count - self._file.samples
        if facts + sum(not item.sample for item in items) > self._limits.most_facts:
            raise OutboxFull(
                f"{facts:,} events wait in the outbox and none may be dropped: bring the recorder back, "
                "then try again"
            )
        self._write([*self._memory.items, *items], durable=True)
        self._memory.clear()

    def _spill(self, now_s: float) -> None:
        if now_s >= self._retry_at_s and self._attempt(
            lambda: self._write(self._memory.items, durable=False), now_s
        ):
            self._memory.clear()
        elif self._memory.full:
            self._drop_from_memory()

    def _attempt(self, write: Callable[[], None], now_s: float) -> bool:
        try:
            write()
        except OvrError as error:
            self._note(str(error))
            self._retry_at_s = now_s + _SPILL_AFTER_S
            return False
        self._note(None)
        return True

    def _note(self, fault: str | None) -> None:
        if fault is not None and self.fault is None:
            log.warning("%s; samples wait in memory meanwhile", fault)
        elif fault is None and self.fault is not None:
            log.info("the outbox can be used again")
        self.fault = fault

    def _replace_file(self, error: DamageError) -> None:
        self._lost = max(self._lost, self._file.last)
        self._file.move_aside(error)
        self._accounts.clear()

    def _write(self, items: Sequence[Item], *, durable: bool) -> None:
        try:
            self._commit(items, durable=durable)
        except DamageError as error:
            self._replace_file(error)
            self._commit(items, durable=durable)

    def _commit(self, items: Sequence[Item], *, durable: bool) -> None:
        with self._file.transaction(durable=durable):
            self._file.forget(self._confirmed)
            self._file.note_numbered(self._taken)
            self._file.add(items)
            dropped, accounts = self._make_room()
        self._forgotten = self._confirmed
        self._book(dropped, accounts)

    def _make_room(self) -> tuple[int, dict[str, Account]]:
        """Drop the oldest samples from the file while it exceeds its bounds; inside a transaction."""
        dropped, accounts = 0, self._open_accounts(OUTBOX_FULL)
        while self._file.samples and (samples := self._surplus()):
            news = account(samples, accounts, OUTBOX_FULL)
            bodies = {new.n: self._file.body(new.n) for new in news.values()}
            self._file.drop(samples)
            for subject in accounts.keys() & news.keys():
                self._file.remove_account(accounts[subject].n)
            self._file.add([self._notice(new, bodies[new.n]) for new in news.values()])
            dropped, accounts = dropped + len(samples), accounts | news
        return dropped, accounts

    def _surplus(self) -> list[Dropped]:
        """Choose what must go from the file: a tenth of the exceeded bound."""
        limits, file = self._limits, self._file
        events = limits.events // 10 + 1 if file.count > limits.events else 0
        size = limits.file_bytes // 10 + 1 if file.size > limits.file_bytes else 0
        chosen: list[Dropped] = []
        if events or size:
            for sample in file.oldest_samples(self._numbered):
                chosen.append(sample)
                events, size = events - 1, size - sample.size
                if (events <= 0 and size <= 0) or len(chosen) >= _MOST_DROPPED_AT_ONCE:
                    break
        return chosen

    def _drop_from_memory(self) -> None:
        """Drop the oldest samples from memory, when the disk does not take them."""
        known = self._open_accounts(DISK_FULL)
        earlier = {subject: account for subject, account in known.items() if account.n > self._file.last}
        dropped, news = self._memory.drop(self._numbered, earlier, self._notice)
        self._book(dropped, known | news)

    @property
    def _numbered(self) -> int:
        """Give the place up to which items may have been numbered, by us or by an earlier process."""
        return max(self._taken, self._file.numbered)

    def _open_accounts(self, reason: str) -> dict[str, Account]:
        """Give the accounts that no one has been handed, so that a newer one may take them over."""
        return {
            subject: known
            for subject, known in self._accounts.items()
            if known.n > self._numbered and known.reason == reason
        }

    def _notice(self, news: Account, newest: bytes) -> Item:
        source = str(envelope.load(newest)["source"])
        return pack(news.to_event(self._new_id(), source), news.n)

    def _book(self, dropped: int, accounts: dict[str, Account]) -> None:
        if dropped:
            self.dropped += dropped
            self._accounts = accounts
            log.warning("the outbox is full: dropped the oldest %d samples, %d so far", dropped, self.dropped)
