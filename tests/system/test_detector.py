"""The detector and the counters as processes: killed at any moment, they tell and count everything once."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bus import instants
from bus.connection import Broker
from bus.envelope import Envelope, decode
from bus.sender import Sender
from projectors.counter_queries import Counters
from projectors.runner import Runner
from tests.detecting import detector
from tests.node import HOST_ONLY, Node, check_journal, running
from tests.waiting import PATIENCE_S, until

OUTAGES = 12
CYCLE_S = 30


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    without = ("alerts", "projector-archive", "projector-reports", "projector-series", "replay", "web")
    with running(tmp_path, without=without) as one:
        yield one


def samples(number: int, zero_us: int) -> Iterator[Envelope]:
    """Make one cycle of two systems: on the grid, then ten seconds on battery, or a flicker."""
    for second in range(CYCLE_S):
        time_us = zero_us + (number * CYCLE_S + second) * 1_000_000
        for system, length_s in (("rig_01", 10), ("rig_02", 3)):
            lost = 10 <= second < 10 + length_s
            values = {"ac_in_active_code": 240 if lost else 0, "mode_code": 3}
            data = {"kind": "victron", "interval_ms": 1000, "values": values}
            yield Envelope(f"{system}-{time_us}", "/rigs", "sample.taken", system, time_us, data)


def told(node: Node) -> list[str]:
    with closing(node.journal()) as reader:
        return [one.id for one in reader.read() if one.source == "/node/detector"]


def test_kills_at_any_moment_change_nothing_that_is_told_or_counted(node: Node) -> None:
    chance = random.Random(3)
    zero_us = instants.now_us() - 3600 * 1_000_000
    sender = Sender(Broker(port=node.base), client="rigs", name="test", path=node.data / "rigs.sqlite")
    try:
        for number in range(OUTAGES):
            for sample in samples(number, zero_us):
                sender.put(sample)
            victims = chance.sample(["detector", "projector-counters", "recorder", "mosquitto"], 2)
            if number % 3 == 2:
                node.kill(*victims)
        assert sender.flush(PATIENCE_S)
    finally:
        sender.close()

    def rig_01() -> int:
        with closing(Counters.open(node.data)) as counters:
            return sum(one.total for one in counters.show(instants.now_us(), "rig_01"))

    until(lambda: rig_01() == 2 * OUTAGES, "every outage and its end is counted")
    with closing(Counters.open(node.data)) as counters:
        by_type = {one.occurrence.label: one for one in counters.show(instants.now_us(), "rig_01")}
        flickers = {one.occurrence.label: one for one in counters.show(instants.now_us(), "rig_02")}
        battery = counters.durations(instants.now_us(), system_id="rig_01")["ups.ac_power_loss"]
    assert (by_type["AC_POWER_LOSS"].total, by_type["AC_POWER_RESTORED"].total) == (OUTAGES, OUTAGES)
    assert (flickers["AC_POWER_LOSS"].total, flickers["AC_POWER_LOSS"].flickers) == (0, OUTAGES)
    assert battery.total_s == pytest.approx(OUTAGES * 10)
    check_journal(node)
    done = node.ovr("verify", "counters", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(node) == judged_anew(node)


def judged_anew(node: Node) -> list[str]:
    """Judge the whole journal in one go, and return the ids of what is told."""
    found: list[Envelope] = []
    one = detector(node.data.with_name("anew.sqlite"), found, source="/node/detector")
    with closing(node.journal()) as reader:
        Runner(reader, one, strict=True).finish()
    one.close()
    return [event.id for event in found]


def test_a_detector_without_memory_tells_nothing_of_the_past_again(node: Node) -> None:
    zero_us = instants.now_us() - 3600 * 1_000_000
    sender = Sender(Broker(port=node.base), client="rigs", name="test", path=node.data / "rigs.sqlite")
    try:
        for sample in (*samples(0, zero_us), *samples(1, zero_us)):
            sender.put(sample)
        assert sender.flush(PATIENCE_S)
        until(lambda: len(told(node)) == 12, "two outages and two flickers are told")
        before = told(node)
        for path in (node.data / "detector").glob("memory.sqlite*"):
            path.unlink()
        (node.data / "site.toml").write_text(
            HOST_ONLY + "[detection.systems.rig_02]\nrules.ac_in_lost = { hold_s = 1 }\n"
        )
        node.kill("detector")
        for sample in samples(2, zero_us):
            sender.put(sample)
        assert sender.flush(PATIENCE_S)
        until(lambda: len(told(node)) > len(before) + 7, "what follows is told")
    finally:
        sender.close()

    assert told(node)[: len(before)] == before
    with closing(node.journal()) as reader:
        new = [one for one in reader.read() if one.source == "/node/detector"][len(before) :]
    assert {decode(one.body).subject for one in new} == {"rig_01", "rig_02"}
    assert min(one.time_us for one in new) >= zero_us + 2 * CYCLE_S * 1_000_000
