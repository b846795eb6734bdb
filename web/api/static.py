"""The built pages: files as they were when the process began, compressed beforehand, cached well.

Rules that must stay true here:
- only files of the directory are served, found by a table and never by joining paths;
- they are of one build: a directory that is replaced while the process runs changes nothing;
- what has its hash in its name is kept for ever by browsers, everything else is asked for again.
"""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

INDEX: Final = "index.html"
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_TYPES: Final = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".map": "application/json",
}
_TEXTS: Final = ("text/", "application/json", "application/manifest", "image/svg")
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_NOT_BUILT: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>ovr</title>"
    "<p>The pages are not built here. The API is: see <a href=/api/docs>its description</a>.</p></html>"
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    tag: str
    cache: str
    encoded: Mapping[str, bytes]


class Static:
    """Serves what no route takes: files, and the page itself for any of its own addresses."""

    def __init__(self, directory: Path) -> None:
        self._files = dict(_walk(directory)) if directory.is_dir() else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that no route takes."""
        if scope["type"] != "http":
            return
        await self._answer(Request(scope))(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        path = request.url.path.lstrip("/")
        wants_page = "text/html" in request.headers.get("accept", "") and "." not in path.rpartition("/")[2]
        if path.startswith("api/") or path == "api":
            raise HTTPException(404, "There is nothing at this address: see /api/docs.")
        file = self._files.get(path or INDEX)
        if file is None and (wants_page or not path):
            file = self._files.get(INDEX)
        if file is None and not path:
            return Response(_NOT_BUILT, media_type="text/html; charset=utf-8")
        if file is None:
            raise HTTPException(404, "There is nothing at this address.")
        if request.method not in {"GET", "HEAD"}:
            raise HTTPException(405, "Pages can be read only.", {"Allow": "GET, HEAD"})
        return _file(file, request)


def _file(file: _File, request: Request) -> Response:
    headers = {"Cache-Control": file.cache, "ETag": file.tag, "Vary": "Accept-Encoding"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    accepted = request.headers.get("accept-encoding", "")
    for encoding, _ in _ENCODINGS:
        if encoding in file.encoded and encoding in accepted:
            headers["Content-Encoding"] = encoding
            return Response(file.encoded[encoding], media_type=file.media_type, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


def _walk(directory: Path) -> list[tuple[str, _File]]:
    suffixes = tuple(suffix for _, suffix in _ENCODINGS)
    found = []
    for path in sorted(directory.rglob("*")):
        if not path.is_file() or path.name.endswith(suffixes):
            continue
        name = path.relative_to(directory).as_posix()
        media_type = (
            _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        )
        if media_type.startswith(_TEXTS):
            media_type += "; charset=utf-8"
        body = path.read_bytes()
        digest = hashlib.sha256(body).hexdigest()[:20]
        encoded = {
            encoding: packed.read_bytes()
            for encoding, suffix in _ENCODINGS
            if (packed := path.with_name(path.name + suffix)).is_file()
        }
        cache = _FOR_EVER if name.startswith("assets/") else _ASK_AGAIN
        found.append((name, _File(body, media_type, f'"{digest}"', cache, encoded)))
    return found
