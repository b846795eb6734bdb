"""What the recorder asks its own journal: which names were registered, and what an id stands for.

Rules that must stay true here:
- recording goes on whatever became of the past: a sealed file that is damaged or gone is told in `problem`,
  and what stood in it is not known;
- only a registration that is recorded gives names.
"""

import logging
from collections.abc import Iterable

from bus import envelope
from bus.envelope import Recorded
from bus.intake import REGISTERED, Judge, claimed
from bus.journal import DeadLetter, Duplicate, Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.uplink_batch import NODE
from schemas.errors import ConfigurationError, InputError

log = logging.getLogger(__name__)


class Past:
    """The past of one journal, as its recorder needs it.

    Attributes:
        problem: what cannot be read of it, and what to do; None while all can.
    """

    def __init__(self, journal: SqliteJournalReader, judge: Judge) -> None:
        self.problem: str | None = None
        self._journal = journal
        self._judge = judge
        self._configured = dict(judge.aliases)

    def begin(self) -> None:
        """Learn the names that are configured and registered, and no others."""
        self._judge.rename(self._configured)
        for position in self._journal.positions((REGISTERED,)):
            recorded = self._at(position)
            if recorded is not None:
                self.learn(recorded.subject, recorded.body)

    def learn(self, subject: str, body: bytes) -> None:
        """Learn the names that a registration gives."""
        try:
            said = envelope.decode(body)
            self._judge.learn(subject, said.data, forwarded=NODE in said.extensions)
        except InputError as error:
            log.error("names of %s are not known: %s", subject, error)  # noqa: TRY400 - it says all

    def holds(self, entry: Entry, in_hand: Iterable[Entry]) -> bool:
        """Tell whether the id of an entry is taken, in the journal or by one that waits for the commit."""
        known = any((one.source, one.id) == (entry.source, entry.id) for one in in_hand)
        return known or self._journal.position_of(entry.source, entry.id) is not None

    def refusal(self, entry: Entry, known: Duplicate, topic: str, now_us: int) -> DeadLetter | None:
        """Return why an entry whose id is taken is refused; None where it is what is recorded, come again.

        Of an erased sample, and of what cannot be read, the id is all that is known.
        """
        stored = self._at(known.position)
        if stored is None or claimed(stored.body) == claimed(entry.body):
            return None
        hint = f"position {known.position} holds other content under this id: give every event its own"
        return DeadLetter(now_us, entry.client, topic, entry.body, "id_reused", "id", hint)

    def _at(self, position: int) -> Recorded | None:
        try:
            return next(self._journal.read(position - 1, upto=position), None)
        except ConfigurationError as error:
            if self.problem != str(error):
                log.error("%s", error)  # noqa: TRY400 - it says all
            self.problem = str(error)
            return None
