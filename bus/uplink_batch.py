"""What an uplink sends: many recorded events of a node in one compressed message. Pure.

Rules that must stay true here:
- a body travels byte for byte as the node recorded it, and can be had back from what the cloud stores;
- any bytes give a batch or an `InputError`, never more memory than `MOST_BYTES`, nor more than `MOST_EVENTS`;
- positions never fall within a batch, and lie behind its `after` and not behind its `upto`.

A batch is one zstd frame. Its first line is the header as JSON; each further line is an event: position, the
instant of recording in microseconds, the client (percent-encoded), and the body, with tabs between them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

import orjson
import zstandard

from bus import instants
from bus.journal import Head
from schemas.errors import InputError

FACTS: Final = "facts"
SAMPLES: Final = "samples"
LANES: Final = (FACTS, SAMPLES)
NODE: Final = "node"
NODE_ATTRIBUTES: Final = frozenset({NODE, "nodeincarnation", "nodeposition", "noderecordedat", "nodeclient"})
PROGRESSED: Final = "node.progressed"
PHOTO_MISSING: Final = "photo.missing"
CONTENT_TYPE: Final = "application/vnd.ovr.batch+zstd"
MOST_BYTES: Final = 4 << 20
MOST_EVENTS: Final = 4096
_FIELDS: Final = 4
_SPLICE: Final = b',"node":"'
_LEVEL: Final = 5
_HIGHEST: Final = 2**62
_LATEST_US: Final = 253_402_300_799_999_999
"""The end of the year 9999: nothing later can be written as text."""

_HASH_DIGITS: Final = (0, 64)
_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Header:
    """Where in the node's journal a batch lies.

    Attributes:
        after: everything of the lane up to there was sent before.
        upto: the place behind the batch: the lane is complete up to it.
        upto_us: when the event there was recorded.
    """

    after: int
    upto: Head
    upto_us: int = 0


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An event as the node recorded it.

    Attributes:
        client: whom the node's broker authenticated.
    """

    position: int
    recorded_us: int
    client: str
    body: bytes


def pack(header: Header, events: Iterable[Forwarded], level: int = _LEVEL) -> bytes:
    """Write a batch."""
    place = header.upto
    first = orjson.dumps(
        {
            "journal": place.journal,
            "incarnation": place.incarnation,
            "after": header.after,
            "upto": place.position,
            "hash": place.hash.hex(),
            "time": header.upto_us,
        }
    )
    lines = [first, *(_line(event) for event in events)]
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(b"\n".join(lines))


def unpack(payload: bytes) -> tuple[Header, list[Forwarded]]:
    """Read a batch.

    Raises:
        InputError: it is none; reason `batch`.
    """
    try:
        size = zstandard.get_frame_parameters(payload).content_size
        if not 0 < size <= MOST_BYTES:
            raise InputError("batch", "", f"a batch holds at most {MOST_BYTES} bytes, not {size}")
        text = zstandard.ZstdDecompressor().decompress(payload, MOST_BYTES)
        if (count := text.count(b"\n")) > MOST_EVENTS:
            raise InputError("batch", "", f"a batch holds at most {MOST_EVENTS} events, not {count}")
        first, *lines = text.split(b"\n")
        header = _header(orjson.loads(first))
        return header, _events(header, lines)
    except (zstandard.ZstdError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError("batch", "", f"this is no batch of an uplink: {error}") from error


def spliced(event: Forwarded, node: str, incarnation: str) -> bytes:
    """Return the body that the cloud stores: the node's own, and where it comes from."""
    added = orjson.dumps(
        {
            NODE: node,
            "nodeincarnation": incarnation,
            "nodeposition": str(event.position),
            "noderecordedat": instants.text(event.recorded_us),
            "nodeclient": event.client,
        }
    )
    return event.body[:-1] + b"," + added[1:]


def unspliced(body: bytes) -> tuple[str, Forwarded]:
    """Take a stored body of the cloud apart: the node's incarnation, and the event as it was there.

    Raises:
        InputError: it did not come by an uplink.
    """
    splice = body.rfind(_SPLICE)
    try:
        said = orjson.loads(b"{" + body[splice + 1 :]) if splice > 0 else {}
        recorded_us = instants.parse(said["noderecordedat"])
        event = Forwarded(int(said["nodeposition"]), recorded_us, said["nodeclient"], body[:splice] + b"}")
        return str(said["nodeincarnation"]), event
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError("not_forwarded", "", f"this event came by no uplink: {error}") from error


def _line(event: Forwarded) -> bytes:
    return b"%d\t%d\t%s\t%s" % (
        event.position,
        event.recorded_us,
        quote(event.client, safe="").encode(),
        event.body,
    )


def _header(said: dict[str, object]) -> Header:
    names = [said["journal"], said["incarnation"]]
    numbers = [said["after"], said["upto"], said["time"]]
    text = said["hash"]
    if not all(isinstance(name, str) and _is_name(name) for name in names):
        raise ValueError("journal and incarnation must be names")
    if not all(type(number) is int and 0 <= number <= _HIGHEST for number in numbers):
        raise ValueError("after, upto and time must be whole numbers")
    if not isinstance(text, str) or len(text) not in _HASH_DIGITS:
        raise ValueError("hash must be 64 digits")
    journal, incarnation = map(str, names)
    after, upto, upto_us = (number for number in numbers if isinstance(number, int))
    if after > upto:
        raise ValueError("it ends before it begins")
    if upto_us > _LATEST_US:
        raise ValueError("time is behind the year 9999")
    return Header(after, Head(journal, incarnation, upto, bytes.fromhex(text)), upto_us)


def _is_name(said: str) -> bool:
    return 0 < len(said) <= _LONGEST_NAME and said.isprintable()


def _events(header: Header, lines: list[bytes]) -> list[Forwarded]:
    events, last = [], header.after + 1
    for line in lines:
        position, recorded_us, client, body = line.split(b"\t", _FIELDS - 1)
        event = Forwarded(int(position), int(recorded_us), unquote(client.decode("ascii")), body)
        if not last <= event.position <= header.upto.position:
            raise ValueError(f"position {event.position} is out of order")
        if not 0 <= event.recorded_us <= _LATEST_US:
            raise ValueError(f"position {event.position} was recorded at no time")
        last = event.position
        events.append(event)
    return events
