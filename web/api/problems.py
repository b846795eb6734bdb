"""Errors as RFC 9457 problem details: what went wrong, where, and what to do. Pure.

Rules that must stay true here:
- every error of the API is one of `KINDS`, so that the description can list them all;
- nothing secret and nothing of the machine (paths, traces) is said.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import orjson
from fastapi import HTTPException
from fastapi.responses import Response

from schemas.errors import InputError

MEDIA_TYPE: Final = "application/problem+json"
DOCS: Final = "/api/docs"


class Kind(NamedTuple):
    """A kind of problem: its status and its title."""

    status: HTTPStatus
    title: str


KINDS: Final[Mapping[str, Kind]] = {
    "malformed": Kind(HTTPStatus.BAD_REQUEST, "The request cannot be read"),
    "key-needed": Kind(HTTPStatus.UNAUTHORIZED, "An API key is needed"),
    "key-wrong": Kind(HTTPStatus.UNAUTHORIZED, "The API key is not known"),
    "not-allowed": Kind(HTTPStatus.FORBIDDEN, "The API key may not do this"),
    "cross-site": Kind(HTTPStatus.FORBIDDEN, "Another site's page may not do this"),
    "wrong-host": Kind(HTTPStatus.MISDIRECTED_REQUEST, "This node does not go by that name"),
    "not-found": Kind(HTTPStatus.NOT_FOUND, "There is no such thing"),
    "not-yet": Kind(HTTPStatus.NOT_FOUND, "It is being made"),
    "method": Kind(HTTPStatus.METHOD_NOT_ALLOWED, "This cannot be done here"),
    "too-slow": Kind(HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly"),
    "too-large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large"),
    "media-type": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This kind of file or body is not taken"),
    "invalid": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Something in the request must be changed"),
    "refused": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The recorder refused the event"),
    "idempotency-key-reused": Kind(
        HTTPStatus.UNPROCESSABLE_ENTITY, "This id or Idempotency-Key belongs to another request"
    ),
    "too-many": Kind(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    "fault": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of ours"),
    "not-ready": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "This cannot be answered now"),
}
_OF_STATUS: Final[Mapping[int, str]] = {
    kind.status: name
    for name, kind in reversed(list(KINDS.items()))
    if name not in {"not-yet", "key-wrong", "cross-site", "refused", "idempotency-key-reused"}
}
# What a request's field is called inside the event.
_FIELDS: Final[Mapping[str, str]] = {"subject": "system_id", "data.text": "msg", "data.name": "location"}


class Problem(HTTPException):
    """A problem on its way to the client.

    Args:
        kind: one of `KINDS`.
        detail: one sentence, or two, that say what to do.
        field: the request's field that is wrong.
        reason: one word of `snake_case` that programs can switch on.
        errors: each of several wrong fields: field, reason, detail.
        headers: of the answer.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        field: str | None = None,
        reason: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(KINDS[kind].status, detail, dict(headers or {}))
        self.kind = kind
        self.field = field
        self.reason = reason
        self.errors = errors

    def document(self) -> dict[str, Any]:
        """Write it as RFC 9457 says."""
        said: dict[str, Any] = {
            "type": f"{DOCS}#problem-{self.kind}",
            "title": KINDS[self.kind].title,
            "status": self.status_code,
            "detail": self.detail,
        }
        if self.field:
            said["field"] = self.field
        if self.reason:
            said["reason"] = self.reason
        if self.errors:
            said["errors"] = list(self.errors)
        return said


def answer(problem: Problem) -> Response:
    """Answer with a problem."""
    return Response(
        orjson.dumps(problem.document()), problem.status_code, problem.headers, media_type=MEDIA_TYPE
    )


def refused(error: InputError, kind: str = "invalid") -> Problem:
    """Say that an event cannot be recorded as it was asked for."""
    field = request_field(error.field)
    return Problem(kind, sentence(error.hint), field=field or None, reason=error.reason)


def request_field(field: str) -> str:
    """Name the request's field that became a field of the event."""
    return _FIELDS.get(field) or field.removeprefix("data.")


def later(detail: str, seconds: int = 5) -> Problem:
    """Say that the same request will work soon."""
    return Problem("not-ready", detail, headers={"Retry-After": str(seconds)})


def of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """Make a problem of a bare HTTP status."""
    kind = _OF_STATUS.get(status, "malformed" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "fault")
    return Problem(kind, sentence(detail), headers=headers)


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
