"""Alerts as events: what crosses a limit, with ids that the same facts always give again.

Pure. The id is a UUIDv5 (RFC 9562, section 5.5) of the event's type, the alert, the system and the event that
raised it; an alert is cleared once for each time that it is raised, so that names both.
"""

from typing import Any, Final
from uuid import UUID, uuid5

from bus.envelope import Envelope
from bus.instants import SECOND_US
from detection.crossings import Crossing
from detection.limits import Limit
from schemas.occurrences import TABLE

RAISED: Final = "alert.raised"
CLEARED: Final = "alert.cleared"
_NAMESPACE = UUID("6f0d1c0e-5f0b-5a3e-9a54-6f7672000002")
_WITHIN = {"hourly": "the last hour", "daily": "the last 24 hours"}


def event(source: str, system_id: str, crossing: Crossing) -> Envelope:
    """Make the event of a crossing."""
    active, limit = crossing.active, crossing.active.limit
    type_ = RAISED if crossing.raised else CLEARED
    data: dict[str, Any] = {
        "alert": limit.alert,
        "severity": limit.severity,
        "counted": limit.counted,
        "period": limit.period,
        "count": crossing.count,
        "limit": limit.most,
        "text": text(limit, crossing.count),
    }
    if not crossing.raised:
        data["duration_s"] = max(0, crossing.time_us - active.since_us) / SECOND_US
    named = (type_, limit.alert, system_id, active.trigger)
    return Envelope(
        str(uuid5(_NAMESPACE, "\0".join(named))), source, type_, system_id, crossing.time_us, data
    )


def text(limit: Limit, count: int) -> str:
    """Say how often what occurred, in words."""
    counts = TABLE.get(limit.counted).counts
    times = "once" if count == 1 else f"{count} times"
    return f"{counts}: {times} within {_WITHIN[limit.period]}, {limit.most} allowed"
