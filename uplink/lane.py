"""One lane of an uplink, without any IO: what may be sent next, and what is confirmed. Pure.

Rules that must stay true here:
- an epoch begins with a question, sequence 1, whose answer says how far the cloud holds the lane; nothing
  else is sent before that answer, and what is sent then begins behind it;
- batches follow each other without holes, and only an ack of the current epoch confirms them, in order;
- when the cloud's recorder is another one, does not know the epoch or falls silent, or the connection is
  lost, a new epoch begins: it asks, so that what was underway is sent again only where it did not arrive;
- what is underway is bounded by what the link carries in about two seconds.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bus.window import ONLINE

QUESTION = 1


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How far a lane may run ahead of the cloud, and how patiently.

    Attributes:
        batches, size: underway at one time; `least` bytes may always be.
        seconds: of what the link carries, underway.
        stall_s: without an ack for so long, ask again; twice as long each time, up to `longest_s`.
        refused_s: wait so long after the broker refused a message; likewise.
    """

    batches: int = 16
    size: int = 1 << 20
    least: int = 96 << 10
    seconds: float = 2.0
    stall_s: float = 30.0
    refused_s: float = 0.5
    longest_s: float = 240.0


@dataclass(frozen=True, slots=True)
class Flight:
    """A batch underway, and the position behind it."""

    sequence: int
    upto: int
    size: int
    sent_s: float


class Lane:
    """Numbers the batches of one lane.

    Attributes:
        epoch: the name of the current numbering.
        online: whether the cloud's recorder takes messages, as far as we know.
        started: the cloud has said how far it holds the lane, and `start` said where to go on.
        session: of the cloud's recorder.
        sent: the position up to which the journal was read for this lane.
        reached: the position up to which the cloud was told of the lane: where the next batch begins.
        confirmed: the position up to which the cloud holds all of the lane.
        rate: bytes a second that were confirmed lately.
    """

    def __init__(self, new_epoch: Callable[[], str], limits: LaneLimits | None = None) -> None:
        self.limits = limits or LaneLimits()
        self.online = self.started = False
        self.sent = self.reached = self.confirmed = 0
        self.rate = 0.0
        self._new_epoch = new_epoch
        self.epoch = new_epoch()
        self._asked = False
        self._sequence = 0
        self._flights: deque[Flight] = deque()
        self.session: str | None = None
        self._heard_s = self._resume_s = 0.0
        self._stall_s, self._refused_s = self.limits.stall_s, self.limits.refused_s

    @property
    def underway(self) -> int:
        """Count the bytes that are sent and not confirmed."""
        return sum(flight.size for flight in self._flights)

    @property
    def window(self) -> int:
        """Tell how many bytes may be underway."""
        limits = self.limits
        return max(limits.least, min(limits.size, round(self.rate * limits.seconds)))

    def may_send(self, now_s: float) -> bool:
        """Tell whether another batch may be made."""
        room = len(self._flights) < self.limits.batches and self.underway < self.window
        return self.started and self.online and room and now_s >= self._resume_s

    def ask(self, now_s: float) -> int | None:
        """Return the sequence of the question when it is to be sent now."""
        if self._asked or not self.online or now_s < self._resume_s:
            return None
        self._asked, self._sequence, self._heard_s = True, QUESTION, now_s
        return QUESTION

    def start(self, position: int) -> None:
        """Go on behind a position: the cloud holds the lane up to there."""
        self.started = True
        self.sent = self.reached = self.confirmed = position

    def made(self, upto: int, size: int, now_s: float) -> int:
        """Take a batch that reaches up to a position; return its sequence."""
        if not self._flights:
            self._heard_s = now_s
        self._sequence += 1
        self._flights.append(Flight(self._sequence, upto, size, now_s))
        self.sent = self.reached = upto
        return self._sequence

    def skip(self, upto: int) -> None:
        """Move over positions with nothing for this lane; with nothing underway they count as confirmed."""
        self.sent = max(self.sent, upto)
        if not self._flights:
            self.confirmed = self.sent

    def on_ack(self, epoch: str, sequence: int, now_s: float) -> bool:
        """Note what the cloud confirms; True when this was for us."""
        if epoch != self.epoch or not self._asked or sequence > self._sequence:
            return False
        self._heard_s = now_s
        self._stall_s, self._refused_s = self.limits.stall_s, self.limits.refused_s
        size, since_s = 0, now_s
        while self._flights and self._flights[0].sequence <= sequence:
            flight = self._flights.popleft()
            self.confirmed = flight.upto
            size, since_s = size + flight.size, min(since_s, flight.sent_s)
        if self.started and not self._flights:
            self.confirmed = self.sent
        if size:
            lately = size / max(0.001, now_s - since_s)
            self.rate = lately if not self.rate else 0.7 * self.rate + 0.3 * lately
        return True

    def on_unknown(self, epoch: str) -> None:
        """Begin again: the cloud does not know this epoch."""
        if epoch == self.epoch:
            self.begin()

    def on_recorder(self, status: str, session: str) -> None:
        """Note the health of the cloud's recorder; a death of an older session means nothing."""
        online = status == ONLINE
        if not online and self.session not in {None, session}:
            return
        if online and self.session != session:
            self.session = session
            self.begin()
        self.online = online

    def on_disconnected(self) -> None:
        """Begin again with the next connection; the recorder's health comes with it."""
        self.online = False
        self.begin()

    def on_refused(self, now_s: float, wait_s: float | None = None) -> None:
        """Begin again, after a while: the broker or the recorder does not take what was sent."""
        self.begin()
        self._resume_s = now_s + (self._refused_s if wait_s is None else wait_s)
        self._refused_s = min(self.limits.longest_s, self._refused_s * 2)

    def on_time(self, now_s: float) -> None:
        """Begin again when no ack has come for too long."""
        waits = bool(self._flights) or (self._asked and not self.started)
        if self.online and waits and now_s - self._heard_s >= self._stall_s:
            self.begin()
            self._stall_s = min(self.limits.longest_s, self._stall_s * 2)

    def begin(self) -> None:
        """Begin a new epoch."""
        self.epoch = self._new_epoch()
        self._asked = self.started = False
        self._sequence = 0
        self._resume_s = 0.0
        self._flights.clear()
