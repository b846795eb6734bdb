"""Detector, alerts, counters and series under kills, with late events, resets and a system named anew."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bus import instants
from bus.connection import Broker
from bus.envelope import Envelope, decode
from bus.sender import Sender
from detection.limits import limits_of, packaged
from projectors.counter_queries import Counters
from projectors.counter_report import KINDS, last_days, report
from projectors.projector import Projector
from projectors.runner import Runner
from tests.alerting import alerts
from tests.detecting import detector
from tests.node import Node, check_journal, running, series_checkpoint
from tests.waiting import PATIENCE_S, until

LASTS_S = 240.0
SYSTEMS = ("rig_01", "rig_02", "stage_3")
PROCESSES = (
    "detector",
    "alerts",
    "projector-counters",
    "projector-series",
    "projector-state",
    "recorder",
    "mosquitto",
    "victoria-metrics",
)
S, HOUR_US = 1_000_000, 3600 * 1_000_000


def samples(number: int) -> Iterator[Envelope]:
    """Tell of a second of every system: inputs that come and go, each in its own rhythm."""
    for place, system in enumerate(SYSTEMS):
        time_us = instants.now_us() - place * S // 20  # of one system, once it is one, no two at a time
        period, lost_s = 25 + 7 * place, (9, 3, 14)[place]
        lost = number % period >= period - lost_s
        values = {
            "ac_in_active_code": 240 if lost else 0,
            "mode_code": 3,
            "battery_temperature_c": 61 if number % 90 > 60 else 40,
        }
        data = {"kind": "victron", "interval_ms": 1000, "values": values}
        yield Envelope(f"{system}-{number}", "/rigs", "sample.taken", system, time_us, data)


def occurrences(number: int, chance: random.Random) -> Iterator[Envelope]:
    """Let things occur that another detector told: now, and hours or days ago."""
    now_us = instants.now_us()
    late_us = chance.choice([0, 0, 30 * S, 2 * HOUR_US, 23 * HOUR_US, 40 * HOUR_US])
    type_ = chance.choice(
        ["i2c_error", "battery_low", "battery_recovered", "ac_power_loss", "ac_power_restored"]
    )
    system = chance.choice(SYSTEMS)
    data = {"stage": chance.choice(["confirmed", "confirmed", "edge"]), "rule": "other"}
    yield Envelope(f"o{number}", "/other", f"ups.{type_}", system, now_us - late_us, data)
    if number % 70 == 69:
        said = {"reason": "soak", **chance.choice([{}, {"types": ["ups.i2c_error"]}])}
        subject = chance.choice([*SYSTEMS, "all"])
        yield Envelope(f"r{number}", "/other", "counters.reset", subject, now_us - late_us, said)
    if number == 100:
        named = {"name": "Rig 1", "aliases": ["Stage 3"]}
        yield Envelope("joined", "/other", "system.registered", "rig_01", now_us, named)


def told(node: Node, source: str) -> list[Envelope]:
    with closing(node.journal()) as reader:
        return [decode(one.body) for one in reader.read() if one.source == source]


def judged_anew(node: Node, one: Projector) -> None:
    """Let a follower read the whole journal in one go."""
    with closing(node.journal()) as reader:
        Runner(reader, one, strict=True).finish()
    one.close()


def answers(node: Node, now_us: int) -> dict[str, Any]:
    """Ask the counters everything."""
    with closing(Counters.open(node.data)) as counters:
        found: dict[str, Any] = {
            f"{kind} {system}": {**report(counters, kind, last_days(now_us, days), system), "position": 0}
            for kind in KINDS
            for system in (None, *counters.systems())
            for days in (1, 30)
        }
        found["show"] = {system: counters.show(now_us, system) for system in (None, *counters.systems())}
        found["health"] = {system: counters.health(now_us, system) for system in (None, *counters.systems())}
        return found


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_kills_at_any_moment_and_late_events_end_with_what_a_rebuild_has(tmp_path: Path) -> None:
    chance, began = random.Random(7), time.monotonic()
    kill_at, number, kills = began + 5, 0, 0
    with running(tmp_path, without=("projector-archive", "projector-reports", "web")) as node:
        sender = Sender(Broker(port=node.base), client="rigs", name="soak", path=tmp_path / "rigs.sqlite")
        try:
            while time.monotonic() < began + LASTS_S:
                for envelope in (*samples(number), *occurrences(number, chance)):
                    sender.put(envelope)
                number += 1
                time.sleep(0.2)
                if time.monotonic() > kill_at:
                    node.kill(*chance.sample(PROCESSES, chance.choice([1, 2, 3])))
                    kills += 1
                    kill_at = time.monotonic() + chance.uniform(0.5, 8)
            assert sender.flush(PATIENCE_S)
        finally:
            sender.close()
        assert kills > 5

        detected, alerted = list[Envelope](), list[Envelope]()

        def settled() -> bool:
            detected.clear()
            alerted.clear()
            judged_anew(
                node, detector(tmp_path / f"d{time.monotonic_ns()}", detected, source="/node/detector")
            )
            limits = limits_of(packaged())
            judged_anew(
                node, alerts(tmp_path / f"a{time.monotonic_ns()}", alerted, limits, source="/node/alerts")
            )
            return (len(told(node, "/node/detector")), len(told(node, "/node/alerts"))) == (
                len(detected),
                len(alerted),
            )

        until(settled, "all that is judged anew was told")
        for source, wanted in (("/node/detector", detected), ("/node/alerts", alerted)):
            found = told(node, source)
            assert len(found) > 10
            assert sorted((one.id, one.time_us, one.subject) for one in found) == sorted(
                (one.id, one.time_us, one.subject) for one in wanted
            )
            by_id = {one.id: one.data for one in wanted}
            assert all(one.data == by_id[one.id] for one in found)

        check_journal(node)
        loaded = node.head()
        until(lambda: series_checkpoint(node) >= loaded, "the series are durable")
        for model in ("counters", "state", "series"):
            done = node.ovr("verify", model, "--json")
            assert done.returncode == 0, done.stdout + done.stderr
        now_us = instants.now_us()
        before = answers(node, now_us)
        assert node.ovr("rebuild", "counters").returncode == 0
        assert answers(node, now_us) == before
