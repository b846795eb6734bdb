"""Judging what an uplink brings: entries for the journal, or the reason why not. Pure.

Rules that must stay true here:
- the node has judged each event already, and its judgement stands: no clock or alias of ours, nor another
  node's names, change it; what is held to limits here is what could hurt us;
- what this version does not know is not refused but waits: the cloud is to be updated, and nothing is lost;
- a lane has no holes: a batch that does not follow what is held is not taken;
- any bytes come to entries, dead letters or "not yet", and nothing of them is remembered beyond what is held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from bus import envelope, system_ids
from bus.envelope import RECORDER_ATTRIBUTES, Envelope
from bus.intake import REGISTERED, SITE, Judge, check_measurements, stream_of
from bus.journal import MOST_LIVES, DeadLetter, Entry, Held
from bus.uplink_batch import LANES, NODE_ATTRIBUTES, Forwarded, Header, spliced, unpack
from schemas import limits
from schemas.errors import InputError

_ROOM = 8 * 1024  # a recorder adds to a body that was as large as it may be
_UNKNOWN = frozenset({"unknown_type", "unknown_version", "unknown_measurement"})
_MOST_TOLD = 8
_MOST_KEPT = 4096
_LONGEST_CLIENT = 256
_UNREADABLE = (ArithmeticError, LookupError, TypeError, ValueError)


class NotYetError(InputError):
    """The batch may be taken later, or after another: it is neither recorded nor refused."""


DISK_SHORT = NotYetError(
    "disk_short", "", "the cloud is short of disk: it takes samples again when there is room"
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a batch comes to; `held` is None when it was none."""

    entries: Sequence[Entry]
    letters: Sequence[DeadLetter]
    held: Held | None


@dataclass(slots=True)
class Arrivals:
    """Judges batches, and knows how far each lane of each node is held.

    Attributes:
        held: by client, lane and incarnation: what is recorded.
    """

    judge: Judge
    held: dict[tuple[str, str, str], Held] = field(default_factory=dict)
    _taken: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _lanes: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, client: str, lane: str, epoch: str, payload: bytes, topic: str, now_us: int) -> Arrival:
        """Judge a message of an uplink, whatever is in it.

        Raises:
            NotYetError: it does not follow what is held, or holds what this version does not know.
        """
        try:
            return self.judged(client, lane, *self.open(client, lane, epoch, payload), topic, now_us)
        except NotYetError:
            raise
        except InputError as error:
            cause = error.reason, error.field, error.hint
        except _UNREADABLE as error:
            cause = "batch", "", f"this is no batch of an uplink: {error!r:.200}"
        return Arrival((), [DeadLetter(now_us, client, topic, payload, *cause)], None)

    def open(self, client: str, lane: str, epoch: str, payload: bytes) -> tuple[Header, list[Forwarded]]:
        """Read a batch, and make sure that it follows what is held.

        Raises:
            NotYetError: it does not.
            InputError: it is no batch.
        """
        if lane not in LANES:
            raise InputError("lane", "", f"there are the lanes {' and '.join(LANES)}, not {lane!r:.40}")
        if len(self._lanes) > _MOST_KEPT:
            self._lanes.clear()
        self._lanes[client, epoch] = lane
        header, events = unpack(payload)
        key = (client, lane, header.upto.incarnation)
        known = self.held.get(key)
        reach = known.place.position if known else self._farthest(client, lane)
        reach = max(reach, self._taken.get(key, 0))
        if header.after > reach:
            raise NotYetError("gap", "after", f"held is {reach}, this follows {header.after}: go back")
        return header, events

    def judged(
        self, client: str, lane: str, header: Header, events: Sequence[Forwarded], topic: str, now_us: int
    ) -> Arrival:
        """Turn a batch into entries and dead letters.

        Raises:
            NotYetError: it holds what this version does not know.
        """
        entries, letters = list[Entry](), list[DeadLetter]()
        for event in events:
            try:
                entries.append(self._readable(client, header, event))
            except InputError as error:
                if error.reason in _UNKNOWN:
                    raise NotYetError(
                        error.reason, error.field, f"update the software of the cloud: {error.hint}"
                    ) from error
                letters.append(
                    DeadLetter(now_us, client, topic, event.body, error.reason, error.field, error.hint)
                )
        key = (client, lane, header.upto.incarnation)
        self._taken[key] = max(self._taken.get(key, 0), header.upto.position)
        return Arrival(entries, letters, Held(client, lane, header.upto, header.upto_us))

    def committed(self, held: Held) -> None:
        """Note what is recorded now; a lane only moves on."""
        key = (held.client, held.lane, held.place.incarnation)
        if self._taken.get(key, 0) <= held.place.position:
            self._taken.pop(key, None)
        known = self.held.get(key)
        if held.place.position > (known.place.position if known else 0):
            self.held[key] = held
            ours = [one for one in self.held if one[:2] == key[:2]]
            if len(ours) > MOST_LIVES:
                oldest = min(ours, key=lambda one: self.held[one].recorded_us)
                del self.held[oldest]
                self._taken.pop(oldest, None)

    def told(self, client: str, epoch: str) -> Mapping[str, object]:
        """Return what an ack of this epoch says of its lane; nothing for epochs that are no lane's."""
        lane = self._lanes.get((client, epoch))
        if lane is None:
            return {}
        ours = [held for (who, which, _), held in self.held.items() if (who, which) == (client, lane)]
        ours.sort(key=lambda held: held.recorded_us)
        return {
            "lane": lane,
            "held": [
                {
                    "journal": held.place.journal,
                    "incarnation": held.place.incarnation,
                    "position": held.place.position,
                    "hash": held.place.hash.hex(),
                }
                for held in ours[-_MOST_TOLD:]
            ],
        }

    def _farthest(self, client: str, lane: str) -> int:
        places = (
            held.place.position
            for (who, which, _), held in self.held.items()
            if (who, which) == (client, lane)
        )
        return max(places, default=0)

    def _readable(self, client: str, header: Header, event: Forwarded) -> Entry:
        try:
            return self._entry(client, header, event)
        except _UNREADABLE as error:
            raise InputError("unreadable", "", f"this event cannot be read: {error!r:.200}") from error

    def _entry(self, client: str, header: Header, event: Forwarded) -> Entry:
        _check_form(event)
        limits.check_size(event.body, limits.MAX_BYTES + _ROOM)
        document = envelope.load(event.body)
        limits.check_depth(document, event.body)
        brought = (RECORDER_ATTRIBUTES | NODE_ATTRIBUTES) & document.keys()
        if brought:
            raise InputError("uplink_attribute", min(brought), "it came by an uplink already: one is enough")
        said = envelope.parse(document)
        self.judge.registry.check(said.type, said.version, said.data)
        _check_subject(said)
        stream = stream_of(said.type, said.data)
        if stream is not None:
            check_measurements(said.data)
        if said.type == REGISTERED:
            _check_aliases(said)
        body = spliced(event, client, header.upto.incarnation)
        return Entry(client, said.source, said.id, said.type, said.subject, said.time_us, body, stream)


def _check_form(event: Forwarded) -> None:
    """Make sure that an event can be stored as it is, with more attributes in it."""
    if not (event.body.startswith(b"{") and event.body.endswith(b"}")):
        raise InputError("body", "", "send a body as it was recorded: a JSON object with nothing around it")
    if not (0 < len(event.client) <= _LONGEST_CLIENT and event.client.isprintable()):
        raise InputError("client", "", f"this is no name of a client: {event.client!r:.60}")


def _check_aliases(said: Envelope) -> None:
    if said.subject in {system_ids.ALL, SITE}:
        raise InputError("reserved", "subject", f"{said.subject} is no system")
    names = [system_ids.canonical(alias) for alias in said.data.get("aliases", ())]
    if system_ids.ALL in names:
        raise InputError("reserved", "data.aliases", "all stands for every system")


def _check_subject(said: Envelope) -> None:
    if not _is_canonical(said.subject):
        raise InputError("system_id", "subject", f"{said.subject!r:.80} is no canonical system id")


@lru_cache(maxsize=4096)
def _is_canonical(subject: str) -> bool:
    return subject in {system_ids.ALL, SITE} or system_ids.canonical(subject) == subject
