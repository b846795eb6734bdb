"""Finding the files of reports, and handing them out; a report that is being made is waited for.

Rules that must stay true here:
- what a request says names no file: reports are found by their index, and files by a table;
- pages of reports may do nothing in a browser but be read: no scripts, no requests.
"""

import asyncio
import time
from typing import Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import FileResponse

from bus import instants
from bus.instants import SECOND_US
from projectors.report_index import Report
from web.api import state_tables
from web.api.problems import Problem
from web.api.service import Service

READY: Final = "ready"
HTML: Final = ("report.html", "text/html; charset=utf-8")
PDF: Final = ("report.pdf", "application/pdf")
JSON: Final = ("data.json", "application/json")
CSV: Final = "text/csv; charset=utf-8"
HARMLESS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-downloads"
    ),
    "Cache-Control": "no-cache",
}
_SOON: Final = frozenset({"requested", "making"})
_ENDED_US: Final = 120 * SECOND_US
_LOOK_S: Final = 0.25


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


async def hand_out(
    served: Service, report: Report, file: str, media_type: str, *, folder: str = "", patience_s: float = 0.0
) -> Response:
    """Hand out a file of a report; wait a moment for one that is being made.

    Raises:
        Problem: the report has no such file, or has it later.
    """
    path = served.reports.directory(report) / folder / file
    until_s = time.monotonic() + patience_s
    while not await served.reading(path.is_file):
        if report.pdf != "waiting" or file != PDF[0]:
            raise Problem("not-found", f"This report has no {file}.")
        if time.monotonic() >= until_s:
            raise Problem(
                "not-yet", "The PDF is being made: ask again in a moment.", headers={"Retry-After": "3"}
            )
        await asyncio.sleep(_LOOK_S)
    headers = dict(HARMLESS)
    if file not in {HTML[0], JSON[0]}:
        name = quote(f"{report.event_id}-{report.system_id or 'event'}-{report.revision}-{file}", safe="")
        headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
    return FileResponse(path, media_type=media_type, headers=headers)


async def ready(
    served: Service, event_id: str, system_id: str | None, revision: int | None, *, patience_s: float = 0.0
) -> Report:
    """Find a report that is made; wait a moment for one that is being made, or will be.

    Raises:
        Problem: there is none, or it is not made yet.
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
        made = next((one for one in wanted if one.state == READY), None)
        if made is not None:
            return made
        parts = [] if found else await windows(served, event_id, system_id)
        newest_us = max((ended_us or 0 for _, _, ended_us in parts), default=0)
        coming = any(one.state in _SOON for one in wanted) or newest_us > instants.now_us() - _ENDED_US
        if not coming or time.monotonic() >= until_s:
            break
        await asyncio.sleep(_LOOK_S)
    if coming or parts:
        raise Problem(
            "not-yet",
            "The report is being made, or will be when the event ends: ask again in a moment.",
            headers={"Retry-After": "3"},
        )
    raise Problem(
        "not-found", "There is no such report: see /api/reports, or ask for one with /api/reports/generate."
    )


async def windows(served: Service, event_id: str, system_id: str | None) -> list[tuple[str, int, int | None]]:
    """Return the windows of an event, of one system or all: system, start, end."""
    await served.caught_up()
    parts = await served.reading(state_tables.parts, served.reading.stores, event_id)
    return [part for part in parts if system_id in {None, part[0]}]
