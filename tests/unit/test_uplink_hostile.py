"""A lost mini PC says what it likes: nothing of it stops the cloud's recorder, or spoils its journal."""

from typing import Any

import orjson
import pytest
import zstandard

from bus import envelope
from bus.envelope import Envelope
from bus.intake import Judge
from bus.journal import MOST_LIVES, Head
from bus.uplink_arrival import Arrivals
from bus.uplink_batch import FACTS, Forwarded, Header, pack
from schemas.registry import Registry

T0 = 1_790_000_000_000_000
REGISTRY = Registry.load()


def said(type_: str, data: dict[str, Any]) -> bytes:
    return envelope.encode(Envelope("e1", "/edge/alice", type_, "rig_01", T0, data))


def registered(*aliases: str) -> bytes:
    return said("system.registered", {"name": "x", "aliases": list(aliases)})


GOOD = said("note.added", {"text": "x"})


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Forwarded(1, T0, "alice", GOOD + b" "), "body"),
        (Forwarded(1, T0, "alice", b" " + GOOD), "body"),
        (Forwarded(1, T0, "alice", GOOD + GOOD), "not_json"),
        (Forwarded(1, T0, "alice", b"[" + GOOD + b"]"), "body"),
        (Forwarded(1, T0, "a\0b", GOOD), "client"),
        (Forwarded(1, T0, "x" * 5000, GOOD), "client"),
        (Forwarded(1, T0, "", GOOD), "client"),
        (
            Forwarded(1, T0, "alice", registered("rig_02", "a/b")),
            "system_id",
        ),
        (
            Forwarded(1, T0, "alice", registered("rig_02", "All")),
            "reserved",
        ),
        (
            Forwarded(1, T0, "alice", registered("rig_02").replace(b'"rig_01"', b'"_site"')),
            "reserved",
        ),
        (Forwarded(1, 2**61, "alice", GOOD), "batch"),
        (Forwarded(1, 253_402_300_800_000_000, "alice", GOOD), "batch"),
        (Forwarded(1, -1, "alice", GOOD), "batch"),
        (Forwarded(2, T0, "alice", GOOD), "batch"),
    ],
)
def test_what_no_node_would_send_becomes_a_dead_letter(event: Forwarded, reason: str) -> None:
    judge = Judge(REGISTRY, "cloud")
    header = Header(0, Head("j", "life", 1, bytes(32)), T0)

    found = Arrivals(judge).take("edge", FACTS, "epoch", pack(header, [event]), "topic", T0)

    assert ([letter.reason for letter in found.letters], found.entries or ()) == ([reason], ())
    assert judge.aliases == {}


@pytest.mark.parametrize(
    "change",
    [
        {"time": 2**61},
        {"time": True},
        {"journal": "j\0"},
        {"incarnation": ""},
        {"hash": "z" * 64},
        {"upto": 0},
    ],
)
def test_a_header_that_no_node_would_send_makes_no_batch(change: dict[str, Any]) -> None:
    said_first = {"journal": "j", "incarnation": "i", "after": 0, "upto": 1, "hash": "", "time": 1} | change
    text = orjson.dumps(said_first) + b"\n1\t1\talice\t" + GOOD
    found = Arrivals(Judge(REGISTRY, "cloud")).take(
        "edge", FACTS, "epoch", zstandard.compress(text), "topic", T0
    )
    assert ([letter.reason for letter in found.letters], found.held) == (["batch"], None)


def many(count: int) -> tuple[Header, list[Forwarded]]:
    events = [Forwarded(n, T0, "alice", GOOD) for n in range(1, count + 1)]
    return Header(0, Head("j", "life", count, bytes(32)), T0), events


def test_a_few_bytes_make_no_flood_of_events() -> None:
    arrivals = Arrivals(Judge(REGISTRY, "cloud"))
    assert len(arrivals.take("edge", FACTS, "epoch", pack(*many(4096)), "topic", T0).entries) == 4096

    found = arrivals.take("edge", FACTS, "epoch", pack(*many(4097)), "topic", T0)

    assert [letter.reason for letter in found.letters] == ["batch"]


def test_nothing_is_remembered_of_lives_that_are_only_named() -> None:
    arrivals = Arrivals(Judge(REGISTRY, "cloud"))
    for number in range(100):
        header = Header(0, Head("j", f"life {number}", 1, bytes(32)), T0 + number)
        found = arrivals.take("edge", FACTS, f"epoch {number}", pack(header, ()), "topic", T0)
        assert found.held is not None
        arrivals.committed(found.held)
    assert (len(arrivals.held), len(arrivals._taken)) == (MOST_LIVES, 0)
