"""Playing recordings onto a real Mosquitto, heard by an independent client."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from bus.connection import Broker
from producers.play import Played, play_file
from producers.recording import rows
from schemas.errors import TransientError
from tests.services import Service, free_port, start_mosquitto
from tests.waiting import PATIENCE_S, until

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with start_mosquitto(tmp_path_factory.mktemp("play")) as service:
        yield service


@contextmanager
def heard(broker: Service) -> Iterator[list[tuple[float, str, bytes]]]:
    """Collect what an independent client hears on all raw topics."""
    messages: list[tuple[float, str, bytes]] = []
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_message = lambda _c, _u, m: messages.append((time.monotonic(), m.topic, bytes(m.payload)))
    client.on_subscribe = lambda *_: ready.set()
    client.on_connect = lambda c, *_: c.subscribe("N/#")
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        assert ready.wait(PATIENCE_S)
        yield messages
    finally:
        client.disconnect()
        client.loop_stop()


def recording(tmp_path: Path, *times_s: float) -> Path:
    path = tmp_path / "own.jsonl"
    path.write_text(
        "".join(
            f'{{"t": {t_s}, "topic": "N/1/n/{number}", "payload": "{number}"}}\n'
            for number, t_s in enumerate(times_s)
        )
    )
    return path


def test_a_recording_is_played_in_order_at_its_own_pace(broker: Service, tmp_path: Path) -> None:
    path = recording(tmp_path, -1.0, -0.5, 0.0, 0.3, 0.6)

    with heard(broker) as messages:
        played = play_file(path, Broker(port=broker.port))
        until(lambda: len(messages) == 5, "all five are heard")

    assert [payload for _, _, payload in messages] == [b"0", b"1", b"2", b"3", b"4"]
    assert played.messages == 5
    assert played.seconds >= 0.6
    assert messages[1][0] - messages[0][0] < 0.25
    assert messages[4][0] - messages[2][0] == pytest.approx(0.6, abs=0.25)


def test_a_recording_can_be_played_faster(broker: Service, tmp_path: Path) -> None:
    played = play_file(recording(tmp_path, 0.0, 30.0), Broker(port=broker.port), speed=100)

    assert 0.3 <= played.seconds < 3


def test_playing_can_be_stopped_in_the_middle(broker: Service, tmp_path: Path) -> None:
    stop = threading.Event()
    results: list[Played] = []
    with heard(broker) as messages:
        player = threading.Thread(
            target=lambda: results.append(
                play_file(recording(tmp_path, 0.0, 900.0), Broker(port=broker.port), stopped=stop.is_set)
            )
        )
        player.start()
        until(lambda: messages, "the first message is heard")
        stop.set()
        player.join(PATIENCE_S)

    assert results[0].messages == 1


def test_a_broker_that_is_not_there_is_a_transient_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.play._CONNECT_WITHIN_S", 0.1)

    with pytest.raises(TransientError, match="cannot reach the broker"):
        play_file(recording(tmp_path, 0.0), Broker(port=free_port()))


@pytest.mark.parametrize("name", ["venus-docker-bct.jsonl", "dbus-recorder-demo.jsonl"])
def test_a_real_recording_arrives_whole_and_in_order_as_fast_as_possible(broker: Service, name: str) -> None:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    with path.open("rb") as lines:
        expected = [(row.topic, row.payload) for row in rows(lines)]

    with heard(broker) as messages:
        played = play_file(path, Broker(port=broker.port), speed=0)
        until(lambda: len(messages) == len(expected), "every message is heard")

    assert [(topic, payload) for _, topic, payload in messages] == expected
    assert played.messages == len(expected)
