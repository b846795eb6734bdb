"""Proof that the past was not changed. Pure."""

from collections.abc import Iterable, Iterator

from bus import envelope
from bus.envelope import Recorded
from bus.journal import GENESIS, Fault, Head, Verdict, chain
from bus.journal_rows import SAMPLE
from schemas.errors import InputError

_MOST_FAULTS = 100


def verify(events: Iterable[Recorded], head: Head, highest_ever: int, erased_upto: int = 0) -> Verdict:
    """Check every event against the chain and every column against its body.

    Of an erased sample only its place in the chain can be checked.

    Args:
        events: the whole journal, in order of position; erased ones have no body.
        head: where it should end.
        highest_ever: the greatest position the store ever gave out.
        erased_upto: where samples may be erased.
    """
    faults: list[Fault] = []
    count = last = erased = 0
    for event, fault in examine(events, erased_upto):
        count += 1
        last = event.position
        erased += not event.body
        if fault and len(faults) < _MOST_FAULTS:
            faults.append(Fault(event.position, fault))
    if highest_ever > last:
        faults.append(Fault(highest_ever, f"events {last + 1} to {highest_ever} were removed from the end"))
    return Verdict(count, head, tuple(faults), erased)


def examine(
    events: Iterable[Recorded], erased_upto: int, first: int = 1, previous: bytes = GENESIS
) -> Iterator[tuple[Recorded, str | None]]:
    """Yield each event with what is wrong with it; None when nothing is.

    Args:
        events: in order of position; erased ones have no body.
        erased_upto: where samples may be erased.
        first: the position at which they begin.
        previous: the hash of the event before that.
    """
    expected = first
    for event in events:
        fault = None
        if event.position != expected:
            fault = f"events {expected} to {event.position - 1} are missing"
        elif not event.body:
            if event.type != SAMPLE or event.position > erased_upto:
                fault = "its body is missing, and was not erased by us"
        elif event.hash != chain(previous, event.position, event.recorded_us, event.client, event.body):
            fault = "the event, or the one before it, is not what was recorded: its hash differs"
        else:
            fault = _columns_differ(event)
        yield event, fault
        expected, previous = event.position + 1, event.hash


def _columns_differ(event: Recorded) -> str | None:
    try:
        said = envelope.decode(event.body)
    except InputError as error:
        return f"its body cannot be read: {error}"
    for name in ("source", "id", "type", "subject", "time_us"):
        if getattr(said, name) != getattr(event, name):
            return f"its column {name} says {getattr(event, name)!r}, its body {getattr(said, name)!r}"
    return None
