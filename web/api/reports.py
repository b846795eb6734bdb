"""Reports: listed, asked for, handed out as HTML, PDF, CSV and JSON, and sent by e-mail.

HTML, PDF and CSV are public, as they always were: links to them go to customers. The document itself needs
a key once there are keys, and so does asking for one.
"""

import asyncio
import time
from importlib import resources
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from bus.instants import text
from projectors.report_index import Report
from web.api import answers, bodies, state_tables
from web.api.access import Holder, Operator, Reader, Served, touching
from web.api.actions import WRITTEN, Key, publish, scoped, tell, written
from web.api.problems import Problem
from web.api.reading import Stores
from web.api.service import Service
from web.api.systems import AskedEvent, AskedSystem, name
from web.api.writing import SITE

router = APIRouter(tags=["reports"])
REQUESTED: Final = "report.requested"
READY: Final = "ready"
_SOON: Final = frozenset({"requested", "making"})
_WAIT_S: Final = 20.0
_LOOK_S: Final = 0.25
_PUBLIC: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-downloads"
    ),
    "Cache-Control": "no-cache",
}
_FILES: Final = {
    "html": ("report.html", "text/html; charset=utf-8"),
    "pdf": ("report.pdf", "application/pdf"),
    "csv": ("blocks.csv", "text/csv; charset=utf-8"),
}
_PAGES: Final = resources.files("web.api") / "pages"
_WAITING: Final = (_PAGES / "report_waiting.html").read_text(encoding="utf-8")
_TABLES: Final = frozenset({"blocks", "energies", "systems"})
# An event_id may hold a slash, so these take what is left of the path.
EventPath = Annotated[str, Path(min_length=1, max_length=120, description="The event.", examples=["startup"])]
Revision = Annotated[int | None, Query(ge=1, le=100_000, description="The newest, when left out.")]


@router.post("/api/reports/generate", summary="Make a report", responses=WRITTEN)
async def generate(
    said: bodies.Generate,
    request: Request,
    response: Response,
    served: Served,
    who: Operator,
    key: Key = None,
) -> answers.Written:
    """Ask for a report of an event, or of one system in it, up to now; `report_url` is where it will be."""
    wanted = await name(served, said.system_id)
    if not await _took_part(served, said.event_id, wanted):
        raise Problem(
            "not-found",
            f"{wanted or 'No system'} has {'not ' if wanted else ''}taken part in {said.event_id!r}: "
            "see /api/suggestions for events.",
            field="event_id",
        )
    touching(who, wanted)
    head = await served.reading(_head, served.reading.stores)
    before = await served.writer.kept(scoped(who, said.id, key))
    data = {
        "scope": "event" if wanted is None else "system",
        "event_id": said.event_id,
        "revision": 1,  # the projector gives it its own
        "cut_position": head if before is None else before.data.get("cut_position", head),
        "reason": "operator",
    }
    outcome = await publish(served, who, said, key, REQUESTED, wanted or SITE, data)
    tell(response, outcome)
    answer = written(outcome, data)
    answer.report_url = url(served, request, said.event_id, wanted, "html")
    return answer


@router.get("/api/reports", summary="Reports, the newest first")
async def reports(
    request: Request,
    served: Served,
    who: Reader,
    event_id: AskedEvent = None,
    system_id: AskedSystem = None,
    newest: Annotated[bool, Query(description="Only the newest revision of each.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> answers.Reports:
    """List the reports there are, and those being made."""
    del who
    wanted = await name(served, system_id)
    found = await served.reading(served.reports.find, event_id, system_id=wanted, newest=newest, limit=limit)
    return answers.Reports(reports=[_listed(served, request, one) for one in found])


@router.post("/api/reports/{event_id:path}/send", summary="Send a report by e-mail")
async def send(event_id: EventPath, said: bodies.Send, served: Served, who: Operator) -> answers.Sent:
    """Queue a report for these addresses; `projector-reports` sends it with the PDF."""
    wanted = await name(served, said.system_id)
    touching(who, wanted)
    report = await _ready(served, event_id, wanted, None)
    await served.reading(served.reports.send, report.position, said.to)
    return answers.Sent(to=said.to, revision=report.revision)


def _of_file(kind: str) -> dict[int | str, dict[str, Any]]:
    media_type = _FILES[kind][1].partition(";")[0]
    binary = {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}
    return {200: {"content": {media_type: {"schema": binary}}}}


@router.get(
    "/api/reports/{event_id:path}/html",
    summary="A report for people",
    response_class=FileResponse,
    responses=_of_file("html"),
)
async def html(
    event_id: EventPath,
    request: Request,
    served: Served,
    system_id: AskedSystem = None,
    revision: Revision = None,
) -> Response:
    """Show a report. Public: no key is needed."""
    try:
        return await _file(served, event_id, system_id, revision, *_FILES["html"], patience_s=_WAIT_S)
    except Problem as problem:
        if problem.kind == "not-yet" and "text/html" in request.headers.get("accept", ""):
            return Response(_WAITING, 404, {"Refresh": "3", **_PUBLIC}, "text/html; charset=utf-8")
        raise


@router.get(
    "/api/reports/{event_id:path}/pdf",
    summary="A report to print",
    response_class=FileResponse,
    responses=_of_file("pdf"),
)
async def pdf(
    event_id: EventPath, served: Served, system_id: AskedSystem = None, revision: Revision = None
) -> Response:
    """Download a report as PDF. Public: no key is needed."""
    return await _file(served, event_id, system_id, revision, *_FILES["pdf"], patience_s=_WAIT_S)


@router.get(
    "/api/reports/{event_id:path}/csv",
    summary="A report's tables",
    response_class=FileResponse,
    responses=_of_file("csv"),
)
async def csv(
    event_id: EventPath,
    served: Served,
    system_id: AskedSystem = None,
    revision: Revision = None,
    table: Annotated[
        str | None, Query(pattern="^(blocks|energies|systems)$", description="Which table.")
    ] = None,
) -> Response:
    """Download a table of a report. Public: no key is needed."""
    file, media_type = _FILES["csv"]
    return await _file(
        served, event_id, system_id, revision, f"{table}.csv" if table in _TABLES else file, media_type
    )


@router.get(
    "/api/reports/{event_id:path}",
    summary="A report as a document",
    response_class=FileResponse,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def document(
    event_id: EventPath, served: Served, who: Holder, system_id: AskedSystem = None, revision: Revision = None
) -> Response:
    """Return everything that a report says: its figures, how they were made, and from what."""
    wanted = await name(served, system_id)
    if wanted is not None:
        touching(who, wanted)
    return await _file(served, event_id, system_id, revision, "data.json", "application/json")


def url(
    served: Service,
    request: Request,
    event_id: str,
    system_id: str | None,
    kind: str,
    revision: int | None = None,
) -> str:
    """Tell where a report is, or will be."""
    asked = {"system_id": system_id, "revision": revision}
    query = "&".join(
        f"{key}={quote(str(value), safe='')}" for key, value in asked.items() if value is not None
    )
    path = f"/api/reports/{quote(event_id, safe='')}" + (f"/{kind}" if kind else "")
    return served.base_url(request) + path + (f"?{query}" if query else "")


async def _file(
    served: Service,
    event_id: str,
    system_id: str | None,
    revision: int | None,
    file: str,
    media_type: str,
    *,
    patience_s: float = 0.0,
) -> Response:
    """Hand out a file of a report; wait a moment for one that is being made."""
    report = await _ready(served, event_id, await name(served, system_id), revision, patience_s=patience_s)
    path = served.reports.directory(report) / file
    until_s = time.monotonic() + patience_s
    while not await served.reading(path.is_file):
        if report.pdf != "waiting" or file != _FILES["pdf"][0]:
            raise Problem("not-found", f"This report has no {file}.")
        if time.monotonic() >= until_s:
            raise Problem(
                "not-yet", "The PDF is being made: ask again in a moment.", headers={"Retry-After": "3"}
            )
        await asyncio.sleep(_LOOK_S)
    headers = dict(_PUBLIC)
    if not media_type.startswith(("text/html", "application/json")):
        name_ = quote(f"{report.event_id}-{report.system_id or 'event'}-{report.revision}-{file}", safe="")
        headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name_}"
    return FileResponse(path, media_type=media_type, headers=headers)


async def _ready(
    served: Service, event_id: str, system_id: str | None, revision: int | None, *, patience_s: float = 0.0
) -> Report:
    """Find a report that is made; wait a moment for the one that is asked for.

    Raises:
        Problem: there is none, or it is being made still.
    """
    until_s = time.monotonic() + patience_s
    while True:
        found = await served.reading(
            served.reports.find,
            event_id,
            scope="event" if system_id is None else "system",
            system_id=system_id,
        )
        wanted = [one for one in found if revision is None or one.revision == revision]
        ready = next((one for one in wanted if one.state == READY), None)
        if ready is not None:
            return ready
        coming = any(one.state in _SOON for one in wanted)
        if not coming or time.monotonic() >= until_s:
            break
        await asyncio.sleep(_LOOK_S)
    if coming or await _took_part(served, event_id, system_id):
        raise Problem(
            "not-yet",
            "The report is being made, or will be when the event ends: ask again in a moment.",
            headers={"Retry-After": "3"},
        )
    raise Problem(
        "not-found", "There is no such report: see /api/reports, or ask for one with /api/reports/generate."
    )


async def _took_part(served: Service, event_id: str, system_id: str | None) -> bool:
    await served.caught_up()
    parts = await served.reading(state_tables.parts, served.reading.stores, event_id)
    return any(system_id in {None, system} for system, *_ in parts)


def _head(stores: Stores) -> int:
    return stores.journal().head().position


def _listed(served: Service, request: Request, one: Report) -> answers.Report:
    urls = {
        f"{kind or 'json'}_url": url(served, request, one.event_id, one.system_id, kind, one.revision)
        for kind in ("html", "pdf", "csv", "")
    }
    return answers.Report.model_validate(
        {
            "event_id": one.event_id,
            "scope": one.scope,
            "system_id": one.system_id,
            "revision": one.revision,
            "state": one.state,
            "reason": one.reason,
            "error": one.error,
            "requested_at": text(one.requested_us),
            "request_id": one.request_id,
            "generated_at": None if one.generated_us is None else text(one.generated_us),
            "position": one.position,
            "cut_position": one.cut_position,
            "totals": one.totals,
            "changed": one.changed,
            "pdf": one.pdf,
            "provisional": bool(one.made.get("provisional", False)),
            **{key: one.made.get(key) for key in ("from", "to", "coverage_pct", "grade", "systems")},
            **urls,
        }
    )
