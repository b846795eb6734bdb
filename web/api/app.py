"""The application: routes, errors, description, pages; what the process serves."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.routing import Match, Route

from schemas.errors import ConfigurationError, InputError, OvrError
from web.api import (
    actions,
    answers,
    counters,
    docs_page,
    events,
    imports,
    node,
    nodes,
    photos,
    problems,
    ranges,
    reports,
    systems,
    tiles,
    ui,
)
from web.api.access import before_body
from web.api.gate import Gate
from web.api.limits import Limits
from web.api.measures import Measures
from web.api.problems import Problem, request_field, sentence
from web.api.service import of, version
from web.api.static import Static
from web.settings import Gateway

log = logging.getLogger(__name__)

PAGES: Final = Path(__file__).parents[1] / "static"
_ROUTERS: Final = (
    actions,
    photos,
    systems,
    events,
    reports,
    counters,
    ranges,
    imports,
    tiles,
    ui,
    nodes,
    node,
)
_TAGS: Final[Sequence[dict[str, str]]] = (
    {"name": "actions", "description": "What operators do: windows, locations, notes, corrections."},
    {"name": "photos", "description": "Photos of systems and events."},
    {"name": "systems", "description": "What is, and what happened."},
    {"name": "reports", "description": "Reports of events and of systems in them."},
    {"name": "counters", "description": "UPS-style event counters."},
    {"name": "charts", "description": "Measurements over time."},
    {"name": "import", "description": "What was written down elsewhere."},
    {"name": "map", "description": "Map tiles, and guardrails before they cost money."},
    {"name": "pages", "description": "What the web pages need besides."},
    {"name": "node", "description": "The process itself."},
)
_PROBLEMS: Final = (400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 429, 500, 503)
_LATER: Final = frozenset({429, 503})
_DOCS_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def make_app(settings: Gateway, measures: Measures, limits: Limits) -> FastAPI:
    """Make the application; `app.state.service` must be set before it serves."""
    app = FastAPI(
        title=f"ovr: HTTP API of {settings.node_id}",
        version=version(),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    for module in _ROUTERS:
        app.include_router(module.router)
    document = describe(app)

    @app.get("/api/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return document

    @app.get(problems.DOCS, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page.page(document), headers={"Content-Security-Policy": _DOCS_POLICY})

    app.router.default = Static(settings.static or PAGES)
    app.router.redirect_slashes = False

    def permit(address: str, key: str | None) -> None:
        before_body(of(app), address, key)

    app.add_middleware(Gate, settings=settings, measures=measures, limits=limits, permit=permit)
    app.add_exception_handler(AnyHTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(OvrError, _on_ours)
    app.add_exception_handler(Exception, _on_fault)
    return app


def describe(app: FastAPI) -> dict[str, Any]:
    """Make the OpenAPI document: as FastAPI writes it, with the problems that every route may answer with.

    They are written here because FastAPI would make a validator of each for every route.
    """
    document = get_openapi(
        title=app.title,
        version=app.version,
        description="Every write is an event of the journal; see `/api/docs`.",
        routes=app.routes,
        tags=list(_TAGS),
    )
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    name = answers.ProblemDetails.__name__
    schemas[name] = answers.ProblemDetails.model_json_schema()
    described = {str(status): _described(status, f"#/components/schemas/{name}") for status in _PROBLEMS}
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"] |= described
            if operation.get("security"):
                operation["security"].append({})  # while there are no keys, none is needed
    return document


def _described(status: int, schema: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "description": _title(status),
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": schema}}},
    }
    if status in _LATER:
        wait = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        said["headers"] = {"Retry-After": wait}
    return said


async def _on_http(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return problems.answer(error)
    assert isinstance(error, AnyHTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request))) or headers.get("Allow", "GET")
    return problems.answer(problems.of_status(error.status_code, str(error.detail), headers))


def _methods(request: Request) -> set[str]:
    """Return what may be done at an address; several routes may have it."""
    found = (route for module in _ROUTERS for route in module.router.routes if isinstance(route, Route))
    matching = (route for route in found if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in matching for method in route.methods or ()}


async def _on_invalid(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)
    found = [
        {"field": _field(one["loc"]), "reason": one["type"], "detail": sentence(_words(one["msg"]))}
        for one in error.errors()
    ]
    first = found[0]
    if first["reason"] == "json_invalid":
        return problems.answer(Problem("malformed", "Send JSON: the body is none.", reason="not_json"))
    detail = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
    return problems.answer(
        Problem("invalid", detail, field=first["field"] or None, reason=first["reason"], errors=found)
    )


async def _on_ours(request: Request, error: Exception) -> Response:
    if isinstance(error, InputError):
        return problems.answer(problems.refused(error))
    if isinstance(error, ConfigurationError):
        log.error("%s: %s", request.url.path, error)
        return problems.answer(
            problems.later("The node is not set up for this: its log says what to change.", 60)
        )
    return problems.answer(problems.later(sentence(str(error))))


async def _on_fault(request: Request, error: Exception) -> Response:
    log.error("%s at %s %s; what follows is where", type(error).__name__, request.method, request.url.path)
    return problems.answer(Problem("fault", "Tell us what you did: the node's log has the rest."))


def _field(place: Sequence[Any]) -> str:
    parts = [str(part) for part in place]
    if parts and parts[0] in {"body", "query", "path", "header", "cookie"}:
        parts = parts[1:]
    return request_field(".".join(part for part in parts if not part.startswith("function-")))


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")


def _title(status: int) -> str:
    return next(kind.title for kind in problems.KINDS.values() if kind.status == status)
