"""What the broker lets whom do, asked of a real Mosquitto with the files that `ovr up` writes."""

import subprocess
from collections.abc import Iterator

import pytest

from bus.connection import Broker, Connection
from ovr.node import Node, open_node
from ovr.ports import Ports
from ovr.preparing import prepare_broker
from ovr.processes import MOSQUITTO, binary
from ovr.users import Users
from schemas.errors import ConfigurationError
from tests.node import free_base
from tests.services import Service
from tests.waiting import PATIENCE_S, until

PASSWORD = "an operator's secret"
TAKEN, DENIED = "taken", "denied"
PEOPLE = {"alice": "operator", "bob": "operator", "meter": "device", "screen": "browser"}


class Place:
    """A broker with users, and their connections."""

    def __init__(self, node: Node, port: int) -> None:
        self.node = node
        self.port = port
        self._open: dict[str, Connection] = {}

    def broker(self, name: str, password: str | None = None) -> Broker:
        secret = password or (PASSWORD if name in PEOPLE else Users(self.node.layout).secret(name))
        return Broker(port=self.port, username=name, password=secret)

    def connect(self, name: str) -> Connection:
        if name not in self._open:
            connection = self._open[name] = Connection(self.broker(name), f"test-{name}")
            until(lambda: connection.connected, f"{name} is let in", turn=lambda: connection.step(0.05))
        return self._open[name]

    def publish(self, name: str, topic: str) -> str:
        connection, codes = self.connect(name), list[int]()
        assert connection.publish(topic, b"{}", qos=1, on_ack=codes.append)
        until(lambda: codes, f"the broker answers {name}", turn=lambda: connection.step(0.05))
        return {0x00: TAKEN, 0x10: TAKEN, 0x87: DENIED}[codes[0]]

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    try:
        program = binary(MOSQUITTO)
    except ConfigurationError as error:
        pytest.fail(str(error))
    data = tmp_path_factory.mktemp("acl")
    (data / "site.toml").write_text("[producers.host]\n")
    node, ports = open_node(data, None, {}), Ports(free_base())
    for name, role in PEOPLE.items():
        Users(node.layout).add(name, role, PASSWORD)
    prepare_broker(node, ports, anonymous=False)
    service = Service((program, "-c", str(node.layout.mosquitto_conf)), ports.mqtt, data / "mosquitto")
    service.start()
    here = Place(node, ports.mqtt)
    try:
        yield here
    finally:
        here.close()
        service.stop()


@pytest.mark.parametrize(
    ("who", "topic", "expected"),
    [
        ("alice", "ovr/in/alice/rig_01/note.added", TAKEN),
        ("alice", "ovr/replay/request", TAKEN),
        ("alice", "ovr/in/bob/rig_01/note.added", DENIED),
        ("alice", "ovr/in/recorder/rig_01/note.added", DENIED),
        ("alice", "ovr/events/rig_01/note.added", DENIED),
        ("alice", "ovr/ack/alice", DENIED),
        ("alice", "ovr/rejected/bob", DENIED),
        ("alice", "ovr/head", DENIED),
        ("alice", "ovr/state/rig_01", DENIED),
        ("alice", "ovr/health/recorder", DENIED),
        ("alice", "ovr/health/alice", DENIED),
        ("alice", "ovr/replay/abc/rig_01/note.added", DENIED),
        ("alice", "elsewhere", DENIED),
        ("meter", "ovr/in/meter/acuvim_01/sample.taken", TAKEN),
        ("meter", "ovr/health/meter", TAKEN),
        ("meter", "ovr/health/host", DENIED),
        ("meter", "ovr/in/alice/acuvim_01/sample.taken", DENIED),
        ("screen", "ovr/in/screen/rig_01/note.added", DENIED),
        ("screen", "ovr/replay/request", DENIED),
        ("screen", "ovr/state/rig_01", DENIED),
        ("browser", "ovr/in/browser/rig_01/note.added", DENIED),
        ("host", "ovr/in/host/host_node/sample.taken", TAKEN),
        ("host", "ovr/health/host", TAKEN),
        ("host", "ovr/events/host_node/sample.taken", DENIED),
        ("recorder", "ovr/events/rig_01/note.added", TAKEN),
        ("recorder", "ovr/ack/alice", TAKEN),
        ("recorder", "ovr/rejected/alice", TAKEN),
        ("recorder", "ovr/head", TAKEN),
        ("recorder", "ovr/health/recorder", TAKEN),
        ("recorder", "ovr/state/rig_01", DENIED),
        ("projector-state", "ovr/state/rig_01", TAKEN),
        ("projector-state", "ovr/state/_events/startup", TAKEN),
        ("projector-state", "ovr/health/projector-state", TAKEN),
        ("projector-state", "ovr/events/rig_01/note.added", DENIED),
        ("projector-series", "ovr/health/projector-series", TAKEN),
        ("projector-series", "ovr/state/rig_01", DENIED),
        ("replay", "ovr/replay/abc/rig_01/note.added", TAKEN),
        ("replay", "ovr/health/replay", TAKEN),
        ("replay", "ovr/events/rig_01/note.added", DENIED),
        ("supervisor", "ovr/health/recorder", DENIED),
    ],
)
def test_who_may_publish_where(place: Place, who: str, topic: str, expected: str) -> None:
    assert place.publish(who, topic) == expected


@pytest.mark.parametrize(
    ("who", "writer", "hidden", "heard"),
    [
        ("alice", "recorder", "ovr/ack/bob", "ovr/ack/alice"),
        ("alice", "recorder", "ovr/rejected/bob", "ovr/rejected/alice"),
        ("alice", "bob", "ovr/in/bob/rig_01/note.added", "ovr/replay/request"),
        ("screen", "recorder", "ovr/ack/alice", "ovr/events/rig_01/note.added"),
        ("screen", "projector-state", None, "ovr/state/rig_01"),
        ("browser", "recorder", "ovr/rejected/alice", "ovr/head"),
        ("host", "recorder", "ovr/ack/alice", "ovr/ack/host"),
        ("recorder", "alice", None, "ovr/in/alice/rig_01/note.added"),
        ("replay", "alice", "ovr/in/alice/rig_01/note.added", "ovr/replay/request"),
        ("supervisor", "recorder", "ovr/ack/alice", "ovr/health/recorder"),
    ],
)
def test_who_may_read_what(place: Place, who: str, writer: str, hidden: str | None, heard: str) -> None:
    said: list[str] = []
    reader = Connection(place.broker(who), f"reads-{who}")
    subscribed: list[int] = []
    reader.subscribe("#", lambda message: said.append(message.topic), qos=1)
    reader.on_connect(subscribed.append)
    until(lambda: subscribed, f"{who} is let in", turn=lambda: reader.step(0.05))
    reader.step(0.0)

    for topic in filter(None, (hidden, heard)):
        assert place.publish(writer, topic) == TAKEN
    until(lambda: heard in said, f"{who} hears {heard}", turn=lambda: reader.step(0.05))

    assert hidden not in said
    reader.close()


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", "not the password"), ("mallory", PASSWORD), ("recorder", PASSWORD)],
)
def test_a_wrong_name_or_password_is_not_let_in(place: Place, name: str, password: str) -> None:
    connection = Connection(place.broker(name, password), "intruder")
    until(lambda: connection.refusal, "the broker answers", turn=lambda: connection.step(0.05))
    assert not connection.connected
    assert "ovr user" in str(connection.refusal)
    connection.close()


def test_nobody_comes_in_without_a_name(place: Place) -> None:
    connection = Connection(Broker(port=place.port), "nobody")
    until(lambda: connection.refusal, "the broker answers", turn=lambda: connection.step(0.05))
    assert not connection.connected
    connection.close()


def test_mosquitto_accepts_the_configuration_without_a_word_of_warning(place: Place) -> None:
    log = (place.node.layout.data / "mosquitto.log").read_text()
    faults = [line for line in log.splitlines() if "Error" in line or "Warning" in line]
    assert [line for line in faults if "run as root" not in line] == []


def test_an_operator_publishes_with_mosquitto_pub(place: Place) -> None:
    topic = "ovr/in/alice/rig_01/note.added"
    command = ["mosquitto_pub", "-p", str(place.port), "-u", "alice", "-P", PASSWORD, "-V", "5", "-q", "1"]
    done = subprocess.run(
        [*command, "-t", topic, "-m", "{}"], capture_output=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
