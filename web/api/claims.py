"""What a request says happened, and the id that makes it one event however often it comes. Pure."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SITE: Final = "_site"
_NAMESPACE: Final = uuid.UUID("b5d2a1de-6c1f-5a53-9a0e-1f4d3c7f6f0b")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says happened.

    Attributes:
        subject: the system it is about, as typed.
        time_us: when; None: now.
        key: makes the request safe to repeat; None: every request is an event of its own.
        extensions: who said it.
    """

    type: str
    subject: str
    data: Mapping[str, Any]
    time_us: int | None = None
    key: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


def is_uuid(key: str) -> bool:
    """Tell whether a key is a UUID in its usual form."""
    return _UUID.fullmatch(key) is not None


def id_of(key: str) -> str:
    """Return the id of the event that a key stands for: a UUID is the id itself."""
    return key.lower() if is_uuid(key) else str(uuid.uuid5(_NAMESPACE, key))
