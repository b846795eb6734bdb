"""What the cloud says of the whole fleet's map tiles: asked now and then, and not believed for long.

Rules that must stay true here:
- without the cloud, or while it does not answer, the node's own counts hold;
- whatever it answers, the loop goes on.
"""

import asyncio
import logging
import time
import urllib.request
from typing import Any, Final

import orjson

from bus import instants
from web.api.map_counts import PROVIDERS, Fleet

log = logging.getLogger(__name__)

PATH: Final = "/api/fleet/map-tiles/status"
_EVERY_S: Final = 60.0
_BELIEVED_S: Final = 900.0
_TIMEOUT_S: Final = 10.0
_LONGEST: Final = 1 << 16


class Cloud:
    """Asks the cloud; `fleet` is what it said."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._fleet: Fleet | None = None
        self._heard_s = float("-inf")
        self._silent = False

    @property
    def fleet(self) -> Fleet | None:
        """Return what the cloud said, unless that is long ago."""
        return self._fleet if time.monotonic() - self._heard_s < _BELIEVED_S else None

    async def run(self) -> None:
        """Ask for ever."""
        if self._url is None:
            return
        url = self._url.rstrip("/") + PATH
        while True:
            try:
                said = await asyncio.to_thread(_get, url)
                self._fleet, self._heard_s = parse(said), time.monotonic()
                self._silent = False
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                if not self._silent:
                    log.warning("the cloud does not tell the fleet's map tiles: %s", error)
                self._silent = True
            await asyncio.sleep(_EVERY_S)


def parse(said: bytes) -> Fleet:
    """Read the answer of a cloud.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it has another form.
    """
    document: dict[str, Any] = orjson.loads(said)
    tiles = {name: int(document["providers"][name]["tiles"]) for name in PROVIDERS}
    preferred, since = document.get("preferred"), document.get("preferred_at")
    known = preferred if preferred in PROVIDERS else None
    return Fleet(str(document["month_key"]), tiles, known, instants.parse(since) if since else 0)


def _get(url: str) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"give cloud_api_url as https://…, not {url!r}")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the scheme was checked
        body: bytes = answer.read(_LONGEST)
    return body
