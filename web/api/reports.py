"""Reports: listed, asked for, handed out as HTML, PDF, CSV and JSON, and sent by e-mail.

HTML, PDF and CSV are public, as they always were: links to them go to customers. The document itself needs
a key once there are keys, and so does asking for one.
"""

from importlib import resources
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from bus.instants import text
from projectors.report_index import Report
from web.api import answers, bodies
from web.api.access import Holder, Operator, Reader, Served, touching
from web.api.actions import WRITTEN, Key, publish, scoped, tell, written
from web.api.problems import Problem
from web.api.reading import Stores
from web.api.report_files import CSV, HARMLESS, HTML, JSON, PDF, hand_out, ready, url, windows
from web.api.service import Service
from web.api.systems import AskedEvent, AskedSystem, name

router = APIRouter(tags=["reports"])
REQUESTED: Final = "report.requested"
_WAIT_S: Final = 20.0
_PAGES: Final = resources.files("web.api") / "pages"
_WAITING: Final = (_PAGES / "report_waiting.html").read_text(encoding="utf-8")
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
    if not await windows(served, said.event_id, wanted):
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
    outcome = await publish(served, who, said, key, REQUESTED, wanted, data)
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
    report = await ready(served, event_id, wanted, None)
    await served.reading(served.reports.send, report.position, said.to)
    return answers.Sent(to=said.to, revision=report.revision)


def _of(media_type: str) -> dict[int | str, dict[str, Any]]:
    """Describe a file that is handed out."""
    media_type = media_type.partition(";")[0]
    schema = {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}
    return {200: {"content": {media_type: {"schema": schema}}}}


@router.get(
    "/api/reports/{event_id:path}/html",
    summary="A report for people",
    response_class=FileResponse,
    responses=_of(HTML[1]),
)
async def html(
    event_id: EventPath,
    request: Request,
    served: Served,
    system_id: AskedSystem = None,
    revision: Revision = None,
) -> Response:
    """Show a report; wait a moment for one that is being made. Public: no key is needed."""
    wanted = await name(served, system_id)
    try:
        report = await ready(served, event_id, wanted, revision, patience_s=_WAIT_S)
    except Problem as problem:
        if problem.kind == "not-yet" and "text/html" in request.headers.get("accept", ""):
            return Response(_WAITING, 404, {"Refresh": "3", **HARMLESS}, HTML[1])
        raise
    return await hand_out(served, report, *HTML)


@router.get(
    "/api/reports/{event_id:path}/{folder}/report.html",
    summary="A system's part of an event's report",
    response_class=FileResponse,
    responses=_of(HTML[1]),
)
async def part(
    event_id: EventPath,
    folder: Annotated[str, Path(max_length=100, description="As the event's report links to it.")],
    served: Served,
    revision: Revision = None,
) -> Response:
    """Show the report of one system as it belongs to that of the event. Public: no key is needed."""
    report = await ready(served, event_id, None, revision)
    if folder not in {one.get("folder") for one in report.made.get("systems") or ()}:
        raise Problem("not-found", "The event's report has no such part.", field="folder")
    return await hand_out(served, report, *HTML, folder=folder)


@router.get(
    "/api/reports/{event_id:path}/pdf",
    summary="A report to print",
    response_class=FileResponse,
    responses=_of(PDF[1]),
)
async def pdf(
    event_id: EventPath, served: Served, system_id: AskedSystem = None, revision: Revision = None
) -> Response:
    """Download a report as PDF. Public: no key is needed."""
    report = await ready(served, event_id, await name(served, system_id), revision, patience_s=_WAIT_S)
    return await hand_out(served, report, *PDF, patience_s=_WAIT_S)


@router.get(
    "/api/reports/{event_id:path}/csv",
    summary="A report's tables",
    response_class=FileResponse,
    responses=_of(CSV),
)
async def csv(
    event_id: EventPath,
    served: Served,
    system_id: AskedSystem = None,
    revision: Revision = None,
    table: Annotated[
        str,
        Query(pattern="^(blocks|energies|systems)$", description="Blocks, energies, or an event's systems."),
    ] = "blocks",
) -> Response:
    """Download a table of a report. Public: no key is needed."""
    report = await ready(served, event_id, await name(served, system_id), revision)
    return await hand_out(served, report, f"{table}.csv", CSV)


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
    return await hand_out(served, await ready(served, event_id, wanted, revision), *JSON)


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
