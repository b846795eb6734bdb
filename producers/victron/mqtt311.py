"""The packets of MQTT 3.1.1 that a reader of a GX needs: QoS 0, both ways.

Pure. Brokers of older GX devices know no newer version. Rules that must stay true here:
- the same stream in any chunks gives the same packets;
- bytes that break the protocol raise `ProtocolError`, never anything else;
- nothing is kept of a message but what it says: this runs for every value of every device.

Source: OASIS MQTT Version 3.1.1, sections 1.5 (data), 2.2 (fixed header), 3 (packets).
"""

import struct
from typing import Final, NamedTuple

CONNACK: Final = 2
PUBLISH: Final = 3
SUBACK: Final = 9
PINGRESP: Final = 13
PINGREQ_PACKET: Final = b"\xc0\x00"
DISCONNECT_PACKET: Final = b"\xe0\x00"
REFUSALS: Final = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not like our client id",
    3: "its service is not available",
    4: "user name or password is wrong",
    5: "we are not authorised",
}

_LONGEST_PACKET = 16_777_216  # what Venus OS sets; nothing that it sends comes near
_USERNAME, _PASSWORD, _CLEAN = 0x80, 0x40, 0x02
_REFUSED_FILTER = 0x80


class ProtocolError(Exception):
    """The peer does not speak MQTT 3.1.1; close the connection."""


class Publish(NamedTuple):
    """A message."""

    topic: str
    payload: bytes
    retain: bool


class Answer(NamedTuple):
    """Anything else that a broker says.

    Attributes:
        kind: of the packet.
        code: 0 when it agrees; of a CONNACK as in `REFUSALS`, of a SUBACK how many filters were refused.
    """

    kind: int
    code: int


Packet = Publish | Answer


class Decoder:
    """Turns a stream of bytes into packets."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Packet]:
        """Add received bytes; return the packets that are whole now.

        Raises:
            ProtocolError: the stream cannot be read further.
        """
        data = self._rest + chunk if self._rest else chunk
        packets: list[Packet] = []
        at, end = 0, len(data)
        while at + 2 <= end:
            length, body = data[at + 1], at + 2
            if length & 0x80:
                header = _length(data, at + 1)
                if header is None:
                    break
                length, body = header
            after = body + length
            if after > end:
                break
            command = data[at]
            if command >> 4 == PUBLISH:
                packet: Packet | None = _publish(command, data, body, after)
            else:
                packet = _answer(command >> 4, data[body:after])
            if packet is not None:
                packets.append(packet)
            at = after
        self._rest = data[at:]
        return packets


def connect(client_id: str, keepalive_s: int, username: str = "", password: str = "") -> bytes:
    """Write the packet that begins a connection, without a session."""
    flags = _CLEAN | (_USERNAME if username or password else 0) | (_PASSWORD if password else 0)
    body = b"\x00\x04MQTT\x04" + bytes((flags,)) + struct.pack(">H", keepalive_s) + _text(client_id)
    if flags & _USERNAME:
        body += _text(username)
    if flags & _PASSWORD:
        body += _text(password)
    return _packet(0x10, body)


def subscribe(packet_id: int, filters: list[str]) -> bytes:
    """Write a request for topics at QoS 0."""
    return _packet(0x82, struct.pack(">H", packet_id) + b"".join(_text(each) + b"\x00" for each in filters))


def publish(topic: str, payload: bytes) -> bytes:
    """Write a message at QoS 0."""
    return _packet(0x30, _text(topic) + payload)


def _packet(command: int, body: bytes) -> bytes:
    length = len(body)
    header = bytearray((command,))
    while True:
        length, low = length >> 7, length & 0x7F
        header.append(low | (0x80 if length else 0))
        if not length:
            return bytes(header) + body


def _text(text: str) -> bytes:
    said = text.encode()
    return struct.pack(">H", len(said)) + said


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """Read how long a packet is, and where its body begins; None while that is not whole."""
    length = 0
    for index, byte in enumerate(data[at : at + 4]):
        length |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            if length > _LONGEST_PACKET:
                raise ProtocolError(f"a packet of {length} bytes")
            return length, at + index + 1
    if len(data) >= at + 4:
        raise ProtocolError("a packet's length has more than four bytes")
    return None


def _publish(command: int, data: bytes, body: int, after: int) -> Publish | None:
    if command & 0x06:
        raise ProtocolError("a message at a QoS that was not asked for")
    topic_at = body + 2
    if topic_at > after:
        raise ProtocolError("a message without a topic")
    payload_at = topic_at + (data[body] << 8 | data[body + 1])
    if payload_at > after:
        raise ProtocolError("a topic longer than its packet")
    try:
        topic = data[topic_at:payload_at].decode()
    except UnicodeDecodeError:
        return None  # no topic of a GX; not worth a connection
    return Publish(topic, data[payload_at:after], bool(command & 0x01))


def _answer(kind: int, body: bytes) -> Answer:
    if kind == CONNACK and len(body) == 2:  # noqa: PLR2004 - flags, code
        return Answer(kind, body[1])
    if kind == SUBACK and len(body) > 2:  # noqa: PLR2004 - packet id, codes
        return Answer(kind, body[2:].count(_REFUSED_FILTER))
    if kind == PINGRESP and not body:
        return Answer(kind, 0)
    raise ProtocolError(f"an unexpected packet of type {kind} and {len(body)} bytes")
