"""MQTT 5 packets as values, and how they are written. No IO.

Only what the bus uses is spoken: clean or kept sessions, QoS 0 and 1, no topic aliases, no extended
authentication. Why it is not a library: docs/decisions/0002-own-mqtt-codec.md.

Source: OASIS MQTT Version 5.0, sections 1.5 (data types), 2.2.2 (properties), 3 (packets).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import OvrError

_UINT16 = struct.Struct("!H")

SUCCESS = 0x00
NO_MATCHING_SUBSCRIBERS = 0x10
NOT_AUTHORIZED = 0x87
SESSION_TAKEN_OVER = 0x8E

PINGREQ = b"\xc0\x00"


class ProtocolError(OvrError):
    """The peer sent bytes that are no MQTT 5."""


@dataclass(frozen=True, slots=True)
class Message:
    """A published message, as received.

    Attributes:
        mid: packet identifier; 0 at QoS 0.
        dup: the broker sent it before.
    """

    topic: str
    payload: bytes
    qos: int = 0
    mid: int = 0
    dup: bool = False
    retain: bool = False
    user_properties: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker's answer to CONNECT."""

    session_present: bool
    reason_code: int
    receive_maximum: int
    maximum_packet_size: int
    server_keepalive_s: int | None


@dataclass(frozen=True, slots=True)
class Puback:
    """The broker's answer to a QoS 1 PUBLISH."""

    mid: int
    reason_code: int


@dataclass(frozen=True, slots=True)
class Suback:
    """The broker's answer to SUBSCRIBE."""

    mid: int
    reason_codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pingresp:
    """The broker is alive."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The broker ends the connection, and says why."""

    reason_code: int


Packet = Message | Connack | Puback | Suback | Pingresp | Disconnect


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when we vanish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter and how it is to be served (section 3.8.3.1)."""

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_handling: int = 0


def encode_connect(
    client_id: str,
    *,
    clean_start: bool,
    session_expiry_s: int,
    receive_maximum: int,
    keepalive_s: int,
    username: str | None = None,
    password: str | None = None,
    will: Will | None = None,
) -> bytes:
    """Write CONNECT (section 3.1)."""
    flags = 0x02 if clean_start else 0
    properties = struct.pack("!BIBH", 0x11, session_expiry_s, 0x21, receive_maximum)
    payload = _string(client_id)
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        payload += b"\x00" + _string(will.topic) + _binary(will.payload)
    if username is not None:
        flags |= 0x80
        payload += _string(username)
    if password is not None:
        flags |= 0x40
        payload += _string(password)
    header = _string("MQTT") + bytes((5, flags)) + _UINT16.pack(keepalive_s)
    return _packet(0x10, header + _variable(len(properties)) + properties + payload)


def encode_publish(
    topic: str,
    payload: bytes,
    *,
    qos: int = 0,
    mid: int = 0,
    dup: bool = False,
    retain: bool = False,
    user_properties: Sequence[tuple[str, str]] = (),
    content_type: str | None = None,
    response_topic: str | None = None,
    correlation: bytes | None = None,
) -> bytes:
    """Write PUBLISH (section 3.3)."""
    parts = [b"\x26" + _string(name) + _string(value) for name, value in user_properties]
    if content_type is not None:
        parts.append(b"\x03" + _string(content_type))
    if response_topic is not None:
        parts.append(b"\x08" + _string(response_topic))
    if correlation is not None:
        parts.append(b"\x09" + _binary(correlation))
    properties = b"".join(parts)
    identifier = _UINT16.pack(mid) if qos else b""
    command = 0x30 | dup << 3 | qos << 1 | retain
    return _packet(
        command, b"".join((_string(topic), identifier, _variable(len(properties)), properties, payload))
    )


def encode_puback(mid: int) -> bytes:
    """Write PUBACK with success (section 3.4.2.1 lets the code be left out)."""
    return b"\x40\x02" + _UINT16.pack(mid)


def encode_subscribe(mid: int, subscriptions: Sequence[Subscription]) -> bytes:
    """Write SUBSCRIBE (section 3.8)."""
    body = b"".join(
        _string(item.filter) + bytes((item.qos | item.no_local << 2 | item.retain_handling << 4,))
        for item in subscriptions
    )
    return _packet(0x82, _UINT16.pack(mid) + b"\x00" + body)


def encode_disconnect(*, with_will: bool = False) -> bytes:
    """Write DISCONNECT (section 3.14): the broker drops the will, unless asked to send it."""
    return b"\xe0\x01\x04" if with_will else b"\xe0\x00"


def _variable(value: int) -> bytes:
    if value < 0x80:  # noqa: PLR2004 - one byte holds seven bits
        return bytes((value,))
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | 0x80 if value else low)
        if not value:
            return bytes(out)


def _packet(command: int, body: bytes) -> bytes:
    return bytes((command,)) + _variable(len(body)) + body


def _string(value: str) -> bytes:
    return _binary(value.encode())


def _binary(value: bytes) -> bytes:
    return _UINT16.pack(len(value)) + value
