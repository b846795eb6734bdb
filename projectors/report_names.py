"""Names of report directories: readable, unique, and safe whatever the ids are. Pure.

Rules that must stay true here:
- a name holds a-z, 0-9, `_` and `-` only, begins with a letter or digit, and is at most `LONGEST` long: no
  separator, no dot, nothing that a file system, a shell or a browser gives a meaning to;
- two ids never share a name, not even where capitals do not count;
- the same request has the same name on every machine and in every rebuild.
"""

import hashlib
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final

LONGEST: Final = 64
_SLUG: Final = 40
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]*")
_UNFIT = re.compile(r"[^a-z0-9]+")
_MARKED = re.compile(r"-[0-9a-f]{12}$")
_NUMBERED = re.compile(r"-[0-9]{1,6}$")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def safe(name: str) -> str:
    """Return a name for files that stands for any text.

    A short plain text stays as it is; of any other what is legible stays, and a mark of twelve digits, taken
    from its hash, tells it from all others.
    """
    plain = _PLAIN.fullmatch(name) and len(name) <= _SLUG and name not in _DEVICES
    if plain and not _MARKED.search(name) and not _NUMBERED.search(name):
        return name
    folded = unicodedata.normalize("NFKD", name[: 8 * _SLUG]).encode("ascii", "ignore").decode().lower()
    slug = _UNFIT.sub("_", folded)[:_SLUG].strip("_") or "x"
    return f"{slug}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def directory(event_id: str, requested_us: int, request: str) -> str:
    """Return the name of the directory of what one request asks for.

    Args:
        event_id: the user's name for the event.
        requested_us: the time of the request.
        request: what tells the request from all others: its source and id.
    """
    mark = hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"event_{safe(event_id)}_{_stamp(requested_us)}-{mark}"


def folder(system_id: str, number: int = 1) -> str:
    """Return the name of a system's folder in it; `number` counts its windows, where it has several."""
    return safe(system_id) if number == 1 else f"{safe(system_id)}-{number}"


def _stamp(instant_us: int) -> str:
    moment = _EPOCH + timedelta(microseconds=instant_us)
    return f"{moment.year:04d}{moment:%m%dT%H%M%SZ}"
