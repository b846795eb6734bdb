"""`ovr status` where no supervisor runs here: what the processes tell on the bus, as in containers."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from bus.connection import Broker, Connection
from bus.health import Health
from bus.topics import Topics
from ovr import status as node_status
from ovr.node import Node, open_node
from ovr.processes import RECORDER, REPLAY
from tests.services import start_mosquitto
from tests.waiting import until


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Let a recorder tell that it works, and go on doing so."""
    with start_mosquitto(tmp_path_factory.mktemp("broker")) as service:
        data = tmp_path_factory.mktemp("data")
        (data / "site.toml").write_text(f'[broker]\nhost = "127.0.0.1"\nport = {service.port}\n')
        with closing(Connection(Broker(port=service.port), "test-recorder")) as connection:
            health = Health(connection, Topics(), RECORDER)
            until(lambda: connection.connected, "it is let in", turn=lambda: connection.step(0.05))
            health.update(position=7)
            until(lambda: connection.unacknowledged == 0, "it is told", turn=lambda: connection.step(0.05))
            yield open_node(data, environment={})


def test_what_is_heard_is_shown_and_what_is_not_is_said(node: Node) -> None:
    said = {one["name"]: one for one in node_status.status(node)["processes"]}
    assert said[RECORDER]["state"] == "ready"
    assert said[REPLAY]["message"] == "not heard on the bus"


def test_one_process_can_be_asked_about(node: Node) -> None:
    assert node_status.process_status(node, RECORDER) == "online"
