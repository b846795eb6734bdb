"""What a sender hears: the recorder's acks, rejections and health, and the broker's reason codes. Pure.

Any bytes give a value or None: what cannot be read is as good as lost, and the protocol survives loss.
"""

from dataclasses import dataclass, replace
from typing import Any

import orjson

_NO_SUBSCRIBERS = 0x10
_NOT_AUTHORIZED = 0x87


@dataclass(frozen=True, slots=True)
class Ack:
    """How far an epoch is committed.

    Attributes:
        sequence: everything up to it is committed or refused for good; None when the epoch is not known.
        incarnation: names the journal and its unbroken life.
    """

    epoch: str
    sequence: int | None
    incarnation: str


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


def parse_ack(payload: bytes) -> Ack | None:
    """Read what comes on `ovr/ack/<client>`; None for the ack of a plain message."""
    said = _object(payload)
    incarnation = f"{said.get('journal')}/{said.get('incarnation')}"
    match said:
        case {"epoch": str(epoch), "unknown": True}:
            return Ack(epoch, None, incarnation)
        case {"epoch": str(epoch), "sequence": int(sequence)}:
            return Ack(epoch, sequence, incarnation)
    return None


def parse_rejection(payload: bytes) -> Rejection | None:
    """Read what comes on `ovr/rejected/<client>`."""
    said = _object(payload)
    names = ("id", "topic", "type", "subject", "reason", "field", "hint")
    values = [said.get(name) or "" for name in names]
    epoch = said.get("epoch")
    if not said.get("reason") or not all(isinstance(value, str) for value in values):
        return None
    return replace(Rejection(*values), epoch=epoch if isinstance(epoch, str) else None)


def parse_health(payload: bytes) -> tuple[str, str] | None:
    """Read the recorder's status and session from `ovr/health/recorder`."""
    match _object(payload):
        case {"status": str(status), "session": str(session)}:
            return status, session
    return None


def explain_puback(code: int, topic: str, client: str, username: str | None) -> str:
    """Say what a PUBACK with a reason code means for people."""
    if code == _NOT_AUTHORIZED:
        user = username or "without a name"
        return (
            f"the broker does not let user {user} publish to {topic}: `ovr user add {client}`, "
            "and send as that user"
        )
    if code == _NO_SUBSCRIBERS:
        return "no recorder listens at the broker: see `ovr status`"
    return f"the broker refuses what is sent to {topic}, code {code:#04x}"


def _object(payload: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
