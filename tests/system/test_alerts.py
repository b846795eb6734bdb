"""The alerts as a process of a node: killed at any moment, the same alerts, and none twice."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bus import instants
from bus.connection import Broker
from bus.envelope import Envelope, Recorded, decode
from bus.journal_writer import SqliteJournal
from bus.sender import Sender
from detection.limits import limits_of, packaged
from projectors.runner import Runner
from tests.alerting import DAY, HOUR, alerts, occurred, reset, tick
from tests.alertmanagers import Alertmanager, start_alertmanager, start_hook
from tests.node import Node, check_journal, running
from tests.streams import BASE_US, S, Said, record
from tests.waiting import PATIENCE_S, until

SOURCE = "/node/alerts"
SYSTEMS = ("rig_01", "rig_02", "rig_03")
TYPES = ("ac_power_loss", "i2c_error", "battery_low")


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    with start_hook() as hook, start_alertmanager(tmp_path, hook.url) as one:
        yield one


@pytest.fixture
def node(tmp_path: Path, alertmanager: Alertmanager) -> Iterator[Node]:
    data = tmp_path / "data"
    with closing(SqliteJournal(data / "journal")) as journal:
        record(journal, list(past(random.Random(1))))
    (data / "site.toml").write_text(
        f'[producers.host]\ninterval_ms = 500\n[alerts]\nurl = "{alertmanager.url}"\nevery_s = 1.0\n'
    )
    with running(tmp_path, without=UNSEEN) as one:
        yield one


UNSEEN = (
    "detector",
    "projector-archive",
    "projector-counters",
    "projector-reports",
    "projector-series",
    "replay",
    "web",
)


def past(chance: random.Random) -> Iterator[Said]:
    """Let three days pass, which ended hours ago: bursts and single occurrences, a reset now and then."""
    at_s = (instants.now_us() - BASE_US) / S - 4 * HOUR - 3 * DAY
    while at_s < (instants.now_us() - BASE_US) / S - 4 * HOUR:
        at_s += chance.choice([5.0, 5.0, 60.0, 60.0, 600.0, 2 * HOUR])
        if chance.random() < 0.03:
            yield reset(at_s, chance.choice([*SYSTEMS, "all"]))
        elif chance.random() < 0.4:
            yield tick(at_s)
        else:
            late_s = chance.choice([0.0, 0.0, 30.0, 2 * HOUR])
            yield occurred(at_s - late_s, chance.choice(TYPES), chance.choice(SYSTEMS))


def told(node: Node) -> list[Recorded]:
    with closing(node.journal()) as reader:
        return [one for one in reader.read() if one.source == SOURCE]


def counted_anew(node: Node) -> list[Envelope]:
    """Count the whole journal in one go, and return what is told."""
    found: list[Envelope] = []
    path = node.data.with_name(f"anew-{random.random()}.sqlite")
    one = alerts(path, found, limits_of(packaged()), source=SOURCE)
    with closing(node.journal()) as reader:
        Runner(reader, one, strict=True).finish()
    one.close()
    return found


def test_kills_at_any_moment_change_nothing_that_is_told_or_delivered(
    node: Node, alertmanager: Alertmanager
) -> None:
    chance = random.Random(3)
    node.kill("alerts")
    sender = Sender(Broker(port=node.base), client="rigs", name="test", path=node.data / "rigs.sqlite")
    try:
        for number in range(60):
            now_us = instants.now_us()
            system, type_ = chance.choice(SYSTEMS), chance.choice(TYPES)
            if number % 30 == 29:
                sender.put(
                    Envelope(f"r{number}", "/rigs", "counters.reset", "rig_01", now_us, {"reason": "x"})
                )
            data = {"stage": "confirmed"}
            sender.put(Envelope(f"o{number}", "/rigs", f"ups.{type_}", system, now_us, data))
            if number % 15 == 7:
                assert sender.flush(PATIENCE_S)
                node.kill(
                    *chance.sample(["alerts", "recorder", "mosquitto"], chance.choice([1, 2])), "alerts"
                )
        assert sender.flush(PATIENCE_S)
    finally:
        sender.close()

    wanted = counted_anew(node)
    until(lambda: len(told(node)) >= len(wanted), "all is told")

    found = told(node)
    assert Counter(one.id for one in found) == Counter(one.id for one in wanted)
    assert len(wanted) > 25
    by_id = {one.id: one for one in wanted}
    for one in found:
        assert decode(one.body).data == by_id[one.id].data
        assert one.time_us == by_id[one.id].time_us
    check_journal(node)
    until(lambda: alertmanager.alerts().keys() == standing(wanted), "what stands is delivered")
    done = node.ovr("verify", "state", "--json")
    assert done.returncode == 0, done.stdout + done.stderr


def standing(told: list[Envelope]) -> set[tuple[str, str]]:
    last = {(one.subject, one.data["alert"]): one.type for one in told}
    return {pair for pair, type_ in last.items() if type_ == "alert.raised"}
