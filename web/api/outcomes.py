"""What became of a write, as outbox, journal and dead letters know it.

Rules that must stay true here: an event that is in the journal is recorded, whatever else is said of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import orjson

from bus.answers import Rejection
from bus.envelope import Recorded
from web.api.problems import Problem, request_field, sentence
from web.api.reading import Stores

_MOST_LETTERS: Final = 500


class Became(StrEnum):
    """What became of an event."""

    RECORDED = "recorded"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim.

    Attributes:
        subject: the canonical system id.
        position: in the journal, when it is recorded.
        replayed: it was there before this request.
        rejection: why it was refused.
    """

    became: Became
    id: str
    type: str
    subject: str
    time_us: int
    position: int | None = None
    replayed: bool = False
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class Known(Outcome):
    """An outcome with the row of the journal that it was read from."""

    row: Recorded = field(kw_only=True)


def refusal(outcome: Outcome) -> Problem:
    """Say why the recorder refused an event."""
    said = outcome.rejection
    assert said is not None
    return Problem(
        "refused", sentence(said.hint), field=request_field(said.field) or None, reason=said.reason
    )


def outcome_of(row: Recorded, *, replayed: bool = False) -> Outcome:
    """Describe a row of the journal."""
    return Known(
        Became.RECORDED,
        row.id,
        row.type,
        row.subject,
        row.time_us,
        position=row.position,
        replayed=replayed,
        row=row,
    )


def find(stores: Stores, source: str, event_id: str) -> Recorded | None:
    """Return the event that a source gave this id."""
    return stores.journal().find(source, event_id)


def find_all(stores: Stores, source: str, wanted: Sequence[str]) -> dict[str, Recorded]:
    """Return those of a source's events that are recorded, by id."""
    if not wanted:
        return {}
    journal = stores.journal()
    found = {event_id: journal.find(source, event_id) for event_id in wanted}
    return {event_id: row for event_id, row in found.items() if row is not None}


def letter_of(stores: Stores, client: str, event_id: str) -> Rejection | None:
    """Find a refused event of ours among the newest dead letters."""
    for letter, _ in stores.journal().dead_letters(_MOST_LETTERS):
        if letter.client == client and event_id.encode() in letter.payload:
            try:
                said = orjson.loads(letter.payload)
            except orjson.JSONDecodeError:
                continue
            if isinstance(said, dict) and said.get("id") == event_id:
                return Rejection(
                    event_id,
                    letter.topic,
                    str(said.get("type", "")),
                    str(said.get("subject", "")),
                    letter.reason,
                    letter.field,
                    letter.hint,
                )
    return None
