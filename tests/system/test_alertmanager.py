"""Alerts delivered to a real Alertmanager, which groups and resolves them and tells a webhook."""

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import instants
from bus.connection import Broker, Connection
from bus.journal import Entry
from bus.journal_writer import SqliteJournal
from bus.topics import Topics
from detection.run_alerts import Delivery, run_alerts
from tests.alerting import HOUR, PACKAGED, occurred, tick
from tests.alertmanagers import TEMPLATE, Alertmanager, Hook, program, start_alertmanager, start_hook
from tests.services import start_mosquitto
from tests.streams import BASE_US, S, Said
from tests.waiting import PATIENCE_S, until


@dataclass
class Site:
    """A journal that the test writes, a broker, and the alerts beside them."""

    data: Path
    broker: Broker
    journal: SqliteJournal
    health: dict[str, Any] = field(default_factory=dict)
    said: int = 0

    def say(self, *events: Said, after_s: float = 0.0) -> None:
        """Record events so many seconds from now, as having happened at that time."""
        now_us = instants.now_us() + round(after_s * S)
        for event in events:
            self.said += 1
            at_s = (now_us - BASE_US) / S
            entry = Said(event.type, event.subject, at_s, event.data, f"said-{self.said}").entry(0)
            assert isinstance(entry, Entry)
            self.journal.append([entry], recorded_us=now_us)

    @contextmanager
    def alerting(self, url: str | None) -> Iterator[None]:
        """Run the alerts, until the block ends."""
        stop, failed = threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                run_alerts(
                    self.data,
                    self.broker,
                    node_id="edge-01",
                    limits_of=PACKAGED,
                    delivery=Delivery(url, "http://edge-01.example/alerts", every_s=1.0),
                    stopped=stop.is_set,
                )
            except BaseException as error:  # noqa: BLE001 - told to the test
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)
        assert not failed, failed

    @contextmanager
    def listening(self) -> Iterator[Connection]:
        ear = Connection(self.broker, "ear")
        ear.subscribe(Topics().health("alerts"), lambda m: self.health.update(orjson.loads(m.payload)))
        try:
            yield ear
        finally:
            ear.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with start_mosquitto(tmp_path) as mosquitto:
        journal = SqliteJournal(tmp_path / "data" / "journal")
        yield Site(tmp_path / "data", Broker(port=mosquitto.port), journal)
        journal.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    with start_hook() as one:
        yield one


@pytest.fixture
def alertmanager(tmp_path: Path, hook: Hook) -> Iterator[Alertmanager]:
    with start_alertmanager(tmp_path, hook.url) as one:
        yield one


def losses(number: int, system: str = "rig_01") -> Sequence[Said]:
    return [occurred(0, system=system)] * number


def resolved(hook: Hook, system: str, alertname: str) -> bool:
    return hook.messages(system, alertname)[-1:] == ["resolved"]


def test_alerts_of_a_scenario_are_received_grouped_told_and_resolved(
    site: Site, alertmanager: Alertmanager, hook: Hook
) -> None:
    site.say(*losses(4), *losses(2, "rig_02"), *losses(1, "rig_03"))
    hourly, daily = "ac_power_loss_hourly", "ac_power_loss_daily"
    standing = {("rig_01", hourly), ("rig_01", daily), ("rig_02", hourly)}

    with site.alerting(alertmanager.url):
        until(lambda: alertmanager.alerts().keys() == standing, "all three are received")
        one = alertmanager.alerts()["rig_01", daily]
        assert one["labels"] == {
            "alertname": daily,
            "system_id": "rig_01",
            "severity": "warning",
            "period": "daily",
            "node_id": "edge-01",
        }
        assert one["annotations"]["summary"] == (
            "rig_01: AC input lost: 4 times within the last 24 hours, 3 allowed"
        )
        assert (one["annotations"]["count"], one["annotations"]["limit"]) == ("4", "3")
        assert one["generatorURL"] == "http://edge-01.example/alerts"

        groups = {tuple(sorted(one["labels"].items())): len(one["alerts"]) for one in alertmanager.groups()}
        assert groups == {(("alertname", name), ("system_id", system)): 1 for system, name in standing}
        for pair in standing:
            until(partial(hook.messages, *pair), f"{pair} is told")

        site.say(tick(0), after_s=HOUR)
        until(lambda: alertmanager.alerts().keys() == {("rig_01", daily)}, "the hourly ones are resolved")
        for system in ("rig_01", "rig_02"):
            until(partial(resolved, hook, system, hourly), f"{system}: it is told")
        assert hook.messages("rig_01", daily) == ["firing"]


def test_an_alertmanager_that_was_away_or_forgot_everything_learns_what_stands(
    site: Site, alertmanager: Alertmanager, hook: Hook
) -> None:
    alertmanager.stop()
    site.say(*losses(2))
    pair = ("rig_01", "ac_power_loss_hourly")

    with site.alerting(alertmanager.url), site.listening() as ear:
        until(
            lambda: (
                "cannot be reached" in str(site.health.get("alertmanager")) and site.health["active"] == 1
            ),
            "health says that nobody is there, and the alert stands",
            turn=lambda: ear.step(0.05),
        )
        assert site.health["status"] == "online"
        alertmanager.start()
        until(lambda: pair in alertmanager.alerts(), "it is received")
        until(
            lambda: site.health["alertmanager"] == "reached",
            "health says so",
            turn=lambda: ear.step(0.05),
        )
        first = alertmanager.alerts()[pair]

        alertmanager.kill()
        alertmanager.wipe()
        alertmanager.start()
        until(lambda: pair in alertmanager.alerts(), "it is received again")
        assert alertmanager.alerts()[pair]["startsAt"] == first["startsAt"]
        assert alertmanager.alerts()[pair]["fingerprint"] == first["fingerprint"]
        until(alertmanager.told_and_noted, "it noted what it told: of nothing else it tells an end")

        alertmanager.stop()
        site.say(tick(0), after_s=HOUR)
        until(lambda: site.health["active"] == 0, "it is over meanwhile", turn=lambda: ear.step(0.05))
        alertmanager.start()
        until(lambda: resolved(hook, *pair), "its end is told later")


def test_alerts_that_were_stopped_go_on_with_what_stands(site: Site, alertmanager: Alertmanager) -> None:
    site.say(*losses(2))
    pair = ("rig_01", "ac_power_loss_hourly")
    with site.alerting(alertmanager.url):
        until(lambda: pair in alertmanager.alerts(), "it is received")
    first = alertmanager.alerts()[pair]

    with site.alerting(alertmanager.url):
        until(lambda: alertmanager.alerts()[pair]["updatedAt"] > first["updatedAt"], "it is posted again")

    assert alertmanager.alerts()[pair]["startsAt"] == first["startsAt"]


def test_without_a_url_nothing_is_posted(site: Site) -> None:
    site.say(*losses(2))

    with site.alerting(None), site.listening() as ear:
        until(lambda: site.health.get("active") == 1, "the alert stands", turn=lambda: ear.step(0.05))

    assert "alertmanager" not in site.health


def test_the_shipped_configuration_is_valid() -> None:
    amtool = program("amtool", package="prometheus-alertmanager")
    done = subprocess.run(
        [amtool, "check-config", str(TEMPLATE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
