"""MQTT 5 packets read from any chunks of bytes. No IO.

Rules that must stay true here:
- the same stream in any chunks gives the same packets;
- bytes that break the protocol raise `ProtocolError`, never anything else.

Source: OASIS MQTT Version 5.0, sections 1.5 (data types), 2.2.2 (properties), 3 (packets).
"""

import struct
from collections.abc import Callable

from bus.mqtt import SUCCESS, Connack, Disconnect, Message, Packet, Pingresp, ProtocolError, Puback, Suback

_LONGEST_VARIABLE = 4
_MAX_REMAINING = 268_435_455


class Decoder:
    """Turns a stream of bytes into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Packet]:
        """Add received bytes; return the packets that are now whole.

        Raises:
            ProtocolError: the stream cannot be read further; close the connection.
        """
        buffer = self._buffer
        buffer += chunk
        packets: list[Packet] = []
        start = 0
        while (header := _remaining(buffer, start)) is not None:
            body_at, length = header
            end = body_at + length
            if len(buffer) < end:
                break
            packets.append(_decode(buffer[start], bytes(buffer[body_at:end])))
            start = end
        del buffer[:start]
        return packets


def _remaining(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Read the fixed header at `start`: where the body begins and how long it is, None while incomplete."""
    value = 0
    for index in range(_LONGEST_VARIABLE):
        at = start + 1 + index
        if at >= len(buffer):
            return None
        byte = buffer[at]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return at + 1, value
    raise ProtocolError("a packet's length has more than four bytes")


def _decode(command: int, body: bytes) -> Packet:
    try:
        kind = command >> 4
        if kind == 3:  # noqa: PLR2004 - packet types are the standard's numbers (section 2.1.2)
            return _decode_publish(command, body)
        decode = _DECODERS.get(kind)
        if decode is None:
            raise ProtocolError(f"unexpected packet type {kind}")
        return decode(body)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ProtocolError(f"malformed packet of type {command >> 4}: {error}") from error


def _decode_publish(command: int, body: bytes) -> Message:
    qos = command >> 1 & 3
    topic_end = 2 + (body[0] << 8 | body[1])
    at = topic_end
    mid = 0
    if qos:
        mid = body[at] << 8 | body[at + 1]
        at += 2
    length, at = _read_variable(body, at)
    end = at + length
    if end > len(body) or qos > 1:
        raise ProtocolError("malformed PUBLISH")
    user: list[tuple[str, str]] = []
    rest: dict[int, int | bytes] = {}
    while at < end:
        if body[at] == 0x26:  # noqa: PLR2004 - user property, the only one on the hot path
            name_at = at + 3
            value_at = name_at + (body[at + 1] << 8 | body[at + 2]) + 2
            at = value_at + (body[value_at - 2] << 8 | body[value_at - 1])
            user.append((body[name_at : value_at - 2].decode(), body[value_at:at].decode()))
        else:
            at = _read_property(body, at, rest)
    return Message(
        topic=body[2:topic_end].decode(),
        payload=body[end:],
        qos=qos,
        mid=mid,
        dup=bool(command & 8),
        retain=bool(command & 1),
        user_properties=tuple(user),
        content_type=_as_text(rest.get(0x03)),
        response_topic=_as_text(rest.get(0x08)),
        correlation=_as_bytes(rest.get(0x09)),
    )


def _decode_connack(body: bytes) -> Connack:
    properties = _read_properties(body, 2)
    keepalive = properties.get(0x13)
    return Connack(
        session_present=bool(body[0] & 1),
        reason_code=body[1],
        receive_maximum=int(properties.get(0x21, 65_535)),
        maximum_packet_size=int(properties.get(0x27, _MAX_REMAINING)),
        server_keepalive_s=None if keepalive is None else int(keepalive),
    )


def _decode_puback(body: bytes) -> Puback:
    reason = body[2] if len(body) > 2 else SUCCESS  # noqa: PLR2004 - left out when it is success
    return Puback(body[0] << 8 | body[1], reason)


def _decode_suback(body: bytes) -> Suback:
    length, at = _read_variable(body, 2)
    return Suback(body[0] << 8 | body[1], tuple(body[at + length :]))


def _decode_pingresp(_: bytes) -> Pingresp:
    return Pingresp()


def _decode_disconnect(body: bytes) -> Disconnect:
    return Disconnect(body[0] if body else SUCCESS)


_DECODERS: dict[int, Callable[[bytes], Packet]] = {
    2: _decode_connack,
    4: _decode_puback,
    9: _decode_suback,
    13: _decode_pingresp,
    14: _decode_disconnect,
}

# Section 2.2.2.2: property identifiers by the form of their value.
_WIDTHS = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_TEXTS = frozenset((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F))
_SUBSCRIPTION_IDENTIFIER = 0x0B
_USER_PROPERTY = 0x26


def _read_properties(body: bytes, at: int) -> dict[int, int | bytes]:
    length, at = _read_variable(body, at)
    end = at + length
    found: dict[int, int | bytes] = {}
    while at < end:
        at = _read_property(body, at, found)
    return found


def _read_property(body: bytes, at: int, found: dict[int, int | bytes]) -> int:
    """Read one property into `found`; return where the next begins."""
    identifier = body[at]
    at += 1
    if (width := _WIDTHS.get(identifier)) is not None:
        found[identifier] = int.from_bytes(body[at : at + width], "big")
        return at + width
    if identifier in _TEXTS:
        end = at + 2 + (body[at] << 8 | body[at + 1])
        found[identifier] = body[at + 2 : end]
        return end
    if identifier == _USER_PROPERTY:
        for _ in range(2):
            at += 2 + (body[at] << 8 | body[at + 1])
        return at
    if identifier == _SUBSCRIPTION_IDENTIFIER:
        return _read_variable(body, at)[1]
    raise ProtocolError(f"unknown property {identifier:#04x}")


def _read_variable(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_LONGEST_VARIABLE):
        byte = body[at + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, at + index + 1
    raise ProtocolError("a length has more than four bytes")


def _as_text(value: int | bytes | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else None


def _as_bytes(value: int | bytes | None) -> bytes | None:
    return value if isinstance(value, bytes) else None
