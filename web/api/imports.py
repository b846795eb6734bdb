"""Bulk import of windows and notes from CSV: tried first, then recorded whole or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from bus import system_ids
from schemas.errors import InputError
from web.api import answers
from web.api.access import Admin, Served
from web.api.actions import ACCEPTED
from web.api.claims import SITE, Claim
from web.api.csv_rows import NOTES, WINDOWS, Form, Row, rows
from web.api.outcomes import Became, Outcome
from web.api.problems import Problem, request_field, sentence
from web.api.service import Service
from web.api.writing import SLICE

router = APIRouter(tags=["import"])
_TAKEN: Final = ("text/csv", "text/plain", "application/csv", "application/vnd.ms-excel")
_MOST_ERRORS: Final = 100
DryRun = Annotated[
    bool, Query(description="True: only say what would be recorded. Send it again with `false` to do it.")
]
_EXAMPLES: Final = {
    "windows": "system_id,event_id,started_at,ended_at,location,note\n"
    "rig_01,Summer Festival,2026-07-03T10:00:00Z,2026-07-05T23:00:00Z,Main stage,Two feeders\n",
    "notes": "system_id,event_id,time,msg\nrig_01,Summer Festival,2026-07-03T18:20:00Z,Generator refuelled\n",
}


def _body(kind: str) -> dict[str, object]:
    return {
        "requestBody": {
            "required": True,
            "content": {"text/csv": {"schema": {"type": "string"}, "example": _EXAMPLES[kind]}},
        }
    }


@router.post(
    "/api/import/windows",
    summary="Import windows from CSV",
    openapi_extra=_body("windows"),
    response_model=answers.Imported,
    responses={202: {**ACCEPTED, "model": answers.Imported}},
)
async def windows(request: Request, served: Served, who: Admin, dry_run: DryRun = True) -> Response:
    """Record windows of the past: system_id, event_id, started_at; if you like ended_at, location, note.

    Nothing is recorded while a row is wrong. A file sent twice is recorded once.
    """
    del who
    return await _import(request, served, WINDOWS, dry_run=dry_run)


@router.post(
    "/api/import/notes",
    summary="Import notes from CSV",
    openapi_extra=_body("notes"),
    response_model=answers.Imported,
    responses={202: {**ACCEPTED, "model": answers.Imported}},
)
async def notes(request: Request, served: Served, who: Admin, dry_run: DryRun = True) -> Response:
    """Record notes of the past: columns time, msg, and if you like system_id, event_id, operator."""
    del who
    return await _import(request, served, NOTES, dry_run=dry_run)


async def _import(request: Request, served: Service, form: Form, *, dry_run: bool) -> Response:
    media_type = request.headers.get("content-type", "text/csv").partition(";")[0].strip().lower()
    if media_type not in _TAKEN:
        raise Problem("media-type", "Send the file as the body, with Content-Type: text/csv.")
    await served.learn_names()
    found = await _all_checked(served, await served.reading(_read, await request.body(), form))
    wrong = [row for row in found if row.detail is not None]
    if wrong and not dry_run:
        raise Problem(
            "invalid",
            f"{len(wrong)} of {len(found)} rows must be changed, and nothing was recorded.",
            reason="rows",
            errors=[
                {"row": row.line, "field": row.field, "detail": row.detail}
                for row in islice(wrong, _MOST_ERRORS)
            ],
        )
    claims = list({claim.key: claim for row in found for claim in row.claims}.values())
    outcomes: dict[str | None, Outcome] = {}
    if claims and not dry_run:
        patience_s = served.settings.web.confirm_s + len(claims) / 500
        said = await served.writer.write_all(claims, patience_s=patience_s)
        outcomes = {claim.key: outcome for claim, outcome in zip(claims, said, strict=True)}
    return await served.reading(_answer, found, outcomes, len(claims), dry_run=dry_run)


def _answer(
    found: Sequence[Row], outcomes: Mapping[str | None, Outcome], events: int, *, dry_run: bool
) -> Response:
    """Write the answer, in a thread: it may be a long one."""
    waiting = sum(one.became is Became.WAITING for one in outcomes.values())
    said = answers.Imported(
        dry_run=dry_run,
        rows=[_told(row, outcomes) for row in found],
        events=events,
        recorded=sum(one.became is Became.RECORDED for one in outcomes.values()),
        waiting=waiting,
    )
    return Response(said.model_dump_json(), 202 if waiting else 200, media_type="application/json")


def _read(body: bytes, form: Form) -> list[Row]:
    return list(rows(body, form))


async def _all_checked(served: Service, found: Sequence[Row]) -> list[Row]:
    """Check rows, and let others have their turn between many."""
    checked = []
    for number, row in enumerate(found, start=1):
        checked.append(_checked(served, row))
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return checked


def _checked(served: Service, row: Row) -> Row:
    """Say what the recorder would refuse."""
    if row.detail is not None:
        return row
    try:
        for claim in row.claims:
            _check(served, claim)
    except InputError as error:
        where = request_field(error.field) or None
        return replace(row, claims=(), field=where, detail=sentence(error.hint))
    return row


def _check(served: Service, claim: Claim) -> None:
    """Refuse what the recorder would refuse, and what is about all systems at once.

    Raises:
        InputError: it is.
    """
    about_site = claim.subject == SITE and claim.type == "note.added"
    if not about_site and system_ids.canonical(claim.subject) == system_ids.ALL:
        raise InputError("reserved", "subject", "name one system in each row")
    served.writer.check(claim)


def _told(row: Row, outcomes: Mapping[str | None, Outcome]) -> answers.ImportRow:
    became = [outcomes[claim.key] for claim in row.claims if claim.key in outcomes]
    refused = next((one.rejection for one in became if one.rejection is not None), None)
    return answers.ImportRow(
        row=row.line,
        ok=row.detail is None and refused is None,
        detail=row.detail or (sentence(refused.hint) if refused is not None else None),
        field=row.field,
        system_id=row.system_id,
        event_id=row.event_id,
        ids=[one.id for one in became],
        positions=[one.position for one in became],
    )
