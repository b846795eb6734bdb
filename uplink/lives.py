"""Where a lane goes on: what the cloud holds, laid beside the lives of the node's journal. Pure.

Rules that must stay true here:
- a lane begins behind what the cloud proves to hold, never behind what we remember;
- positions of different lives are different events: only those before a restore are shared;
- what the cloud holds and the node has lost is told, exactly.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bus.journal import Head


@dataclass(frozen=True, slots=True)
class Life:
    """An incarnation of a journal; `shared` is the last position that it has from the one before."""

    incarnation: str
    shared: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Positions of a life that the cloud holds and the node does not."""

    incarnation: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Start:
    """Where a lane goes on.

    Attributes:
        position: behind it; None: not before a person has decided.
        lost: what the cloud has and this journal has not.
        problem: why nothing may be sent, for people.
    """

    position: int | None
    lost: tuple[Lost, ...] = ()
    problem: str = ""


def lives(incarnation: str, restored: Iterable[tuple[int, Mapping[str, Any]]]) -> list[Life]:
    """List the lives of a journal, the newest first.

    Args:
        incarnation: of the journal now.
        restored: position and data of its `journal.restored` events, in order.
    """
    found = []
    for position, data in reversed(list(restored)):
        if data.get("incarnation") == incarnation:
            found.append(Life(incarnation, position - 1))
            incarnation = str(data.get("previous_incarnation"))
    return [*found, Life(incarnation, 0)]


def start(
    head: Head, lived: Sequence[Life], held: Mapping[str, Head], hash_at: Callable[[int], bytes | None]
) -> Start:
    """Find where a lane goes on.

    Args:
        head: of the node's journal.
        lived: its lives, the newest first.
        held: by incarnation, how far the cloud holds the lane.
        hash_at: asks the node's journal.
    """
    end, best, lost = head.position, 0, list[Lost]()
    for life in lived:
        claim = held.get(life.incarnation)
        if claim is not None and claim.position > end:
            gap = Lost(life.incarnation, end + 1, claim.position)
            if life.incarnation == head.incarnation:
                return Start(None, (gap,), _behind(gap))
            lost.append(gap)
            best = max(best, end)
        elif claim is not None and hash_at(claim.position) == claim.hash:
            best = max(best, claim.position)
        elif claim is not None and life.incarnation == head.incarnation:
            return Start(None, (), _other(claim))
        end = min(end, life.shared)
    return Start(best, tuple(lost))


def not_asked_back(
    lost: Iterable[Lost],
    recovered: Mapping[str, tuple[int, str]],
    hash_at: Callable[[int], bytes | None],
) -> list[Lost]:
    """List what is still to be asked back: a place behind what came back must lie on the journal's past.

    Args:
        lost: of lives that ended.
        recovered: by such a life, that place: position, and hash there.
        hash_at: asks the node's journal.
    """
    back = {life for life, (position, hash_) in recovered.items() if _holds(hash_at(position), hash_)}
    return [gap for gap in lost if gap.incarnation not in back]


def _holds(known: bytes | None, wanted: str) -> bool:
    return known is not None and known.hex() == wanted


def _behind(gap: Lost) -> str:
    return (
        f"the cloud holds positions {gap.first} to {gap.last}, which this journal has lost: stop the node, "
        "run `ovr journal recover`, and start it again"
    )


def _other(claim: Head) -> str:
    return (
        f"the cloud holds another event at position {claim.position} of this journal (incarnation "
        f"{claim.incarnation}): it was replaced by a copy that was written elsewhere; stop the node, run "
        "`ovr journal recover`, and start it again, or give this node another name"
    )
