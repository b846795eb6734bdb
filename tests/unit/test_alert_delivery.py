"""What Alertmanager is told, and that nobody waits for it."""

import re
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bus.instants import SECOND_US
from detection.alert_address import address
from detection.alertmanager import Alertmanager, Target, posted
from detection.alerts import Standing
from detection.limits import Limit
from ovr.summary import figures
from schemas.errors import ConfigurationError
from tests.alertmanagers import Hook, start_hook
from tests.streams import BASE_US
from tests.waiting import until

HOURLY = Standing("rig_01", Limit("ups.ac_power_loss", "hourly", 1, "critical"), BASE_US, 2)
TARGET = Target("http://127.0.0.1:9", "edge-01")
MINUTE_US = 60 * SECOND_US


def test_what_stands_is_posted_as_ending_in_three_minutes() -> None:
    for minutes, ends in ((0, "11:09"), (1, "11:10"), (60, "12:09")):
        one = posted(HOURLY, TARGET, BASE_US + minutes * MINUTE_US)
        assert one["startsAt"] == "2026-11-18T11:06:40.000000Z"
        assert one["endsAt"] == f"2026-11-18T{ends}:40.000000Z"


def test_what_is_over_is_posted_as_ended_when_it_was() -> None:
    one = posted(replace(HOURLY, ended_us=BASE_US + MINUTE_US), TARGET, BASE_US + 9 * MINUTE_US)

    assert one["endsAt"] == "2026-11-18T11:07:40.000000Z"


def test_no_alert_begins_after_its_end_when_the_streams_clock_is_ahead() -> None:
    ahead = replace(HOURLY, since_us=BASE_US + 9 * MINUTE_US, ended_us=BASE_US + 9 * MINUTE_US)

    one = posted(ahead, TARGET, BASE_US)

    assert one["startsAt"] == one["endsAt"]


@pytest.fixture
def hook() -> Iterator[Hook]:
    with start_hook() as one:
        yield one


@pytest.mark.parametrize(
    "url",
    [
        "alertmanager:9093",
        "http://",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://[::1",
        "http://a..b:9093",
        "http://127.0.0.1:9093/a b",
        "http://127.0.0.1:9093/é",
        "ftp://127.0.0.1:9093",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"http://host:port, not {re.escape(repr(url))}"):
        Alertmanager(Target(url, "edge-01"))


def test_a_url_that_is_none_is_not_shown_with_its_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        address("http://site:s3cret@127.0.0.1:port")

    assert "s3cret" not in str(caught.value)


def test_a_host_is_named_as_people_write_it() -> None:
    assert str(address("http://[::1]/x/")) == "http://[::1]:80"
    assert str(address("https://Alerts.Example:9093")) == "https://alerts.example:9093"


def test_name_and_password_are_sent_and_not_published(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 401
    url = hook.url.replace("://", "://site:s3%20cret@")
    post = Alertmanager(Target(url, "edge-01"), every_s=0.05)
    until(lambda: "answered 401" in post.status()["alertmanager"], "status says that it is refused")
    post.close()

    said = b64decode(hook.headers[0]["Authorization"].removeprefix("Basic "))
    assert said == b"site:s3 cret"
    assert post.status()["alertmanager"].startswith(f"{hook.url} answered")
    assert "cret" not in caplog.text + post.status()["alertmanager"]


def test_what_changes_is_posted_at_once(hook: Hook) -> None:
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=3600)
    until(lambda: hook.bodies == [[]], "the first post asks who is there")

    post.show((HOURLY,))

    until(lambda: len(hook.bodies) == 2, "it is posted")
    assert hook.bodies[1][0]["labels"]["system_id"] == "rig_01"
    assert "generatorURL" not in hook.bodies[1][0]
    until(lambda: post.status()["alertmanager"] == "reached", "status says so")
    post.close()


def test_a_changed_count_waits_for_the_next_round(hook: Hook) -> None:
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=3600)
    post.show((HOURLY,))
    until(lambda: hook.bodies[-1:] and hook.bodies[-1], "it is posted")
    said = len(hook.bodies)

    post.show((replace(HOURLY, count=5),))
    post.show((replace(HOURLY, count=5, ended_us=BASE_US),))

    until(lambda: len(hook.bodies) == said + 1, "its end is posted")
    assert hook.bodies[-1][0]["annotations"]["count"] == "5"
    post.close()
    assert len(hook.bodies) == said + 1


OVER = replace(HOURLY, ended_us=BASE_US + MINUTE_US)


@pytest.mark.parametrize(
    ("shown", "ends"),
    [((OVER,), ["11:07:40"]), ((), ["12:00:00"])],
    ids=["told as over", "not shown any more"],
)
def test_an_end_that_nobody_took_is_told_when_somebody_is_there_again_and_once(
    hook: Hook, shown: tuple[Standing, ...], ends: list[str]
) -> None:
    hook.status = 503
    noon_us = BASE_US + 53 * MINUTE_US + 20 * SECOND_US
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=0.05, clock_us=lambda: noon_us)
    for standing in ((HOURLY,), shown, ()):
        post.show(standing)
    until(lambda: hook.bodies[-1:] and hook.bodies[-1], "it is refused")

    hook.status = 200
    until(lambda: post.status()["alertmanager"] == "reached", "it is reached")
    assert [one["endsAt"][11:19] for one in hook.bodies[-1]] in (ends, [])

    until(lambda: hook.bodies[-1] == [], "nothing is owed any more")
    post.close()
    told = [one["endsAt"][11:19] for body in hook.bodies for one in body]
    assert told[-1:] == ends


def test_an_end_that_was_taken_is_told_while_it_is_shown_and_no_longer(hook: Hook) -> None:
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=0.05)
    post.show((HOURLY,))
    post.show((OVER,))
    until(lambda: sum(map(bool, hook.bodies)) > 2, "it is told again and again")

    post.show(())
    said = len(hook.bodies)

    until(lambda: len(hook.bodies) > said + 2, "rounds go on")
    assert hook.bodies[-1] == []
    post.close()


def test_an_end_is_not_told_over_an_alert_that_stands_again(hook: Hook) -> None:
    hook.status = 503
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=0.05)
    again = replace(HOURLY, since_us=BASE_US + 9 * MINUTE_US)
    for standing in ((HOURLY,), (OVER,), (), (again,)):
        post.show(standing)

    hook.status = 200
    until(lambda: post.status()["alertmanager"] == "reached", "it is reached")
    until(lambda: hook.bodies[-1], "what stands is told")
    assert [one["startsAt"][11:19] for one in hook.bodies[-1]] == ["11:15:40"]
    post.close()


def test_no_more_ends_are_owed_than_can_be_told(hook: Hook) -> None:
    hook.held.clear()
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=0.05, timeout_s=0.2)
    post.show(tuple(replace(HOURLY, system_id=f"rig_{number:04}") for number in range(1200)))
    post.show(())

    hook.held.set()
    until(lambda: [len(body) for body in hook.bodies if body][-1:] == [1000], "the newest are told")
    until(lambda: hook.bodies[-1] == [], "once")
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
        post.show((replace(HOURLY, count=count),) if count % 2 else ())
    assert time.monotonic() - before < 1000 * 0.2 / 2, "nobody waits for its time limit"

    until(lambda: "timed out" in post.status()["alertmanager"], "status says what is wrong")
    post.close()


def test_one_that_refuses_is_asked_again_and_status_says_why(hook: Hook) -> None:
    hook.status, hook.body = 503, b"starting"
    post = Alertmanager(Target(hook.url, "edge-01"), every_s=0.05)
    until(lambda: post.status()["alertmanager"].endswith("answered 503: starting"), "status says why")
    assert post.status()["delivered"] is None

    hook.status = 200
    post.show((HOURLY,))

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


def test_the_status_of_a_node_says_when_nobody_is_reached() -> None:
    health = {"position": 7, "lag_events": 0, "alertmanager": "http://x:9093 cannot be reached: refused"}
    process = {"name": "alerts", "message": "", "health": health}

    assert figures(process, {}) == "at 7, Alertmanager: http://x:9093 cannot be reached: refused"
    assert figures(process | {"health": health | {"alertmanager": "reached"}}, {}) == "at 7"
    assert figures(process | {"health": {"position": 7, "lag_events": 0}}, {}) == "at 7"
