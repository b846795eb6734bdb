"""What Alertmanager is told, and that nobody waits for it."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bus.instants import SECOND_US
from detection.alertmanager import Alertmanager, Deliveries, Target
from detection.alerts import Standing
from detection.limits import Limit
from schemas.errors import ConfigurationError
from tests.alertmanagers import Hook, start_hook
from tests.streams import BASE_US
from tests.waiting import until

HOURLY = Standing("rig_01", Limit("ups.ac_power_loss", "hourly", 1, "critical"), BASE_US, 2)
DAILY = replace(HOURLY, limit=Limit("ups.ac_power_loss", "daily", 3, "warning"))
TARGET = Target("http://127.0.0.1:9", "edge-01")
MINUTE_US = 60 * SECOND_US


def ends(deliveries: Deliveries, now_us: int) -> list[tuple[str, str]]:
    return [(one["labels"]["alertname"], one["endsAt"][:19]) for one in deliveries.due(now_us)]


def test_what_stands_is_posted_as_ending_in_three_minutes_again_and_again() -> None:
    deliveries = Deliveries(TARGET)

    assert deliveries.show([HOURLY], BASE_US)

    for minutes in (0, 1, 600):
        (one,) = deliveries.due(BASE_US + minutes * MINUTE_US)
        assert one["startsAt"] == "2026-11-18T11:06:40.000000Z"
    assert ends(deliveries, BASE_US) == [("ac_power_loss_hourly", "2026-11-18T11:09:40")]
    assert ends(deliveries, BASE_US + MINUTE_US) == [("ac_power_loss_hourly", "2026-11-18T11:10:40")]


def test_what_is_over_is_posted_as_ended_for_a_quarter_of_an_hour() -> None:
    deliveries = Deliveries(TARGET)
    deliveries.show([HOURLY, DAILY], BASE_US)

    assert deliveries.show([DAILY], BASE_US + MINUTE_US)

    for minutes in (1, 15):
        assert ("ac_power_loss_hourly", "2026-11-18T11:07:40") in ends(
            deliveries, BASE_US + minutes * MINUTE_US
        )
    assert [name for name, _ in ends(deliveries, BASE_US + 16 * MINUTE_US)] == ["ac_power_loss_daily"]


def test_what_comes_back_is_not_posted_as_ended() -> None:
    deliveries = Deliveries(TARGET)
    deliveries.show([HOURLY], BASE_US)
    deliveries.show([], BASE_US + MINUTE_US)

    deliveries.show([replace(HOURLY, since_us=BASE_US + 2 * MINUTE_US)], BASE_US + 2 * MINUTE_US)

    (one,) = deliveries.due(BASE_US + 2 * MINUTE_US)
    assert one["startsAt"] == "2026-11-18T11:08:40.000000Z"


def test_a_changed_count_waits_for_the_next_round_and_a_changed_severity_is_another_alert() -> None:
    deliveries = Deliveries(TARGET)
    deliveries.show([HOURLY], BASE_US)

    assert not deliveries.show([replace(HOURLY, count=5)], BASE_US)
    assert deliveries.due(BASE_US)[0]["annotations"]["count"] == "5"

    other = replace(HOURLY, limit=replace(HOURLY.limit, severity="warning"))
    assert deliveries.show([other], BASE_US)
    assert [one["labels"]["severity"] for one in deliveries.due(BASE_US)] == ["warning", "critical"]


def test_no_alert_begins_after_its_end_when_the_streams_clock_is_ahead() -> None:
    deliveries = Deliveries(TARGET)
    deliveries.show([replace(HOURLY, since_us=BASE_US + 9 * MINUTE_US)], BASE_US)
    deliveries.show([], BASE_US)

    (one,) = deliveries.due(BASE_US)
    assert one["startsAt"] == one["endsAt"]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with start_hook() as one:
        yield one


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="http://host:port"):
        Alertmanager(Target("alertmanager:9093", "edge-01"))


def test_what_changes_is_posted_at_once(hook: Hook) -> None:
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=3600)
    until(lambda: hook.bodies == [[]], "the first post asks who is there")

    post.show([HOURLY])

    until(lambda: len(hook.bodies) == 2, "it is posted")
    assert hook.bodies[1][0]["labels"]["system_id"] == "rig_01"
    assert "generatorURL" not in hook.bodies[1][0]
    until(lambda: post.status()["alertmanager"] == "reached", "status says so")
    post.close()


def test_a_path_before_the_api_is_kept(hook: Hook) -> None:
    post = Alertmanager(Target(f"{hook.url}/alertmanager/", "edge-01"))
    until(lambda: hook.paths == ["/alertmanager/api/v2/alerts"], "it is posted there")
    post.close()


def test_one_that_does_not_answer_makes_nobody_wait(hook: Hook) -> None:
    hook.held.clear()
    post = Alertmanager(Target(hook.url, "edge-01"), timeout_s=0.2)

    before = time.monotonic()
    for count in range(1000):
        post.show([replace(HOURLY, count=count)] if count % 2 else [])
    assert time.monotonic() - before < 1.0

    until(lambda: "timed out" in post.status()["alertmanager"], "status says what is wrong")
    before = time.monotonic()
    post.close()
    assert time.monotonic() - before < 2.0


def test_one_that_refuses_is_asked_again_and_status_says_why(hook: Hook) -> None:
    hook.status, hook.body = 503, b"starting"
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=0.05)
    until(lambda: post.status()["alertmanager"].endswith("answered 503: starting"), "status says why")
    assert post.status()["delivered"] is None

    hook.status = 200
    post.show([HOURLY])

    until(lambda: post.status()["alertmanager"] == "reached", "it is reached")
    assert hook.bodies[-1][0]["labels"]["alertname"] == "ac_power_loss_hourly"
    assert post.status()["delivered"] is not None
    post.close()


def test_a_server_of_another_kind_is_a_problem_and_no_crash() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        post = Alertmanager(Target(f"http://127.0.0.1:{server.getsockname()[1]}", "edge-01"), every_s=0.05)
        for _ in range(2):
            peer, _ = server.accept()
            peer.sendall(b"220 mail.example ESMTP\r\n\r\n")
            peer.close()
        until(lambda: "cannot be reached" in post.status()["alertmanager"], "status says so")
        server.close()
        post.close()
