"""The one loop of all projectors: live, catching up and rebuilding.

Rules that must stay true here:
- the sizes of batches, retries and restarts change nothing in what a projector has taken at a place;
- an event that cannot be applied is found by going back to what is saved and on in single steps, is tried
  again, and then kept as a dead letter: it does not stop the live stream, it does stop a rebuild;
- what fails from outside (disk, network, no journal yet) is tried again for ever and blames no event.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from bus.envelope import Recorded
from bus.follow import Follower
from bus.journal import Head, JournalReader
from bus.naming import about
from projectors.events import SAMPLE
from projectors.projector import Projector
from projectors.sqlite_model import DeadLetter
from schemas.errors import ConfigurationError, OvrError, TransientError

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
BATCH = 2000
_ATTEMPTS = 3
_LEAP_FROM = 20_000
_PLACE_EVERY_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 5.0
EVER = 2**62


class ProjectionError(OvrError):
    """An event cannot be applied, in a run that must apply all."""


class Runner:
    """Brings one projector to the journal's head, and keeps it there; `turn` does what is due.

    Attributes:
        saved: the checkpoint; None before the first.
        place: how far events were taken, saved or not.
        behind: positions between that and the journal's head.
        taken: events taken since the start.
        newest_us: `recordedat` of the last one.
        buried: dead letters made since the start.
        problem: what is being waited for; None when all is well.
        upto: go no further than this position; may be moved ahead between turns.
    """

    def __init__(
        self,
        reader: JournalReader,
        projector: Projector,
        *,
        batch: int = BATCH,
        leap_from: int = _LEAP_FROM,
        strict: bool = False,
        upto: int | None = None,
        progress: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            reader: of the journal.
            projector: to be brought up to date.
            batch: how many events to read at a time.
            leap_from: a projector of newest samples that is so many events behind skips the other samples.
            strict: stop at the first event that cannot be applied.
            upto: go no further than this position.
            progress: told how far it is, after every batch.
            clock: for waiting only.
        """
        self.saved: Head | None = None
        self.place: Head | None = None
        self.behind = self.taken = self.newest_us = self.buried = 0
        self.problem: str | None = None
        self._reader = reader
        self._projector = projector
        self._types = frozenset(projector.types) | ({SAMPLE} if projector.samples != "none" else set())
        self._batch = batch
        self._leap_from = leap_from
        self._strict = strict
        self.upto = upto
        self._progress = progress or (lambda *_: None)
        self._clock = clock
        self._follower: Follower | None = None
        self._unsaved: list[Recorded] = []
        self._urgent = False
        self._saved_at = self._oldest_at = self._retry_at = self._pause_s = 0.0
        self._careful_upto = self._leapt = 0
        self._attempts: dict[int, int] = {}
        self._letters: dict[int, DeadLetter] = {}

    def turn(self) -> bool:
        """Take what is new and save what is due; True when more is waiting.

        Raises:
            ConfigurationError: the model cannot go on from this journal, or must be rebuilt.
            ProjectionError: an event cannot be applied, in a strict run.
        """
        if self._clock() < self._retry_at:
            return False
        try:
            more = self._advance()
        except ConfigurationError:
            raise
        except TransientError as error:
            self._pause(error)
            return False
        except Exception as error:
            if self._strict:
                raise self._stopped(error) from error
            self._recover(error)
            return True
        self.problem, self._pause_s = None, 0.0
        return more

    def finish(self) -> None:
        """Take all there is, and save it; for runs that end.

        Raises:
            TransientError: something outside is in the way.
        """
        while self.turn():
            pass
        if self.problem is not None:
            raise TransientError(self.problem)
        self.flush()

    def flush(self) -> None:
        """Save what was taken, due or not."""
        if self._follower is not None and self._follower.place != self.saved:
            self._save(self._follower.place)

    def leap(self, samples: Iterable[Recorded], upto: Head) -> None:
        """Go to a place at once: all rare events up to it, and the newest sample of each stream.

        Args:
            samples: the newest samples as they are at that place.
            upto: the place.
        """
        start = self._open()
        chunk = 1 if self._careful(start.place.position) else self._batch
        rare = self._reader.read(start.place.position, upto=upto.position, types=self._projector.types)
        with self._projector.transaction():
            for page in _pages(chain(rare, samples), chunk):
                self._take(page)
                if chunk == 1:
                    self._projector.save(start.place)
                else:
                    self._projector.spill()
                self._leapt = page[-1].position
                self._unsaved.clear()
                self._progress(page[-1].position, upto.position)
            self._projector.save(upto, self._letters.values())
        self.buried += len(self._letters)
        self._letters.clear()
        self._start_at(upto)

    def _advance(self) -> bool:
        if self._projector.stale():
            self._follower = None
        follower = self._open()
        head = self._reader.head()
        if self._should_leap(follower, head):
            samples = list(self._reader.newest_samples(EVER if self.upto is None else self.upto))
            self.leap(samples, settled(self._reader, samples, head, self.upto))
            return True
        careful = self._careful(follower.place.position)
        limit = 1 if careful else self._batch
        batch = follower.batch(limit, upto=self.upto)
        if not self._unsaved:
            self._oldest_at = self._clock()
        self._take(batch.events)
        self.place, self.behind = batch.place, batch.behind
        self._progress(batch.place.position, batch.place.position + batch.behind)
        if self._due(careful=careful):
            self._save(batch.place)
        return len(batch.events) == limit

    def _open(self) -> Follower:
        if self._follower is None:
            self._unsaved.clear()
            self._urgent = False
            self.saved = self._projector.open()
            self._start_at(self.saved)
        assert self._follower is not None
        return self._follower

    def _start_at(self, place: Head | None) -> None:
        self._follower = Follower(
            self._reader,
            place,
            what=f"the read model of projector {self._projector.name}",
            remedy=f"run `ovr rebuild {self._projector.name}`",
            types=self._types,
        )
        self.saved, self.place, self._saved_at = place, self._follower.place, self._clock()

    def _should_leap(self, follower: Follower, head: Head) -> bool:
        if self._projector.samples != "newest":
            return False
        end = head.position if self.upto is None else min(head.position, self.upto)
        return end - follower.place.position >= self._leap_from

    def _take(self, events: Iterable[Recorded]) -> None:
        for recorded in events:
            self._unsaved.append(recorded)
            if recorded.position not in self._letters:
                self._projector.take(recorded)
            self._urgent = self._urgent or recorded.type != SAMPLE
            self.taken += 1
            self.newest_us = recorded.recorded_us

    def _due(self, *, careful: bool) -> bool:
        assert self.place is not None
        now = self._clock()
        if not self._unsaved:
            moved = self.saved is None or self.place.position > self.saved.position
            return moved and now - self._saved_at >= _PLACE_EVERY_S
        full = len(self._unsaved) >= self._batch
        return careful or self._urgent or full or now - self._oldest_at >= self._projector.linger_s

    def _save(self, place: Head) -> None:
        letters = [letter for position, letter in self._letters.items() if position <= place.position]
        self._projector.save(place, letters)
        self.saved, self._saved_at, self._urgent = place, self._clock(), False
        self._unsaved.clear()
        for letter in letters:
            del self._letters[letter.recorded.position]
            self._attempts.pop(letter.recorded.position, None)
        self.buried += len(letters)

    def _careful(self, position: int) -> bool:
        return position < self._careful_upto

    def _recover(self, error: Exception) -> None:
        """Go back to what is saved; blame an event only when it was the only one since then."""
        of = about(self._unsaved[0]) if len(self._unsaved) == 1 else None
        name = self._projector.name
        log.warning("projector %s: %s: %s", name, type(error).__name__, error, exc_info=error, extra=of)
        if len(self._unsaved) == 1:
            self._blame(self._unsaved[0], error)
        furthest = max((event.position for event in self._unsaved), default=self._leapt)
        self._careful_upto = max(self._careful_upto, furthest)
        self._follower = None
        if not self._unsaved:
            self._pause(error)

    def _blame(self, event: Recorded, error: Exception) -> None:
        attempts = self._attempts[event.position] = self._attempts.get(event.position, 0) + 1
        if attempts >= _ATTEMPTS:
            said = "projector %s keeps position %d as a dead letter"
            log.error(said, self._projector.name, event.position, extra=about(event))
            self._letters[event.position] = DeadLetter(event, f"{type(error).__name__}: {error}")

    def _pause(self, error: Exception) -> None:
        self.problem = str(error) or type(error).__name__
        self._follower = None
        self._pause_s = min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, self._pause_s * 2))
        self._retry_at = self._clock() + self._pause_s

    def _stopped(self, error: Exception) -> ProjectionError:
        at = self._unsaved[-1] if self._unsaved else None
        where = f"at or before position {at.position} ({at.type} of {at.subject})" if at else "while saving"
        return ProjectionError(
            f"projector {self._projector.name} stopped {where}: {type(error).__name__}: {error}"
        )


def settled(reader: JournalReader, samples: Iterable[Recorded], head: Head, upto: int | None = None) -> Head:
    """Return a place at which these samples are the newest of their streams.

    Args:
        reader: of the journal.
        samples: what `newest_samples` returned.
        head: the journal's head, read before them; they may include later ones.
        upto: the bound that they were asked for.
    """
    if upto is not None and upto <= head.position:
        position = upto
    else:
        position = max(head.position, max((sample.position for sample in samples), default=0))
    return Head(head.journal, head.incarnation, position, reader.hash_at(position) or head.hash)


def _pages(events: Iterable[Recorded], size: int) -> Iterator[list[Recorded]]:
    left = iter(events)
    while page := list(islice(left, size)):
        yield page
