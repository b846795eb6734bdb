"""What was said, raised and counted in a window, as lists of a document. Pure.

Rules that must stay true here: lists are in order of time, and of what stands first where times are equal;
nothing is escaped here, because that is for who renders.
"""

from collections.abc import Sequence
from typing import Final

from reporter.facts import Alarm, Document, Occurred, Remark
from reporter.figures import instant
from reporter.track import US

MOST_TOLD: Final = 500
MOST_REMARKS: Final = 1000
MOST_ALARMS: Final = 1000
MOST_PHOTOS: Final = 200
_ENDINGS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/gif": "gif",
}


def remarks(told: Sequence[Remark]) -> list[Document]:
    """List what was noted."""
    return [
        {
            "time": instant(one.time_us),
            "client": one.client,
            "kind": one.kind,
            "text": one.text,
            "sha256": one.sha256,
            "media_type": one.media_type,
            "caption": one.caption,
            "system_id": one.system_id,
        }
        for one in sorted(told, key=lambda one: one.time_us)[:MOST_REMARKS]
    ]


def photos(told: Sequence[Remark]) -> list[Document]:
    """List the photos, each once, with the name of its file beside the document."""
    found = {}
    for one in sorted(told, key=lambda one: one.time_us):
        if one.sha256 is not None and one.sha256 not in found:
            found[one.sha256] = {
                "sha256": one.sha256,
                "media_type": one.media_type,
                "caption": one.caption,
                "time": instant(one.time_us),
                "system_id": one.system_id,
                "file": f"photos/{one.sha256}.{_ENDINGS.get(one.media_type or '', 'jpg')}",
            }
    return list(found.values())[:MOST_PHOTOS]


def left_out(remarks: Sequence[Remark], alarms: Sequence[Alarm]) -> Document:
    """Count what is not listed, because it would be an endless page."""
    photos = len({one.sha256 for one in remarks if one.sha256 is not None})
    return {
        "remarks": max(0, len(remarks) - MOST_REMARKS),
        "photos": max(0, photos - MOST_PHOTOS),
        "alarms": max(0, len(alarms) - MOST_ALARMS),
    }


def alarms(told: Sequence[Alarm], until_us: int, most: int | None = MOST_ALARMS) -> list[Document]:
    """List alarms; what is still raised lasts until the end of the window at least."""
    return [
        {
            "name": one.name,
            "level": one.level,
            "device": one.device,
            "phase": one.phase,
            "text": one.text,
            "system_id": one.system_id,
            "from": instant(one.from_us),
            "to": instant(one.to_us),
            "duration_s": max(0, (one.to_us if one.to_us is not None else until_us) - one.from_us) * US,
            "active": one.to_us is None,
        }
        for one in sorted(told, key=lambda one: (one.from_us, one.name, one.device, one.phase))[:most]
    ]


def occurrences(told: Sequence[Occurred]) -> Document:
    """Count occurrences by type, and list the first of them."""
    counts: dict[tuple[str, str], list[Occurred]] = {}
    for one in told:
        counts.setdefault((one.type, one.severity), []).append(one)
    in_order = sorted(told, key=lambda one: (one.time_us, one.type))
    return {
        "counts": [
            {
                "type": type_,
                "severity": severity,
                "count": len(those),
                "duration_s": sum((one.duration_s or 0.0 for one in those), 0.0),
            }
            for (type_, severity), those in sorted(counts.items())
        ],
        "list": [
            {
                "time": instant(one.time_us),
                "type": one.type,
                "severity": one.severity,
                "duration_s": one.duration_s,
                "cause": one.cause,
                "system_id": one.system_id,
            }
            for one in in_order[:MOST_TOLD]
        ],
        "count": len(told),
    }
