"""What every request passes: headers, limits of rate, size and patience, and what is counted. Plain ASGI.

Rules that must stay true here:
- no body is read beyond its limit, and none that comes too slowly is waited for;
- large ones are read of those with a key only, once there are keys, and few at a time;
- a page of another site cannot write: browsers say where a request comes from;
- nor can it read, by letting its own name point at us: we answer to our names alone;
- every answer says what browsers may do with it.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.api import hosts
from web.api.limits import Limits
from web.api.map_counts import tile_hosts
from web.api.measures import OTHER, Measures
from web.api.problems import Problem, answer, later
from web.settings import Gateway

TOO_LARGE: Final = "too_large"
_SMALL: Final = 64 * 1024
_MOST_LARGE: Final = 8
_IMPORT: Final = 4 << 20
_FORM: Final = 16 * 1024  # of a multipart body besides its file
_PHOTOS: Final = "/api/photos/"
_GRACE_S: Final = 20.0
_SILENT_S: Final = 15.0
_DRAIN_S: Final = 3.0
_DRAINED: Final = 64 << 20
_SLOWEST: Final = 4096.0
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OWN: Final = frozenset({"same-origin", "none"})
_COMMON: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(self), microphone=()",
}


class Gate:
    """Wraps the application."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Gateway,
        measures: Measures,
        limits: Limits,
        permit: Callable[[str, str | None], None] | None = None,
    ) -> None:
        """Wrap `app`; `permit` is asked with address and key before a large body is read, and may raise."""
        self._app = app
        self._permit = permit
        self._large = 0
        self._measures = measures
        self._limits = limits
        photo = (settings.web.photo_mb << 20) + _FORM
        self._sizes: Mapping[str, int] = {
            "/api/photo": photo,
            "/api/site-plan": photo,
            "/api/import/windows": _IMPORT,
            "/api/import/notes": _IMPORT,
        }
        self._names = hosts.names(settings.web.base_url, settings.web.hosts)
        self._headers = _COMMON | {"content-security-policy": policy(settings)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        begun_s = time.monotonic()
        status, large = 500, 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, secure=scope["scheme"] == "https")
            await send(message)

        try:
            refusal = self._refuse(scope, begun_s)
            if refusal is not None:
                await _end_body(scope, receive, refusal)
                await answer(refusal)(scope, receive, tell)
            else:
                large = _is_large(scope) and self._size(scope) > _SMALL
                self._large += large
                await self._app(scope, self._bounded(scope, receive), tell)
        finally:
            self._large -= large
            route = getattr(scope.get("route"), "path", OTHER)
            self._measures.request(_method(scope), route, status, time.monotonic() - begun_s)

    def _refuse(self, scope: Scope, now_s: float) -> Problem | None:
        headers = dict(scope["headers"])
        address = scope["client"][0] if scope["client"] else ""
        wait_s = self._limits.requests.take(address, now_s)
        if wait_s:
            return Problem(
                "too-many",
                "Your address asks too often: wait, and send the same request again.",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        host = headers.get(b"host", b"").decode("latin-1")
        if not hosts.answers_to(host, self._names):
            return Problem(
                "wrong-host",
                "Ask by its address or own name; other names must stand in `[web] hosts` of site.toml.",
            )
        if scope["method"] in _WRITES and _is_cross_site(headers):
            return Problem("cross-site", "Open the pages of this node, and do it there.")
        too_large = self._too_large(scope, headers.get(b"content-length", b"0"))
        return too_large or self._unwanted(scope, headers, address)

    def _unwanted(self, scope: Scope, headers: Mapping[bytes, bytes], address: str) -> Problem | None:
        """Refuse a large body that nobody with a key sends, or that is one too many."""
        if self._size(scope) == _SMALL or not _is_large(scope):
            return None
        key = headers.get(b"x-api-key")
        try:
            if self._permit is not None:
                self._permit(address, None if key is None else key.decode("latin-1"))
        except Problem as problem:
            return problem
        if self._large < _MOST_LARGE:
            return None
        return later("Others send large files just now: wait a moment, and send it again.")

    def _too_large(self, scope: Scope, length: bytes) -> Problem | None:
        limit = self._size(scope)
        if not length.isdigit() or int(length[:20]) <= limit:
            return None
        return _too_large(limit)

    def _size(self, scope: Scope) -> int:
        if scope["method"] not in _WRITES:
            return _SMALL
        brought = scope["method"] == "PUT" and scope["path"].startswith(_PHOTOS)
        return self._sizes.get("/api/photo" if brought else scope["path"], _SMALL)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Receive no more than is allowed, and not more slowly."""
        limit, begun_s = self._size(scope), time.monotonic()
        received, whole = 0, False

        async def bounded() -> Message:
            nonlocal received, whole
            if whole:
                return await receive()  # waits for the client to go away
            left_s = _GRACE_S + received / _SLOWEST - (time.monotonic() - begun_s)
            try:
                async with asyncio.timeout(max(0.0, min(_SILENT_S, left_s))):
                    message = await receive()
            except TimeoutError:
                raise Problem(
                    "too-slow",
                    "Send it again where the connection is better.",
                    headers={"Connection": "close"},
                ) from None
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if received > limit:
                if not whole:
                    await _drain(receive)
                raise _too_large(limit)
            return message

        return bounded

    def _add_headers(self, message: Message, *, secure: bool) -> None:
        present = {name.lower() for name, _ in message["headers"]}
        added = self._headers | ({"strict-transport-security": "max-age=31536000"} if secure else {})
        message["headers"] = [
            *message["headers"],
            *(
                (name.encode(), value.encode())
                for name, value in added.items()
                if name.encode() not in present
            ),
        ]


def policy(settings: Gateway) -> str:
    """Write the Content-Security-Policy of our pages."""
    hosts = " ".join(tile_hosts(settings.map))
    said: dict[str, str] = {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": f"'self' blob: data: {hosts}".strip(),
        "connect-src": f"'self' ws: wss: {hosts}".strip(),
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in said.items())


def _is_large(scope: Scope) -> bool:
    """Tell whether a body comes that may take more memory than others."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"")
    return b"transfer-encoding" in headers or (length.isdigit() and int(length[:20]) > _SMALL)


async def _end_body(scope: Scope, receive: Receive, refusal: Problem) -> None:
    """Let a client that is in the middle of a large body hear why it is refused."""
    if _is_large(scope):
        refusal.headers = {**(refusal.headers or {}), "Connection": "close"}
        if b"expect" not in dict(scope["headers"]):  # it would only now begin to send
            await _drain(receive)


def _is_cross_site(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a browser says that another site's page sends this; other clients say nothing."""
    site = headers.get(b"sec-fetch-site", b"").decode("latin-1")
    if site:
        return site not in _OWN
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not origin:
        return False
    try:
        return urlsplit(origin).netloc.lower() != headers.get(b"host", b"").decode("latin-1").lower()
    except ValueError:
        return True


def _method(scope: Scope) -> str:
    known = {"GET", "HEAD", "OPTIONS"} | _WRITES
    method: Any = scope["method"]
    return str(method) if method in known else OTHER


def _too_large(limit: int) -> Problem:
    return Problem(
        "too-large",
        f"Send at most {limit:,} bytes at once.",
        headers={"Connection": "close"},
        reason=TOO_LARGE,
    )


async def _drain(receive: Receive) -> None:
    """Take, for a moment, what a client still sends: who is cut off while sending never reads the answer."""
    left = _DRAINED
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
