"""Name the event that a line of the log is about: `log.warning("…", extra=about(event))`. Pure."""

from typing import Any, Final

from bus.envelope import Event, Recorded

EVENT: Final = "event"
"""The attribute of a log record that holds it."""


def about(event: Event | Recorded) -> dict[str, Any]:
    """Return what `extra` of a log call takes."""
    return {
        EVENT: {
            "position": event.position,
            "id": event.id,
            "type": event.type,
            "subject": event.subject,
        }
    }
