"""The generated configuration of Mosquitto: who can reach what, and what a real broker makes of it."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.connection import Broker, Connection
from ovr.broker import configuration
from ovr.config import Listen
from ovr.layout import Layout
from ovr.node import Node, open_node
from ovr.ports import Ports
from ovr.preparing import prepare_broker
from ovr.processes import MOSQUITTO, binary
from ovr.users import CONSOLE
from schemas.errors import ConfigurationError
from tests.node import free_base
from tests.services import Service
from tests.waiting import until


def lines(directory: Path, listen: Listen, *, anonymous: bool = False) -> list[str]:
    return configuration(Layout(directory), listen, Ports(5000), anonymous=anonymous).splitlines()


def listeners(said: list[str]) -> list[str]:
    return [line for line in said if line.startswith("listener ")]


def test_only_this_machine_is_listened_to_unless_asked(tmp_path: Path) -> None:
    assert listeners(lines(tmp_path, Listen())) == ["listener 5000 127.0.0.1", "listener 5001 127.0.0.1"]


def test_our_own_processes_come_over_loopback_when_one_address_is_given(tmp_path: Path) -> None:
    assert listeners(lines(tmp_path, Listen(address="192.0.2.7"))) == [
        "listener 5000 127.0.0.1",
        "listener 5000 192.0.2.7",
        "listener 5001 192.0.2.7",
    ]


def test_every_address_needs_one_listener_only(tmp_path: Path) -> None:
    assert listeners(lines(tmp_path, Listen(address="0.0.0.0"))) == [
        "listener 5000 0.0.0.0",
        "listener 5001 0.0.0.0",
    ]


def test_strangers_are_let_in_on_loopback_only(tmp_path: Path) -> None:
    assert "allow_anonymous true" in lines(tmp_path, Listen(), anonymous=True)
    assert "allow_anonymous false" in lines(tmp_path, Listen(address="0.0.0.0"))
    with pytest.raises(ConfigurationError, match="only `ovr up`"):
        lines(tmp_path, Listen(address="0.0.0.0"), anonymous=True)


def test_the_broker_keeps_nothing_and_every_queue_is_bounded(tmp_path: Path) -> None:
    said = dict(line.split(" ", 1) for line in lines(tmp_path, Listen()) if " " in line and line[0] != "#")
    assert said["persistence"] == "false"
    for limit in ("max_queued_messages", "max_queued_bytes", "memory_limit", "max_inflight_messages"):
        assert int(said[limit]) > 0


def test_more_lines_come_from_files_that_the_configuration_names(tmp_path: Path) -> None:
    (tmp_path / "bridge.conf").write_text("connection gx\n")
    assert "connection gx" in lines(tmp_path, Listen(include=(tmp_path / "bridge.conf",)))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        lines(tmp_path, Listen(include=(tmp_path / "missing.conf",)))


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[tuple[Node, int]]:
    if shutil.which("openssl") is None:
        pytest.fail("openssl is not installed: apt-get install openssl")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=node"
    words = [
        *make.split(),
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        "node.key",
        "-out",
        "node.crt",
    ]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        tls_port: int = probe.getsockname()[1]
    (tmp_path / "site.toml").write_text(
        f'[listen]\ncert_file = "node.crt"\nkey_file = "node.key"\ntls_port = {tls_port}\n'
    )
    node = open_node(tmp_path, None, {})
    ports = Ports(free_base())
    prepare_broker(node, ports, anonymous=False)
    command = (binary(MOSQUITTO), "-c", str(node.layout.mosquitto_conf))
    service = Service(command, tls_port, tmp_path / "mosquitto")
    service.start()
    yield node, tls_port
    service.stop()


def test_other_machines_come_in_over_tls_with_the_nodes_certificate(encrypted: tuple[Node, int]) -> None:
    node, tls_port = encrypted
    password = (node.layout.secrets / CONSOLE).read_text().strip()
    trusting = Broker(
        port=tls_port,
        username=CONSOLE,
        password=password,
        tls=True,
        ca_file=str(node.layout.data / "node.crt"),
    )
    connection = Connection(trusting, "over-tls")
    until(lambda: connection.connected, "it is let in", turn=lambda: connection.step(0.05))
    connection.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted: tuple[Node, int]) -> None:
    _, tls_port = encrypted
    connection = Connection(Broker(port=tls_port, username=CONSOLE, password="guess", tls=True), "doubting")
    until(lambda: connection.refusal, "the certificate is refused", turn=lambda: connection.step(0.05))
    assert "certificate" in str(connection.refusal).lower()
    assert not connection.connected
    connection.close()
