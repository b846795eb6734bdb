"""Laws of the Victron producer: whatever is published, nothing breaks, and the last word counts."""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from producers.adapter import DeviceError
from producers.victron.gx_session import GxSession
from producers.victron.mapping import Pace
from producers.victron.mapping_file import packaged
from producers.victron.numbers import Numbers
from producers.victron.vigil import Vigil
from schemas.measurements import unknown
from tests.victron import PORTAL, START_US, WALL_US, Bench, ScriptedGx

PATHS = [
    f"{type_}/{instance}{path}"
    for type_, service in packaged().services.items()
    for path in list(service.readings)[:40:5] + list(service.alarms)[:3] + ["/Serial", "/ProductName"]
    for instance in (0, 277)
]
SPECIAL = ["heartbeat", "full_publish_completed", "keepalive", "platform/0/Device/Model", "system/0/Serial"]
topics = st.one_of(
    st.sampled_from(PATHS).map(lambda path: f"N/{PORTAL}/{path}"),
    st.sampled_from(SPECIAL).map(lambda path: f"N/{PORTAL}/{path}"),
    st.builds(lambda a, b: f"N/{PORTAL}/{a}/{b}", st.text(max_size=8), st.text(max_size=20)),
    st.text(max_size=60),
)
scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=300)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
WHAT = ["open", "close", "beat", "end", "hear", "keep"]
said = st.sampled_from([None, 0, 1, 2, 5.5, "x", b""])
payloads = st.one_of(
    st.binary(max_size=80),
    st.just(b""),
    values.map(lambda value: json.dumps({"value": value}).encode()),
    values.map(lambda value: json.dumps(value).encode()),
)


def opened() -> GxSession:
    session = GxSession(PORTAL, "rig", packaged(), "us")
    session.open(START_US)
    session.tick(START_US)
    return session


@given(st.lists(st.tuples(topics, payloads, st.booleans(), st.integers(0, 5_000_000)), max_size=60))
def test_any_messages_give_finite_readings_with_known_names_or_a_reason(
    messages: list[tuple[str, bytes, bool, int]],
) -> None:
    session, now_us = opened(), START_US
    for topic, payload, retained, later_us in messages:
        now_us += later_us
        session.take(topic, payload, now_us, retained=retained)
        session.tick(now_us)
    session.take(f"N/{PORTAL}/full_publish_completed", b'{"value": 1}', now_us)
    session.tick(now_us + 1_000_001)

    for pace in Pace:
        try:
            read = session.read("rig", pace, now_us, WALL_US)
        except DeviceError:
            continue
        assert not unknown(read.values)
        assert all(value is None or isfinite(value) for value in read.values.values())
    session.describe("rig")
    json.dumps(session.status())


@given(st.lists(st.tuples(st.sampled_from(PATHS), said), max_size=80))
def test_what_counts_of_each_path_is_what_was_told_last(told: list[tuple[str, Any]]) -> None:
    session = opened()
    for path, value in told:
        payload = b"" if value == b"" else json.dumps({"value": value}).encode()
        for _ in range(2):
            session.take(f"N/{PORTAL}/{path}", payload, START_US)

    last: dict[str, Any] = {}
    for path, value in told:
        if value == b"":
            last.pop(path, None)
        else:
            last[path] = value
    for path, value in last.items():
        type_, instance, rest = path.split("/", 2)
        service = session.mirror.services.get((type_, int(instance)))
        leaf = service.leaves.get("/" + rest) if service else None
        if leaf is not None and leaf.readings:
            assert leaf.raw == value


@given(st.lists(st.sampled_from([0, 1, 2, None]), max_size=30))
def test_every_change_of_an_alarm_is_told_in_order_and_nothing_else(levels: Sequence[int | None]) -> None:
    bench = Bench(ScriptedGx({("vebus", 276): {"/Alarms/Overload": 0}})).open()
    bench.read()
    bench.seen.clear()
    changes, known = [], 0
    for value in levels:
        bench.now_us += 1_000
        bench.tell("vebus", 276, "/Alarms/Overload", value)
        if value != known:
            changes.append((bench.now_us, {1: "warning", 2: "alarm"}.get(value or 0)))
        known = value  # type: ignore[assignment]

    assert [(one.at_us, getattr(one, "level", "")) for one in bench.read().seen] == changes


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=60))
def test_a_number_belongs_to_one_device_and_stays_its_own(steps: list[tuple[bool, int]]) -> None:
    numbers, there, had = Numbers(), set[int](), dict[int, int]()
    for comes, instance in steps:
        if not comes:
            there.discard(instance)
            continue
        there.add(instance)
        before = {other: had[other] for other in there - {instance} if other in had}
        had[instance] = numbers.give("tank", instance, "", most=8, there=there.__contains__)
        assert before == {other: had[other] for other in before}
        used = [had[other] for other in there if had.get(other)]
        assert len(used) == len(set(used))
        assert all(1 <= number <= 8 for number in used)
        assert len(there) > 8 or had[instance]
        again = Numbers(numbers.dump())
        assert again.give("tank", instance, "", most=8, there=there.__contains__) == had[instance]


@given(st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, 9_000_000)), max_size=80))
def test_a_gx_is_never_asked_for_everything_more_often_than_it_answers(steps: list[tuple[str, int]]) -> None:
    vigil, now_us, asked = Vigil("us"), 0, [-10_000_000]
    for what, later_us in steps:
        now_us += later_us
        match what:
            case "open":
                vigil.open(now_us)
                asked = [-10_000_000]
            case "close":
                vigil.close("link_lost", "x")
            case "beat":
                vigil.beat()
            case "end":
                vigil.completed(b'{"value":1}', now_us)
            case "hear":
                vigil.heard_us = now_us
            case "keep":
                vigil.pending["vebus/276/Soc"] = None
        requests = vigil.tick(now_us)
        full = [payload for path, payload in requests if path == "keepalive" and b"suppress" not in payload]
        assert len(full) <= 1
        asked += [now_us] * len(full)
        vigil.whole()
    assert max((sum(now_us - 1_000_000 < one <= now_us for one in asked) for now_us in asked), default=0) <= 3
