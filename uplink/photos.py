"""Photos on their way to the cloud: each is there before the event that names it, or its absence is told.

Rules that must stay true here:
- a photo is sent whole, by its hash, and asked for first: sending it twice is one file;
- what can never come (no file here, refused there) holds its event back not at all; what may come later holds
  it back for a bounded time, is told as missing, and is tried again for as long as the node lives.
"""

import http.client
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bus import envelope
from bus.uplink_batch import Forwarded
from schemas.errors import OvrError, TransientError
from uplink.reading import Batch, Reading
from uplink.shared import Settings, Shared

log = logging.getLogger(__name__)

NOT_HERE: Final = "not_on_node"
REFUSED: Final = "refused"
UNREACHABLE: Final = "unreachable"
NO_URL: Final = "not_configured"
_LATER: Final = frozenset({UNREACHABLE, NO_URL})
_ADDED: Final = b'"photo.added"'
_CHUNK: Final = 32 << 10
_TIMEOUT_S: Final = 30.0
_TURN_S: Final = 0.25
_RETRY_S: Final = 5.0
_AGAIN_S: Final = 300.0
_MOST_KNOWN: Final = 10_000
_THERE: Final = frozenset({200, 201, 204, 304})
_FOR_EVER: Final = frozenset({400, 413, 415, 422})
"""Answers that are about the photo; every other one is about who asks where, and may be mended."""


class RefusedError(OvrError):
    """The cloud will never take this photo."""


class Photos:
    """Brings photos to the cloud, in a thread of its own."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._settings = shared.settings
        self._directory = shared.data / "photos"
        self._there: set[str] = set()
        self._missing: dict[str, str] = {}
        self._wanted: dict[str, None] = {}
        self._failing_since_s: float | None = None
        self._lock = threading.Lock()
        self.problem: str | None = None

    @property
    def waiting(self) -> int:
        """Count the photos that events wait for."""
        return len(self._wanted)

    def released(self, batch: Batch, reading: Reading) -> tuple[Batch | None, Batch | None]:
        """Return what of a batch may be sent now, and what must wait."""
        ready = list[Forwarded]()
        for index, event in enumerate(batch.events):
            sha256 = _photo(event)
            fate = self._fate(sha256) if sha256 else ""
            if fate is None:
                before = batch.events[:index]
                rest = replace(batch, events=batch.events[index:])
                return (reading.part(batch, ready, before[-1].position), rest) if before else (None, rest)
            if sha256 and fate:
                ready.append(reading.photo_missing(batch, event, sha256, fate))
            ready.append(event)
        return replace(batch, events=ready), None

    def run(self, stopped: Callable[[], bool]) -> None:
        """Bring what is wanted until `stopped()`; try again now and then what could not be brought."""
        again_s = 0.0
        while not stopped():
            now_s = time.monotonic()
            sha256 = next(iter(self._wanted), None)
            if sha256 is not None:
                self._try(sha256, now_s)
            elif now_s >= again_s:
                again_s = now_s + _AGAIN_S
                self._try_again()
            time.sleep(_TURN_S if not self._wanted or self._failing_since_s is None else _RETRY_S)

    def _fate(self, sha256: str) -> str | None:
        """Tell why a photo is missing; empty when it is there, None when it is to be waited for."""
        with self._lock:
            if sha256 in self._there:
                return ""
            if sha256 in self._missing:
                return self._missing[sha256]
            reason = None
            if not (self._directory / sha256).is_file():
                reason = NOT_HERE
            elif self._settings.web_url is None:
                reason = NO_URL
            if reason is None:
                self._wanted[sha256] = None
                return None
        self._miss(sha256, reason)
        return reason

    def _try(self, sha256: str, now_s: float) -> None:
        try:
            self._bring(sha256)
        except RefusedError as error:
            log.error("photo %s: %s", sha256[:12], error)  # noqa: TRY400 - it says all
            self._miss(sha256, REFUSED)
        except TransientError as error:
            since_s = self._failing_since_s = self._failing_since_s or now_s
            if str(error) != self.problem:
                log.warning("photo %s waits: %s", sha256[:12], error)
            self.problem = str(error)
            if now_s - since_s >= self._settings.photo_patience_s:
                self._miss(sha256, UNREACHABLE)
        else:
            self._arrived(sha256)

    def _try_again(self) -> None:
        for sha256, reason in list(self._shared.checkpoint.photos.items()):
            if reason not in _LATER or self._settings.web_url is None:
                continue
            try:
                self._bring(sha256)
            except RefusedError:
                self._miss(sha256, REFUSED)
            except TransientError:
                return
            else:
                self._arrived(sha256)

    def _arrived(self, sha256: str) -> None:
        with self._lock:
            if len(self._there) > _MOST_KNOWN:
                self._there.clear()
            self._there.add(sha256)
            self._missing.pop(sha256, None)
            self._wanted.pop(sha256, None)
        self._failing_since_s = self.problem = None
        self._shared.change(
            lambda known: replace(
                known, photos={name: why for name, why in known.photos.items() if name != sha256}
            )
        )

    def _miss(self, sha256: str, reason: str) -> None:
        with self._lock:
            self._missing[sha256] = reason
            self._wanted.pop(sha256, None)
        self._shared.change(lambda known: replace(known, photos={**known.photos, sha256: reason}))

    def _bring(self, sha256: str) -> None:
        """Let the cloud have a photo, unless it has.

        Raises:
            RefusedError: it will never take it.
            TransientError: not now.
        """
        try:
            if self._asked(sha256) not in _THERE:
                self._put(sha256)
        except FileNotFoundError as error:
            raise RefusedError(f"the file is gone: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{self._settings.web_url} cannot be reached: {error}") from error

    def _asked(self, sha256: str) -> int:
        with _opened(self._settings.web_url or "", self._settings.web_ca) as connection:
            headers = {**self._headers(), "If-None-Match": f'"{sha256}"'}
            connection.request("GET", f"/api/photos/{sha256}", headers=headers)
            return connection.getresponse().status

    def _put(self, sha256: str) -> None:
        path = self._directory / sha256
        size = path.stat().st_size
        headers = {
            **self._headers(),
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
        }
        with _opened(self._settings.web_url or "", self._settings.web_ca) as connection:
            connection.request("PUT", f"/api/photos/{sha256}", body=self._chunks(path), headers=headers)
            answer = connection.getresponse()
            said = answer.read(2000).decode(errors="replace")
        if answer.status in _THERE:
            return
        problem = f"the cloud answers {answer.status}: {said[:300]}"
        raise RefusedError(problem) if answer.status in _FOR_EVER else TransientError(problem)

    def _chunks(self, path: Path) -> Iterator[bytes]:
        """Read a photo no faster than the link may be used."""
        allowance = self._shared.allowance
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                while wait_s := allowance.wait_s(time.monotonic(), urgent=False):
                    time.sleep(min(wait_s, 1.0))
                allowance.spend(len(chunk), time.monotonic())
                yield chunk

    def _headers(self) -> dict[str, str]:
        return {"X-API-Key": self._settings.web_key} if self._settings.web_key else {}


def fetch(settings: Settings, sha256: str) -> bytes | None:
    """Ask the cloud for a photo; None when it has none.

    Raises:
        TransientError: it cannot be asked.
    """
    if settings.web_url is None:
        return None
    headers = {"X-API-Key": settings.web_key} if settings.web_key else {}
    try:
        with _opened(settings.web_url, settings.web_ca) as connection:
            connection.request("GET", f"/api/photos/{sha256}", headers=headers)
            answer = connection.getresponse()
            return answer.read() if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"{settings.web_url} cannot be reached: {error}") from error


class _opened:  # noqa: N801 - reads as a word
    """A connection to the cloud's HTTP API, closed at the end."""

    def __init__(self, url: str, ca_file: str | None) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=_TIMEOUT_S, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)

    def __enter__(self) -> http.client.HTTPConnection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _photo(event: Forwarded) -> str | None:
    """Return the hash of the photo that an event names."""
    if _ADDED not in event.body:
        return None
    said = envelope.decode(event.body)
    return str(said.data["sha256"]) if said.type == "photo.added" else None
