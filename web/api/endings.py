"""What an end came to: which systems it ended in which events, or why none.

Rules that must stay true here:
- what is said follows from the end's own place in the journal, so that the same request is answered the same;
- what the state does not know yet is not guessed.
"""

from dataclasses import dataclass

from bus import system_ids
from projectors.windows import ENDED, Verdict
from schemas.errors import TransientError
from web.api import answers, state_tables
from web.api.outcomes import Became, Outcome
from web.api.service import Service


@dataclass(frozen=True, slots=True)
class Ending:
    """What an end came to.

    Attributes:
        ended: systems, and the event that each of them was in; the one that began first comes first.
        active_event_id: what the system was in instead of the event that was to be ended.
    """

    verdict: answers.Verdict
    ended: tuple[tuple[str, str], ...] = ()
    active_event_id: str | None = None
    warning: str | None = None

    @property
    def events(self) -> list[str]:
        """Return the events that ended for somebody, each once."""
        return list(dict.fromkeys(event_id for _, event_id in self.ended))

    def tell(self, answer: answers.Written | answers.Action) -> None:
        """Say it in an answer."""
        answer.verdict = self.verdict
        answer.active_event_id = self.active_event_id
        answer.ended = [answers.Ended(system_id=system, event_id=event) for system, event in self.ended]
        answer.warning = self.warning


async def ending(served: Service, outcome: Outcome) -> Ending | None:
    """Find what an end came to; None for any other fact, and while nobody knows."""
    if outcome.type != ENDED or outcome.became is not Became.RECORDED or outcome.position is None:
        return None
    try:
        await served.caught_up(served.keeping)
        rows = await served.keeping(state_tables.came_to, served.keeping.stores, outcome.position)
    except TransientError:
        return None
    return None if rows is None else ending_of(outcome.subject, rows)


def ending_of(subject: str, rows: list[tuple[str, str, str | None]]) -> Ending | None:
    """Sum up what an end came to for each system: its id, the verdict, the event that is meant.

    An end of all has rows of those systems only for which it changed something.
    """
    ended = tuple((system, event or "") for system, verdict, event in rows if verdict == Verdict.ENDED)
    if ended:
        return Ending("ended", ended)
    if any(verdict == Verdict.UNDONE for _, verdict, _ in rows):
        return Ending("undone", warning="Nothing is ended: this end was taken back.")
    if subject == system_ids.ALL:
        return Ending("nothing_active", warning="Nothing was ended: no system took part in it.")
    system, verdict, event = rows[0] if rows else (subject, "", None)
    if verdict == Verdict.OTHER_ACTIVE:
        warning = f"Nothing was ended: {system} takes part in {event}."
        return Ending("other_active", active_event_id=event, warning=warning)
    if verdict == Verdict.NOTHING_ACTIVE:
        return Ending("nothing_active", warning=f"Nothing was ended: {system} took part in no event.")
    return None
