"""Writing facts of operators: windows, locations, notes, corrections, counters, registrations."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Request, Response

from bus import system_ids
from bus.instants import text
from schemas.errors import InputError, TransientError
from web.api import answers, bodies, state_tables
from web.api.access import Admin, Operator, Reader, Served, touching
from web.api.claims import SITE, Claim, is_uuid
from web.api.endings import Ending, ending
from web.api.keys import Caller
from web.api.nodes import NODES_SAY, not_a_node_s
from web.api.outcomes import Became, Outcome, refusal
from web.api.problems import Problem, refused
from web.api.service import Service
from web.api.systems import name

router = APIRouter(tags=["actions"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Makes it safe to send the request again. A UUID becomes the event's id.",
    ),
]
ACCEPTED: Final[Mapping[str, Any]] = {
    "description": "Kept on our disk, and recorded as soon as broker and recorder are there.",
    "headers": {"Location": {"description": "Where to ask.", "schema": {"type": "string"}}},
}
WRITTEN: Final[dict[int | str, dict[str, Any]]] = {202: {**ACCEPTED, "model": answers.Written}}


@router.post("/api/event/start", summary="Start an event on a system", responses=WRITTEN)
async def start(
    said: bodies.Start, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """Begin a window: the system takes part in the event from now, or from `time`, on."""
    data = _present(event_id=said.event_id, location=said.location, note=said.note)
    return await record(served, who, response, said, key, "window.started", said.system_id, data)


@router.post("/api/event/end", summary="End an event on a system", responses=WRITTEN)
async def end(
    said: bodies.End, request: Request, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """End a window; without `event_id` the one that is active.

    `verdict` says what it came to: an end of another event than the active one is recorded, and ends nothing.
    """
    if await name(served, said.system_id) == system_ids.ALL:
        detail = "To end all has its own address: /api/event/end_all."
        raise Problem("invalid", detail, field="system_id", reason="reserved")
    outcome, came_to, events = await _end(served, who, response, said, key, said.system_id)
    answer = written(outcome, {})
    answer.event_id = next(iter(events), said.event_id)
    if events:
        answer.report_url = report_url(served, request, events[0], answer.system_id)
    if came_to is not None:
        came_to.tell(answer)
    return answer


@router.post("/api/event/end_all", summary="End an event on every system", responses=WRITTEN)
async def end_all(
    request: Request,
    response: Response,
    served: Served,
    who: Operator,
    said: bodies.EndAll | None = None,
    key: Key = None,
) -> answers.Written:
    """End every window of the event, or all there are; a report follows by itself. `ended` says whose."""
    said = said or bodies.EndAll()
    outcome, came_to, events = await _end(served, who, response, said, key, system_ids.ALL)
    answer = written(outcome, {})
    urls = {event_id: report_url(served, request, event_id) for event_id in events}
    answer.event_id = said.event_id or (events[0] if len(events) == 1 else None)
    answer.report_url = next(reversed(urls.values()), None)
    answer.report_urls = urls
    if came_to is not None:
        came_to.tell(answer)
    return answer


@router.post("/api/location/set", summary="Set a system's location", responses=WRITTEN)
async def set_location(
    said: bodies.Location, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """Say where a system stands from now on; during an event a new part of its window begins."""
    data = _present(
        name=said.location, lat=said.lat, lon=said.lon, accuracy_m=said.accuracy_m, note=said.note
    )
    return await record(served, who, response, said, key, "location.set", said.system_id, data)


@router.post("/api/note", summary="Add a note", responses=WRITTEN)
async def note(
    said: bodies.Note, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """Write something down about a system, an event, or the site."""
    data = _present(text=said.msg, event_id=said.event_id)
    return await record(served, who, response, said, key, "note.added", said.system_id, data)


@router.post("/api/window/correct", summary="Undo or move a start or an end", responses=WRITTEN)
async def correct(
    said: bodies.Correct, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """Say that a recorded start or end did not happen, or when it really did; the fact itself stays."""
    data = _present(corrects=said.corrects, undo=said.undo, time=said.time_to, note=said.note)
    return await record(served, who, response, said, key, "window.corrected", said.system_id, data)


@router.post("/api/counters/reset", summary="Begin counting anew", responses=WRITTEN)
async def reset(
    said: bodies.Reset, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """Begin the counts since the last reset anew; totals stay."""
    data = _present(types=said.types, reason=said.reason)
    return await record(served, who, response, said, key, "counters.reset", said.system_id, data)


@router.post("/api/alarm/acknowledge", summary="Say that an alarm was seen", responses=WRITTEN)
async def acknowledge(
    said: bodies.Acknowledge, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """Say that somebody takes care of an alarm or alert; it stays as it is, and raised again it is new."""
    if said.alarm is not None:
        data = _present(alarm=said.alarm, device=said.device, phase=said.phase, note=said.note)
        return await record(served, who, response, said, key, "alarm.acknowledged", said.system_id, data)
    data = _present(alert=said.alert, counted=said.counted, period=said.period, note=said.note)
    return await record(served, who, response, said, key, "alert.acknowledged", said.system_id, data)


@router.post("/api/systems/{system_id}", summary="Register a system", responses=WRITTEN)
async def register(
    system_id: Annotated[str, Path(min_length=1, max_length=200)],
    said: bodies.Register,
    response: Response,
    served: Served,
    who: Admin,
    key: Key = None,
) -> answers.Written:
    """Say what a system is: name, aliases, ratings, battery; see the schema of `system.registered`."""
    answer = await record(served, who, response, said, key, "system.registered", system_id, said.registration)
    await served.caught_up()
    served.names_at_s = float("-inf")  # what is asked next may use the new names
    return answer


@router.get("/api/actions/{action_id}", summary="Ask what became of a write")
async def became(
    action_id: Annotated[str, Path(min_length=1, max_length=256)], served: Served, who: Reader
) -> answers.Action:
    """Tell whether a write is recorded, waits, or was refused and why."""
    del who
    outcome = await served.writer.became(action_id)
    if outcome is None:
        raise Problem("not-found", "No write of this API has this id: send it again, it is recorded once.")
    came_to = await ending(served, outcome)
    state = {Became.RECORDED: "confirmed", Became.WAITING: "waiting", Became.REFUSED: "refused"}
    problem = refusal(outcome).document() if outcome.became is Became.REFUSED else None
    answer = answers.Action.model_validate(
        {
            "id": outcome.id,
            "state": state[outcome.became],
            "position": outcome.position,
            "type": outcome.type,
            "system_id": outcome.subject,
            "problem": problem,
        }
    )
    if came_to is not None:
        came_to.tell(answer)
    return answer


async def _end(
    served: Service,
    who: Caller,
    response: Response,
    said: bodies.End | bodies.EndAll,
    key: str | None,
    system_id: str,
) -> tuple[Outcome, Ending | None, list[str]]:
    """Record an end.

    Returns:
        What became of it, what it came to, and the events that ended, or will as far as is known yet.
    """
    alone = None if system_id == system_ids.ALL else system_id
    before = [] if said.event_id else list((await _active(served, alone)).values())
    data = _present(event_id=said.event_id, note=said.note)
    outcome = await publish(served, who, said, key, "window.ended", system_id, data)
    tell(response, outcome)
    came_to = await ending(served, outcome)
    if came_to is not None:
        return outcome, came_to, came_to.events
    if said.event_id is not None:
        return outcome, None, [said.event_id]
    sent_again = outcome.replayed and outcome.became is Became.RECORDED
    return outcome, None, [] if sent_again else list(dict.fromkeys(before))


async def record(
    served: Service,
    who: Caller,
    response: Response,
    said: bodies.Said,
    key: str | None,
    type_: str,
    system_id: str | None,
    data: Mapping[str, Any],
) -> answers.Written:
    """Publish an event for a request, and answer it; without a system it is about the site.

    Raises:
        Problem: the caller may not, or the event cannot be recorded as it is.
    """
    outcome = await publish(served, who, said, key, type_, system_id, data)
    tell(response, outcome)
    return written(outcome, data)


async def publish(
    served: Service,
    who: Caller,
    said: bodies.Said,
    key: str | None,
    type_: str,
    system_id: str | None,
    data: Mapping[str, Any],
) -> Outcome:
    """Publish an event for a request; without a system it is about the site.

    Raises:
        Problem: the caller may not, or the event cannot be recorded as it is.
    """
    await served.learn_names()
    try:
        canonical = SITE if system_id is None else served.writer.canonical(system_id)
        touching(who, None if canonical in {system_ids.ALL, SITE} else canonical)
        if served.settings.cloud and type_ in NODES_SAY:
            await not_a_node_s(served, canonical)
        claim = Claim(
            type_, canonical, data, said.time_us, scoped(who, said.id, key), extensions(who, said.operator)
        )
        outcome = await served.writer.write(claim, patience_s=served.settings.web.confirm_s)
    except InputError as error:
        raise refused(error) from error
    if outcome.became is Became.REFUSED:
        raise refusal(outcome)
    return outcome


def tell(response: Response, outcome: Outcome) -> None:
    """Set the status and the headers that say what became of a write."""
    if outcome.became is Became.WAITING:
        response.status_code = 202
        response.headers["Location"] = f"/api/actions/{quote(outcome.id, safe='')}"
    if outcome.replayed:
        response.headers["Idempotent-Replayed"] = "true"


def written(outcome: Outcome, data: Mapping[str, Any]) -> answers.Written:
    """Describe a write."""
    return answers.Written(
        status="waiting" if outcome.became is Became.WAITING else "recorded",
        id=outcome.id,
        position=outcome.position,
        type=outcome.type,
        system_id=outcome.subject,
        time=text(outcome.time_us),
        event_id=data.get("event_id"),
    )


def scoped(who: Caller, own: str | None, header: str | None) -> str | None:
    """Return what makes a request safe to repeat; keys of different callers do not meet.

    Raises:
        Problem: body and header say different things.
    """
    if own and header and own != header:
        raise Problem(
            "invalid", "Send the same id and Idempotency-Key, or one of them.", field="id", reason="two_keys"
        )
    key = own or header
    return key and (key if is_uuid(key) else f"{who.name or ''}\n{key}")


def extensions(who: Caller, operator: str | None) -> dict[str, str]:
    """Say in the envelope who did it."""
    return _present(operator=operator, apikey=who.name)


def report_url(served: Service, request: Request, event_id: str, system_id: str | None = None) -> str:
    """Tell where the report of an event, or of a system in it, is or will be."""
    query = "" if system_id is None else f"?system_id={quote(system_id, safe='')}"
    return f"{served.base_url(request)}/api/reports/{quote(event_id, safe='')}/html{query}"


async def _active(served: Service, system_id: str | None) -> dict[str, str]:
    """Return what is active as far as the state knows, which may be nothing."""
    try:
        await served.learn_names()
        await served.caught_up(served.keeping)
        canonical = None if system_id is None else served.writer.canonical(system_id)
        return await served.keeping(state_tables.active, served.keeping.stores, canonical)
    except TransientError:
        return {}
    except InputError as error:
        raise refused(error) from error


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
