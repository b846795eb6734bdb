"""The sender's side of the exactly-once protocol, without any IO: what to publish, and what is confirmed.

Rules that must stay true here:
- an epoch is one numbering 1, 2, 3 … without holes of everything that is not confirmed, in order;
- a number never changes its item within an epoch, however often it is published;
- only an ack for the current epoch confirms, and it confirms everything up to its number;
- a new epoch begins when the recorder does not know ours, when its session changes, and when an ack names
  another incarnation of the journal: what this ack says then confirms nothing;
- nothing is published while the recorder is not online, nor ahead of a message that the broker refused;
- when acks stall, or the connection was lost, publishing goes back to the first item that is not confirmed.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from bus.outbox_items import Item

ONLINE = "online"


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """How far publishing may run ahead of the recorder, and how patiently.

    Attributes:
        items: numbered and not confirmed at one time; also bounded by `size` bytes.
        stall_s: without any progress for so long, publish again; twice as long each time, up to `longest_s`.
        refused_s: how long to wait after the broker refused a message; likewise.
    """

    items: int = 1_000
    size: int = 8 << 20
    stall_s: float = 2.0
    refused_s: float = 0.25
    longest_s: float = 30.0


class Window:
    """Numbers items and tells which to publish next.

    Attributes:
        epoch: the name of the current numbering.
        online: whether the recorder takes messages, as far as we know.
    """

    def __init__(self, new_epoch: Callable[[], str], limits: WindowLimits | None = None) -> None:
        self.limits = limits or WindowLimits()
        self.online = False
        self._new_epoch = new_epoch
        self.epoch = new_epoch()
        self._items: deque[Item] = deque()
        self._size = 0
        self._confirmed = 0  # the sequence before the first of `_items`
        self._published = 0  # how many of `_items` are published since the last step back
        self._session: str | None = None
        self._incarnation: str | None = None
        self._progress_s = 0.0
        self._stall_s = self.limits.stall_s
        self._resume_s = 0.0
        self._refused_s = self.limits.refused_s

    @property
    def room(self) -> int:
        """Tell how many more items may be numbered."""
        return self.limits.items - len(self._items) if self.room_size > 0 else 0

    @property
    def room_size(self) -> int:
        """Tell how many more bytes may be numbered."""
        return self.limits.size - self._size

    def number(self, items: Sequence[Item]) -> None:
        """Take items into the numbering, in order, after those it has."""
        self._items.extend(items)
        self._size += sum(item.size for item in items)

    def ready(self, limit: int, now_s: float) -> list[tuple[int, Item]]:
        """List what to publish next, with its sequence; report what was published with `sent`."""
        if not self.online or now_s < self._resume_s or limit <= 0:
            return []
        first = self._confirmed + self._published + 1
        return list(enumerate(islice(self._items, self._published, self._published + limit), start=first))

    def sent(self, count: int, now_s: float) -> None:
        """Note that the first `count` of `ready` were given to the broker."""
        if self._published == 0:
            self._progress_s = now_s
        self._published += count

    def on_ack(self, epoch: str, sequence: int, incarnation: str, now_s: float) -> list[Item]:
        """Return the items that the recorder confirms with this ack."""
        if epoch != self.epoch:
            return []
        known, self._incarnation = self._incarnation, incarnation
        if known not in {None, incarnation}:
            self._begin_epoch()
            return []
        count = sequence - self._confirmed
        if not 0 < count <= len(self._items):
            return []
        confirmed = [self._items.popleft() for _ in range(count)]
        self._confirmed = sequence
        self._size -= sum(item.size for item in confirmed)
        self._published = max(0, self._published - count)
        self._progress_s = now_s
        self._stall_s, self._refused_s = self.limits.stall_s, self.limits.refused_s
        return confirmed

    def on_unknown(self, epoch: str, incarnation: str) -> None:
        """Begin again: the recorder does not know this epoch."""
        if epoch == self.epoch:
            self._incarnation = incarnation
            self._begin_epoch()

    def on_recorder(self, status: str, session: str) -> None:
        """Note the recorder's health; the death of a session that another one followed means nothing."""
        online = status == ONLINE
        if not online and self._session not in {None, session}:
            return
        if online and self._session != session:
            if self._session is not None:
                self._begin_epoch()
            self._session = session
        if online and not self.online:
            self._go_back()
        self.online = online

    def on_disconnected(self) -> None:
        """Forget what was under way; the recorder's health comes again with the next connection."""
        self.online = False
        self._go_back()

    def on_refused(self, epoch: str, sequence: int, now_s: float) -> None:
        """Go back to a message that the broker did not deliver, after a while."""
        index = sequence - self._confirmed - 1
        if epoch != self.epoch or not 0 <= index < self._published:
            return
        self._published = index
        self._resume_s = now_s + self._refused_s
        self._refused_s = min(self.limits.longest_s, self._refused_s * 2)

    def on_time(self, now_s: float) -> None:
        """Go back to the first item when acks have stalled."""
        if self.online and self._published and now_s - self._progress_s >= self._stall_s:
            self._go_back()
            self._stall_s = min(self.limits.longest_s, self._stall_s * 2)

    def wait_s(self, now_s: float) -> float:
        """Tell how long nothing will happen without a message."""
        if not self._items or not self.online:
            return self.limits.longest_s
        until = self._progress_s + self._stall_s if self._published else self._resume_s
        return max(0.0, until - now_s)

    def _go_back(self) -> None:
        self._published = 0

    def _begin_epoch(self) -> None:
        self.epoch = self._new_epoch()
        self._confirmed = 0
        self._resume_s = 0.0
        self._stall_s, self._refused_s = self.limits.stall_s, self.limits.refused_s
        self._go_back()
