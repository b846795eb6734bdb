"""One connection against the real Mosquitto, and against peers that misbehave."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bus.connection import Broker, Connection, Message
from bus.health import Health
from bus.mqtt import Will
from bus.topics import Topics, matches
from tests.services import Service, start_mosquitto
from tests.waiting import until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


def connect(port: int, client_id: str, **options: object) -> Connection:
    connection = Connection(Broker(port=port), client_id, **options)  # type: ignore[arg-type]
    until(lambda: connection.connected, "connected", turn=lambda: connection.step(0.02))
    return connection


def turn(*connections: Connection) -> bool:
    for connection in connections:
        connection.step(0.01)
    return True


def test_an_independent_client_understands_us_and_we_understand_it(broker: Service) -> None:
    ours = connect(broker.port, "ours")
    heard: list[Message] = []
    ours.subscribe("to/us", heard.append, qos=1)
    theirs = paho.Client(CallbackAPIVersion.VERSION2, "theirs", protocol=paho.MQTTv5)
    got: list[paho.MQTTMessage] = []
    theirs.on_message = lambda *arguments: got.append(arguments[2])
    theirs.connect("127.0.0.1", broker.port)
    theirs.subscribe("to/them", 1)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    said = {
        "UserProperty": [("epoch", "é1"), ("sequence", "7")],
        "ContentType": "application/json",
        "ResponseTopic": "answer/here",
        "CorrelationData": b"\x00\x01",
    }
    for name, value in said.items():
        setattr(properties, name, value)
    theirs.loop_start()

    until(
        lambda: heard,
        "we hear it",
        turn=lambda: (theirs.publish("to/us", b"hello", 1, properties=properties), turn(ours)),
    )
    codes: list[int] = []
    until(
        lambda: got,
        "it hears us",
        turn=lambda: (
            ours.publish("to/them", b"hi", qos=1, user_properties=[("a", "b")], on_ack=codes.append),
            turn(ours),
        ),
    )
    until(lambda: 0 in codes, "the broker says so", turn=lambda: turn(ours))
    theirs.loop_stop()
    theirs.disconnect()

    assert heard[0].user_properties == (("epoch", "é1"), ("sequence", "7"))
    assert (heard[0].content_type, heard[0].response_topic) == ("application/json", "answer/here")
    assert heard[0].correlation == b"\x00\x01"
    assert got[0].payload == b"hi"
    assert got[0].properties is not None
    assert getattr(got[0].properties, "UserProperty", None) == [("a", "b")]
    ours.close()


def test_subscriptions_come_back_after_a_broker_restart(broker: Service) -> None:
    one, two = connect(broker.port, "one"), connect(broker.port, "two")
    heard: list[Message] = []
    one.subscribe("t/#", heard.append)

    broker.kill()
    until(lambda: not one.connected and not two.connected, "both notice", turn=lambda: turn(one, two))
    assert two.publish("t/x", b"lost") is False
    broker.start()
    until(lambda: one.connected and two.connected, "both are back", turn=lambda: turn(one, two))
    until(
        lambda: heard,
        "messages flow again",
        turn=lambda: (two.publish("t/x", b"again"), turn(one, two)),
    )

    assert heard[0].payload == b"again"
    one.close()
    two.close()


def test_what_was_not_acknowledged_comes_again_in_a_kept_session(broker: Service) -> None:
    heard: list[Message] = []
    first = connect(broker.port, "keeper", clean_start=False, session_expiry_s=60)
    first.subscribe("t", heard.append, qos=1, manual_ack=True)
    sender = connect(broker.port, "sender")
    # The subscription must stand before anything is published.
    until(lambda: first.backlog == 0, "subscribed", turn=lambda: turn(first))
    until(lambda: heard, "heard", turn=lambda: (sender.publish("t", b"x", qos=1), turn(first, sender)))

    first._drop("gone")  # as a crash would
    again = Connection(Broker(port=broker.port), "keeper", clean_start=False, session_expiry_s=60)
    present: list[bool] = []
    redelivered: list[Message] = []
    again.on_connect(present.append)
    again.subscribe("t", redelivered.append, qos=1, manual_ack=True)
    until(lambda: redelivered, "it comes again", turn=lambda: turn(again))

    assert present == [True]
    assert redelivered[0].dup
    assert redelivered[0].mid == heard[0].mid
    again.close()
    sender.close()


def test_the_will_is_sent_when_we_vanish_and_not_when_we_say_goodbye(broker: Service) -> None:
    watcher = connect(broker.port, "watcher")
    heard: list[Message] = []
    watcher.subscribe("will/#", heard.append)
    polite = connect(broker.port, "polite", will=Will("will/polite", b"dead"))
    rude = connect(broker.port, "rude", will=Will("will/rude", b"dead"))

    polite.close()
    rude._drop("as kill -9 does")
    until(lambda: heard, "a will arrives", turn=lambda: turn(watcher))

    assert [m.topic for m in heard] == ["will/rude"]
    watcher.close()


def test_connections_that_end_soon_are_made_again_more_and_more_slowly(broker: Service) -> None:
    first, second = connect(broker.port, "twin"), connect(broker.port, "twin")
    made: list[bool] = []
    first.on_connect(made.append)

    until(lambda: len(made) == 3, "they disconnect each other", turn=lambda: turn(first, second))

    assert max(first._delay_s, second._delay_s) >= 0.4
    first.close()
    second.close()


def test_a_death_of_another_session_is_overwritten_by_the_living(broker: Service) -> None:
    topics = Topics()
    living = Connection(Broker(port=broker.port), "living")
    health = Health(living, topics, "worker")
    watcher = connect(broker.port, "watcher")
    heard: list[Message] = []
    watcher.subscribe("ovr/health/worker", heard.append)
    until(lambda: living.connected, "connected", turn=lambda: turn(living))

    watcher.publish("ovr/health/worker", b'{"status":"offline","session":"old"}', qos=1, retain=True)
    until(
        lambda: heard and b"online" in heard[-1].payload and health.session.encode() in heard[-1].payload,
        "the living says so",
        turn=lambda: turn(living, watcher),
    )
    living.close()
    watcher.close()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x03\x00\x87\x00", b"\xff" * 9]
)
def test_a_peer_that_is_no_broker_is_tried_again_and_named(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        tried = []

        def serve() -> None:
            for _ in range(2):
                link, _address = server.accept()
                tried.append(link.recv(1000))
                link.sendall(answer)
                link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        connection = Connection(Broker(port=port), "hopeful")
        until(lambda: len(tried) == 2, "it tries again", turn=lambda: connection.step(0.02))
        thread.join()
        until(lambda: connection.refusal, "it says why", turn=lambda: connection.step(0.02))

    assert not connection.connected
    connection.close()


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("+/b", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+/c", "a//c", True),
    ],
)
def test_filters_match_as_the_standard_says(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@given(st.text("ab/+#$", max_size=8), st.text("ab/$", max_size=8))
def test_filters_match_as_an_independent_client_says(topic_filter: str, topic: str) -> None:
    valid = all(level in {"+", "#"} or not set(level) & set("+#") for level in topic_filter.split("/"))
    if not topic or not topic_filter or not valid or "#" in topic_filter[:-1]:
        return
    assert matches(topic_filter, topic) == paho.topic_matches_sub(topic_filter, topic)


def test_a_flood_of_messages_ends_with_a_no_and_goes_on_when_the_broker_has_answered(broker: Service) -> None:
    ours = connect(broker.port, "ours")
    published = sum(ours.publish("to/nobody", b"", qos=1) for _ in range(66_000))

    assert 10_000 < published < 65_535
    until(lambda: ours.unacknowledged == 0, "all is answered", turn=lambda: turn(ours))
    assert ours.publish("to/nobody", b"", qos=1)
    ours.close()


def test_a_broker_that_still_sends_is_alive_even_if_its_answer_to_our_ping_is_far_behind(
    broker: Service,
) -> None:
    ours = connect(broker.port, "ours", keepalive_s=2)
    theirs = connect(broker.port, "theirs", keepalive_s=2)
    ours.subscribe("to/us", lambda _: None)
    ours._pinged_at = 0.0  # as if it were long ago

    turn(ours)
    until(lambda: theirs.publish("to/us", b"hello"), "published")
    for _ in range(3):
        turn(theirs, ours)

    assert ours.connected
    ours.close()
    theirs.close()
