"""Reading what is: status, systems, suggestions, notes, photos, and the timeline of facts."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from bus import instants, system_ids
from bus.envelope import Event
from bus.instants import text
from projectors import state_fold
from projectors.events import EventReader
from schemas.errors import InputError
from schemas.registry import Registry
from web.api import answers, state_tables
from web.api.access import Reader, Served
from web.api.labels import label
from web.api.problems import Problem, refused
from web.api.reading import Stores
from web.api.service import Service

router = APIRouter(tags=["systems"])
_PAGE: Final = 200
_PAGES: Final = 10
_LATEST: Final = 2**62
_REGISTRY: Final = Registry.load()
_EVENTS: Final = EventReader(_REGISTRY)
_TYPES: Final = (*sorted(state_fold.TYPES), "report.requested", "report.generated")
_OCCURRENCES: Final = tuple(one for one in _REGISTRY.types() if one.startswith("ups."))
AskedSystem = Annotated[
    str | None, Query(max_length=200, description="Only this system.", examples=["rig_01"])
]
AskedEvent = Annotated[
    str | None, Query(max_length=120, description="Only this event.", examples=["startup"])
]
AskedTypes = Annotated[
    str | None,
    Query(
        max_length=1000, description="Only these, separated by commas.", examples=["note.added,photo.added"]
    ),
]
PathSystem = Annotated[str, Path(min_length=1, max_length=200, examples=["rig_01"])]


@router.get("/api/status", summary="Systems as they are")
async def status(
    served: Served, who: Reader, system_id: AskedSystem = None
) -> answers.Status | answers.SystemStatus:
    """Say which system takes part in what, where it is, and how old its newest sample is.

    With `system_id` the answer is that system alone.
    """
    del who
    wanted = await name(served, system_id)
    await served.caught_up()
    now_us = instants.now_us()
    found = await served.reading(state_tables.status, served.reading.stores, wanted, now_us)
    if wanted is not None:
        if not found:
            raise unknown(wanted)
        return answers.SystemStatus.model_validate(found[0])
    position = await served.reading(state_tables.position, served.reading.stores)
    return answers.Status(
        systems=[answers.SystemStatus.model_validate(one) for one in found],
        position=position,
        time=text(now_us),
    )


@router.get("/api/systems", summary="Systems as they were registered")
async def systems(served: Served, who: Reader) -> answers.Systems:
    """List every system that was heard of, with names and ratings."""
    del who
    await served.caught_up()
    found = await served.reading(state_tables.registered, served.reading.stores)
    return answers.Systems(systems=[answers.Registered.model_validate(one) for one in found])


@router.get(
    "/api/systems/{system_id}/label.svg",
    summary="A QR label of a system",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
)
async def qr_label(system_id: PathSystem, served: Served, who: Reader, request: Request) -> Response:
    """Draw a label whose code opens `/s/<system_id>`, at `[web] base_url` or where it was asked for."""
    del who
    wanted = await name(served, system_id)
    assert wanted is not None
    svg = await served.reading(label, f"{served.base_url(request)}/s/{wanted}", wanted)
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})


@router.get("/api/suggestions", summary="What to offer while somebody types")
async def suggestions(served: Served, who: Reader) -> answers.Suggestions:
    """List events and locations that were named before, and the templates of `site.toml`."""
    del who
    await served.caught_up()
    events, places = await served.reading(state_tables.suggestions, served.reading.stores)
    return answers.Suggestions(
        events=events,
        locations=places,
        templates=[
            answers.Template(
                event_id=one.event_id,
                name=one.name,
                location=one.location,
                note=one.note,
                systems=list(one.systems),
            )
            for one in served.settings.web.templates
        ],
    )


@router.get("/api/notes", summary="Notes, the newest first")
async def notes(
    served: Served,
    who: Reader,
    system_id: AskedSystem = None,
    event_id: AskedEvent = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> answers.Notes:
    """List notes; one without an event belongs to the event that was active when it was written."""
    del who
    wanted = await name(served, system_id)
    await served.caught_up()
    found = await served.reading(state_tables.notes, served.reading.stores, wanted, event_id, limit)
    return answers.Notes(notes=[answers.NoteSaid.model_validate(one) for one in found])


@router.get("/api/timeline", summary="What happened, the newest first")
async def timeline(
    served: Served,
    who: Reader,
    system_id: AskedSystem = None,
    event_id: AskedEvent = None,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="Older than this position.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    types: AskedTypes = None,
    occurrences: Annotated[bool, Query(description="Also what the detector counted.")] = False,
) -> answers.Timeline:
    """List facts of operators, alarms, alerts and reports, as they were recorded; no samples.

    A page may be short while `next` says that there is more.
    """
    del who
    wanted = await name(served, system_id)
    await served.caught_up()
    chosen = _chosen(types, occurrences=occurrences)
    found, following = await served.reading(
        facts, served.reading.stores, wanted, event_id, before, limit, types=chosen
    )
    return answers.Timeline(items=[answers.Item.model_validate(one) for one in found], next=following)


async def name(served: Service, typed: str | None) -> str | None:
    """Return the system that a name in a request stands for; None for none, or a blank one.

    Raises:
        Problem: it can be no system's name.
    """
    if typed is None or not typed.strip():
        return None
    await served.learn_names()
    try:
        return served.writer.canonical(typed)
    except InputError as error:
        raise refused(error) from error


def unknown(system_id: str) -> Problem:
    """Say that nothing was ever heard of a system."""
    return Problem(
        "not-found",
        f"Nothing was heard of {system_id} yet: see /api/systems for what there is.",
        field="system_id",
    )


def facts(
    stores: Stores,
    system_id: str | None,
    event_id: str | None,
    before: int | None,
    limit: int,
    *,
    types: Sequence[str],
) -> tuple[list[dict[str, Any]], int | None]:
    """Read the newest facts before a position, and where to go on.

    Returns:
        At most `limit` facts, and the position to go on before; None when there is nothing older.
    """
    names = state_tables.aliases(stores)
    subjects = None if system_id is None else [system_id, system_ids.ALL, *_names_of(system_id, names)]
    windows = state_tables.parts(stores, event_id) if event_id is not None else []
    found: list[dict[str, Any]] = []
    place = before or _LATEST
    for _ in range(_PAGES):
        page, following = stores.journal().newest_facts(place, types=types, subjects=subjects, limit=_PAGE)
        verdicts = state_tables.verdicts(stores, (row.position for row in page), system_id)
        for event in map(_EVENTS.event, page):
            verdict = verdicts.get(event.position, {})
            if _concerns(event, system_id, verdict) and (
                event_id is None or _belongs(event, event_id, windows, names)
            ):
                found.append(_item(event, names, verdict))
                if len(found) == limit:
                    return found, event.position
        if following is None:
            return found, None
        place = following
    return found, place


def _chosen(types: str | None, *, occurrences: bool) -> Sequence[str]:
    """Return the types of facts that were asked for.

    Raises:
        Problem: one of them is none of the timeline's.
    """
    if types is None or not types.strip():
        return [*_TYPES, *_OCCURRENCES] if occurrences else _TYPES
    wanted = list(dict.fromkeys(one.strip() for one in types.split(",") if one.strip()))
    wrong = [one for one in wanted if one not in {*_TYPES, *_OCCURRENCES}]
    if wrong or not wanted:
        raise Problem(
            "invalid",
            f"The timeline tells {', '.join(_TYPES)}, and what the detector counts.",
            field="types",
            reason="unknown_type",
        )
    return wanted


def _names_of(system_id: str, names: dict[str, str]) -> list[str]:
    return [alias for alias, of in names.items() if of == system_id]


def _item(event: Event, names: dict[str, str], verdict: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "position": event.position,
        "id": event.id,
        "type": event.type,
        "system_id": system_ids.resolve(event.subject, names),
        "event_id": event.data.get("event_id"),
        "time": text(event.time_us),
        "recorded_at": text(event.recorded_us),
        "client": event.client,
        "operator": event.extensions.get("operator"),
        "data": dict(event.data),
        **{key: value for key, value in verdict.items() if value is not None},
    }


def _concerns(event: Event, system_id: str | None, verdict: Mapping[str, Any]) -> bool:
    """Tell whether a fact concerns a system; one about all of them does when it changed something for it."""
    return system_id is None or event.subject != system_ids.ALL or bool(verdict)


def _belongs(
    event: Event, event_id: str, windows: Sequence[tuple[str, int, int | None]], names: dict[str, str]
) -> bool:
    """Tell whether a fact names an event, or happened to one of its systems while it took part."""
    said = event.data.get("event_id")
    if said is not None:
        return bool(said == event_id)
    system = system_ids.resolve(event.subject, names)
    return any(
        system in {one, system_ids.ALL}
        and begin_us <= event.time_us
        and (end_us is None or event.time_us <= end_us)
        for one, begin_us, end_us in windows
    )
