"""How far a node's uplink has come, in a small file: for people, for erasing, and for looking things up.

It is no truth: an uplink goes on where the cloud's ack says. Rules that must stay true here:
- the file never says more than the cloud has confirmed; older is always right too.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

DIRECTORY: Final = "uplink"
FILE: Final = "checkpoint.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A place in the node's journal, and the cloud's head when the cloud had it."""

    incarnation: str
    position: int
    hash: str
    cloud_journal: str
    cloud_position: int
    cloud_incarnation: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is known of the cloud.

    Attributes:
        lanes: by lane, the incarnation and the position up to which the cloud holds it.
        anchors: places that were confirmed, oldest first, further apart the older they are.
        photos: by SHA-256, why a photo did not travel yet.
        recovered: by an incarnation that ended and whose lost events were asked back, the place in the
            journal behind them: its position, and the hash there.
    """

    lanes: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    anchors: Sequence[Anchor] = ()
    photos: Mapping[str, str] = field(default_factory=dict)
    recovered: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def load(data: Path) -> Checkpoint:
    """Read it; an empty one when there is none, or it was torn."""
    try:
        said = orjson.loads((data / DIRECTORY / FILE).read_bytes())
        return Checkpoint(
            {name: (str(lane["incarnation"]), int(lane["position"])) for name, lane in said["lanes"].items()},
            tuple(Anchor(**one) for one in said["anchors"]),
            {str(name): str(reason) for name, reason in said["photos"].items()},
            _places(said["recovered"]),
        )
    except (OSError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return Checkpoint()


def _places(said: Any) -> dict[str, tuple[int, str]]:
    """Read where what was asked back ends; names without places, as once written, prove nothing."""
    if isinstance(said, list):
        return {}
    return {str(name): (int(place[0]), str(place[1])) for name, place in said.items()}


def save(data: Path, checkpoint: Checkpoint) -> None:
    """Replace it; a crash or a full disk leaves the old one or the new one."""
    path = data / DIRECTORY / FILE
    draft = path.with_suffix(".new")
    said: dict[str, Any] = {
        "lanes": {
            name: {"incarnation": lane[0], "position": lane[1]} for name, lane in checkpoint.lanes.items()
        },
        "anchors": list(checkpoint.anchors),
        "photos": dict(checkpoint.photos),
        "recovered": dict(checkpoint.recovered),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(orjson.dumps(said))
        draft.replace(path)
    except OSError as error:
        log.warning("how far the uplink has come cannot be noted at the moment: %s", error)


def sent_upto(data: Path, incarnation: str) -> int:
    """Return the position up to which the cloud holds all samples of a life of the journal; 0: not known."""
    lived, position = load(data).lanes.get("samples", ("", 0))
    return position if lived == incarnation else 0


def thinned(
    anchors: Sequence[Anchor], new: Anchor, apart: int = 20_000, most: int = 64
) -> tuple[Anchor, ...]:
    """Add an anchor when it is far enough from the last; drop every other one when there are too many."""
    last = anchors[-1] if anchors else None
    if last and _of_one(last) == _of_one(new) and new.position < last.position + apart:
        return tuple(anchors)
    kept = [*anchors, new]
    if len(kept) > most:
        older, newer = kept[: most // 2], kept[most // 2 :]
        kept = [*older[::2], *newer]
    return tuple(kept)


def _of_one(anchor: Anchor) -> tuple[str, str, str]:
    return anchor.incarnation, anchor.cloud_journal, anchor.cloud_incarnation
