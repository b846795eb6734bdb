"""The envelope around every event: CloudEvents 1.0 in JSON structured mode.

An `Envelope` is what a sender makes, a `Recorded` what the journal holds, an `Event` what projectors fold.
Source of the format: CloudEvents 1.0.2, JSON event format and MQTT protocol binding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from bus import instants
from schemas.errors import InputError

CONTENT_TYPE = "application/cloudevents+json"
RECORDER_ATTRIBUTES = frozenset({"position", "recordedat", "client"})
_CORE = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "data"}
)
_NO_EXTENSIONS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A fact on its way to the recorder.

    Attributes:
        id: unique within `source` for ever; a UUIDv7 for all that we make.
        source: URI reference of the sender, `/<node>/<client>`.
        subject: the system it is about, as typed; the recorder makes it canonical.
        time_us: when it happened at the device or to the operator.
        version: of the type's schema; `dataschema` is `ovr:<type>:<version>`.
        extensions: further CloudEvents attributes, all strings.
    """

    id: str
    source: str
    type: str
    subject: str
    time_us: int
    data: Mapping[str, Any]
    version: int = 1
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of the journal.

    Attributes:
        position: its place in the journal: 1, 2, 3 … without holes.
        recorded_us: when the recorder committed it.
        client: whom the broker authenticated.
        subject: the canonical system id.
        body: the whole JSON envelope.
        hash: 32 bytes over the previous hash and this row.
    """

    position: int
    recorded_us: int
    client: str
    source: str
    id: str
    type: str
    subject: str
    time_us: int
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """A recorded fact with its data in the newest version of its schema."""

    position: int
    recorded_us: int
    client: str
    source: str
    id: str
    type: str
    subject: str
    time_us: int
    data: Mapping[str, Any]
    extensions: Mapping[str, str] = field(default_factory=dict)


def encode(envelope: Envelope) -> bytes:
    """Write an envelope as the JSON that travels."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": envelope.id,
            "source": envelope.source,
            "type": envelope.type,
            "subject": envelope.subject,
            "time": instants.text(envelope.time_us),
            "dataschema": f"ovr:{envelope.type}:{envelope.version}",
            **envelope.extensions,
            "data": envelope.data,
        }
    )


def decode(body: bytes) -> Envelope:
    """Read an envelope.

    Raises:
        InputError: it is not JSON, not CloudEvents 1.0, or an attribute has the wrong form.
    """
    return parse(load(body))


def load(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the bytes are no JSON object.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError("not_json", "", f"send JSON; the parser says: {error}") from error
    if not isinstance(document, dict):
        raise InputError("not_an_object", "", "send a JSON object: an envelope, or just the event's data")
    return document


def parse(document: Mapping[str, Any]) -> Envelope:
    """Turn a JSON object into an envelope.

    Raises:
        InputError: it is not CloudEvents 1.0, or an attribute has the wrong form.
    """
    if document.get("specversion") != "1.0":
        raise InputError("specversion", "specversion", 'set "specversion":"1.0"')
    type_ = _text(document, "type")
    data = document.get("data")
    if not isinstance(data, dict):
        raise InputError("data", "data", "put the event's payload, a JSON object, into data")
    extensions = _NO_EXTENSIONS
    if len(document) > len(_CORE) or not document.keys() <= _CORE:
        extensions = _extensions(document)
    return Envelope(
        id=_text(document, "id"),
        source=_text(document, "source"),
        type=type_,
        subject=_text(document, "subject"),
        time_us=_time(document),
        data=data,
        version=_version(document, type_),
        extensions=extensions,
    )


def published(recorded: Recorded) -> bytes:
    """Add what the recorder knows to the stored body: `position`, `recordedat`, `client`.

    The body is spliced, not parsed: the sender's bytes stay as they were.
    """
    added = orjson.dumps(
        {
            "position": str(recorded.position),
            "recordedat": instants.text(recorded.recorded_us),
            "client": recorded.client,
        }
    )
    return recorded.body[:-1] + b"," + added[1:]


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    longest = 256
    if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable():
        return value
    raise InputError(
        "attribute", name, f"give {name} as printable text of 1 to {longest} characters, got {value!r:.40}"
    )


def _time(document: Mapping[str, Any]) -> int:
    value = document.get("time")
    if not isinstance(value, str):
        raise InputError("time", "time", "give time as RFC 3339 text, such as 2026-11-21T05:00:00Z")
    try:
        return instants.parse(value)
    except ValueError as error:
        raise InputError("time", "time", f"give time as RFC 3339 with an offset: {error}") from error


def _version(document: Mapping[str, Any], type_: str) -> int:
    schema = document.get("dataschema", f"ovr:{type_}:1")
    name, _, number = schema.rpartition(":") if isinstance(schema, str) else ("", "", "")
    if name == f"ovr:{type_}" and number.isdecimal() and number.isascii() and len(number) <= len("999"):
        return int(number)
    raise InputError(
        "dataschema", "dataschema", f"give dataschema as ovr:{type_}:<version>, got {schema!r:.60}"
    )


def _extensions(document: Mapping[str, Any]) -> dict[str, str]:
    extensions = {name: value for name, value in document.items() if name not in _CORE}
    for name, value in extensions.items():
        longest = 20
        if not (name.isascii() and name.isalnum() and name == name.lower() and len(name) <= longest):
            raise InputError(
                "attribute", name[:40], "name extension attributes with a-z and 0-9, at most 20 long"
            )
        if not isinstance(value, str):
            raise InputError("attribute", name, "give extension attributes as text")
    return extensions
