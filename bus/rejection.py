"""What the recorder says about a message that it refused, on `ovr/rejected/<client>`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused event and why.

    Attributes:
        reason: one word of `snake_case` that programs can switch on.
        field: the path to the offending value; empty for the whole message.
        hint: one sentence that says what to do.
        epoch: the transmission it came in; None for a plain message.
    """

    id: str
    topic: str
    type: str
    subject: str
    reason: str
    field: str
    hint: str
    epoch: str | None = None


def parse_rejection(document: Mapping[str, Any]) -> Rejection | None:
    """Read a rejection; None when it is none."""
    names = ("id", "topic", "type", "subject", "reason", "field", "hint")
    values = [document.get(name) or "" for name in names]
    epoch = document.get("epoch")
    if not document.get("reason") or not all(isinstance(value, str) for value in values):
        return None
    return Rejection(*values, epoch=epoch if isinstance(epoch, str) else None)
