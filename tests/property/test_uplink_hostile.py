"""Whatever bytes come as an uplink's: entries that can be read for ever, dead letters, or "not yet"."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bus import envelope
from bus.envelope import Envelope, Recorded
from bus.intake import Judge
from bus.journal import Head
from bus.uplink_arrival import Arrivals, NotYetError
from bus.uplink_batch import LANES, Forwarded, Header, pack, unpack, unspliced
from schemas.errors import InputError
from schemas.registry import Registry

REGISTRY = Registry.load()


def note(number: int) -> bytes:
    said = Envelope(f"e{number}", "/edge/alice", "note.added", "rig_01", 10**15, {"text": "x"})
    return envelope.encode(said)


NUMBERS = st.one_of(
    st.sampled_from([-1, 0, 1, 2**61, 2**63, 2**64, 253_402_300_800_000_000]), st.integers(0, 9)
)
VALUES = st.one_of(NUMBERS, st.text(max_size=70), st.booleans(), st.none(), st.floats(), st.lists(st.none()))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "journal": VALUES,
        "incarnation": VALUES,
        "after": VALUES,
        "upto": VALUES,
        "hash": st.one_of(VALUES, st.text("0123456789abcdef ", min_size=64, max_size=64)),
        "time": VALUES,
    },
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["id", "source", "type", "subject", "time", "dataschema", "data", "node", "other"]),
    st.one_of(
        VALUES,
        st.sampled_from(["system.registered", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"]),
        st.dictionaries(st.sampled_from(["text", "aliases", "values", "kind"]), VALUES, max_size=2),
    ),
    max_size=2,
)
AROUND = st.sampled_from([b"", b" ", b"\r", b"\t", b"\0", b"{", b"}", b"\n"])
LINES = st.tuples(
    NUMBERS, NUMBERS, st.one_of(st.just(b"alice"), st.binary(max_size=9)), ATTRIBUTES, AROUND, AROUND
)


def mutated(header: dict[str, object], lines: Sequence[tuple[Any, ...]]) -> bytes:
    """Write a batch that differs from a right one as it is said."""
    first = {"journal": "j", "incarnation": "i", "after": 0, "upto": 9, "hash": "", "time": 1, **header}
    text = [json.dumps(first).encode()]
    for number, (position, recorded_us, client, attributes, before, behind) in enumerate(lines):
        whole = orjson.loads(note(number)) | attributes
        said = before + json.dumps(whole).encode() + behind
        text.append(b"%d\t%d\t%s\t%s" % (position, recorded_us, client, said))
    return zstandard.compress(b"\n".join(text))


@given(HEADERS, st.lists(LINES, max_size=4), st.sampled_from(LANES))
def test_whatever_an_uplink_brings_is_stored_as_one_json_object_a_dead_letter_or_waits(
    header: dict[str, object], lines: Sequence[tuple[Any, ...]], lane: str
) -> None:
    arrivals = Arrivals(Judge(REGISTRY, "cloud"))
    try:
        found = arrivals.take("edge", lane, "epoch", mutated(header, lines), "topic", 0)
    except NotYetError:
        return
    assert found.entries or found.letters or found.held
    for entry in found.entries:
        stored = entry.body
        assert b"\n" not in stored
        said = envelope.decode(stored)
        assert said.extensions["node"] == "edge"
        assert unspliced(stored)[1].body == stored[: stored.rfind(b',"node":')] + b"}"
        recorded = Recorded(
            2**62, 0, entry.client, said.source, said.id, said.type, said.subject, 0, stored, b""
        )
        assert orjson.loads(envelope.published(recorded))["nodeclient"] == said.extensions["nodeclient"]


@given(st.binary(max_size=200), st.integers(0, 1000), st.binary(max_size=3))
def test_any_bytes_and_any_damage_to_a_batch_are_refused_or_read(junk: bytes, at: int, there: bytes) -> None:
    with pytest.raises(InputError):
        unpack(junk)
    whole = pack(Header(0, Head("journal", "life", 9, bytes(32)), 17), [Forwarded(1, 1, "alice", b"{}")])
    with suppress(InputError):
        unpack(whole[:at] + there + whole[at + len(there) :])
