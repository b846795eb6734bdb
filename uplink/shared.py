"""What the two lanes and the photos of an uplink know of each other; safe for several threads.

Rules that must stay true here: the checkpoint on disk never says more than the cloud has confirmed.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bus import uplink_checkpoint
from bus.connection import Broker
from bus.journal import Head
from bus.uplink_batch import FACTS, SAMPLES
from bus.uplink_checkpoint import Anchor, Checkpoint
from uplink.allowance import Allowance
from uplink.lane import LaneLimits

_SAVE_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the cloud is, and how it is reached.

    Attributes:
        cloud: its broker; the user name is what the cloud calls this node.
        node_id: ours, in the sources of what the uplink itself tells.
        bytes_per_s: of both lanes and the photos together; None: as much as the link carries.
        linger_s: samples wait so long for others: larger batches are fewer bytes.
        level: of zstd.
        idle_s: say how far the samples have come when nothing says so for so long.
        web_url: of the cloud's HTTP API, for photos; None: photos stay.
        web_key: its key, of role `uplink`.
        web_ca: an authority to trust besides the system's.
        photo_patience_s: a photo that cannot be brought holds its event back no longer than this.
    """

    cloud: Broker
    node_id: str
    bytes_per_s: float | None = None
    linger_s: float = 2.0
    level: int = 5
    idle_s: float = 5.0
    web_url: str | None = None
    web_key: str | None = None
    web_ca: str | None = None
    photo_patience_s: float = 600.0
    limits: LaneLimits = field(default_factory=LaneLimits)


@dataclass(slots=True)
class Figures:
    """How one lane is doing.

    Attributes:
        position: the cloud holds the lane up to there.
        waiting_us: when the first event behind it was recorded; None: none is.
    """

    connected: bool = False
    started: bool = False
    fault: str | None = None
    position: int = 0
    head: int = 0
    waiting_us: int | None = None
    events: int = 0
    bytes: int = 0
    batches: int = 0
    rejected: int = 0
    rate: float = 0.0


class Shared:
    """The state of one uplink.

    Attributes:
        facts: the cloud's recorder, by its session, and the position up to which it has all facts.
    """

    def __init__(self, data: Path, settings: Settings) -> None:
        self.data = data
        self.settings = settings
        self.allowance = Allowance(settings.bytes_per_s)
        self.facts: tuple[str | None, int] | None = None
        self.lanes = {FACTS: Figures(), SAMPLES: Figures()}
        self._checkpoint = uplink_checkpoint.load(data)
        self._places: dict[str, Head] = {}
        self._lock = threading.Lock()
        self._saved_s = 0.0
        self._dirty = False

    @property
    def checkpoint(self) -> Checkpoint:
        """What the file says, or will soon."""
        return self._checkpoint

    def confirmed(self, lane: str, place: Head, cloud: Head) -> None:
        """Note that the cloud holds a lane up to a place of the journal."""
        self._places[lane] = place
        farthest = max(self._places.values(), key=lambda one: one.position)
        anchor = Anchor(
            farthest.incarnation,
            farthest.position,
            farthest.hash.hex(),
            cloud.journal,
            cloud.position,
            cloud.incarnation,
        )

        def moved(known: Checkpoint) -> Checkpoint:
            lanes = {**known.lanes, lane: (place.incarnation, place.position)}
            anchors = known.anchors
            if len(self._places) == len(self.lanes):
                anchors = uplink_checkpoint.thinned(anchors, anchor)
            return replace(known, lanes=lanes, anchors=anchors)

        self.change(moved)

    def samples_upto(self, session: str | None) -> int | None:
        """Tell how far samples may be sent to a recorder; None: before it has said what facts it holds."""
        facts = self.facts
        return facts[1] if facts is not None and facts[0] == session else None

    def change(self, how: Callable[[Checkpoint], Checkpoint]) -> None:
        """Change the checkpoint; it is written soon."""
        with self._lock:
            new = how(self._checkpoint)
            self._dirty = self._dirty or new != self._checkpoint
            self._checkpoint = new

    def save(self, *, now: bool = False) -> None:
        """Write the checkpoint when it is due."""
        with self._lock:
            if not self._dirty or (not now and time.monotonic() - self._saved_s < _SAVE_EVERY_S):
                return
            self._dirty, self._saved_s = False, time.monotonic()
            uplink_checkpoint.save(self.data, self._checkpoint)

    def figures(self, now_us: int) -> dict[str, Any]:
        """Say how all of it is doing, for health at both ends."""
        lanes = {name: _lane(one, now_us) for name, one in self.lanes.items()}
        facts, samples = self.lanes[FACTS], self.lanes[SAMPLES]
        faults = dict.fromkeys(one.fault for one in self.lanes.values() if one.fault)
        photos = self._checkpoint.photos
        return {
            "node": self.settings.cloud.username or self.settings.node_id,
            "lanes": lanes,
            "connected": facts.connected and samples.connected,
            "fault": "; ".join(faults) or None,
            "facts_position": facts.position,
            "samples_position": samples.position,
            "position": min(facts.position, samples.position),
            "lag_events": max(lane["lag_events"] for lane in lanes.values()),
            "lag_s": max(lane["lag_s"] for lane in lanes.values()),
            "sent_events": facts.events + samples.events,
            "sent_bytes": facts.bytes + samples.bytes,
            "sent_batches": facts.batches + samples.batches,
            "rejected": facts.rejected + samples.rejected,
            "photos_missing": len(photos),
        }


def _lane(one: Figures, now_us: int) -> dict[str, Any]:
    waits_s = 0.0 if one.waiting_us is None else max(0.0, (now_us - one.waiting_us) / 1e6)
    return {
        "position": one.position,
        "head": one.head,
        "lag_events": max(0, one.head - one.position),
        "lag_s": round(waits_s, 1),
        "connected": one.connected,
    }
