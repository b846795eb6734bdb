"""What systemd is told: ready once all works or patience ends, alive while the loop turns, stopping."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ovr.systemd import Notices


class Manager:
    """The socket that a service manager listens on."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        lines = []
        while True:
            try:
                lines += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(str(tmp_path / "notify"))
    yield one
    one.socket.close()


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), **more}


def snapshot(*, ready: bool, position: int = 7) -> dict[str, Any]:
    state = "ready" if ready else "starting"
    return {
        "ready": ready,
        "head": {"position": position},
        "processes": [{"name": "recorder", "state": "ready"}, {"name": "web", "state": state}],
    }


def test_a_node_is_ready_once_all_its_processes_are(manager: Manager, tmp_path: Path) -> None:
    notices = Notices(environment(tmp_path))
    notices.turn(snapshot(ready=False))
    assert "READY=1" not in manager.heard()
    notices.turn(snapshot(ready=True))
    assert manager.heard() == ["READY=1", "STATUS=2 processes work, position 7"]
    notices.turn(snapshot(ready=True))
    assert manager.heard() == []


def test_one_process_that_does_not_come_up_does_not_keep_the_node_back(
    manager: Manager, tmp_path: Path
) -> None:
    now = [0.0]
    notices = Notices(environment(tmp_path), lambda: now[0])
    now[0] = 61.0
    notices.turn(snapshot(ready=False))
    assert manager.heard() == ["READY=1", "STATUS=not ready: web, position 7"]


def test_the_node_is_alive_twice_within_the_time_that_systemd_waits(manager: Manager, tmp_path: Path) -> None:
    now = [0.0]
    notices = Notices(
        environment(tmp_path, WATCHDOG_USEC="60000000", WATCHDOG_PID=str(os.getpid())), lambda: now[0]
    )
    alive = []
    for second in range(120):
        now[0] = float(second)
        notices.turn(snapshot(ready=True))
        alive += [second] * ("WATCHDOG=1" in manager.heard())
    assert alive == [0, 30, 60, 90]


def test_the_watchdog_of_another_process_is_not_ours(manager: Manager, tmp_path: Path) -> None:
    Notices(environment(tmp_path, WATCHDOG_USEC="1", WATCHDOG_PID="1")).turn(snapshot(ready=True))
    assert "WATCHDOG=1" not in manager.heard()


def test_the_status_follows_the_node_but_not_every_turn(manager: Manager, tmp_path: Path) -> None:
    now = [0.0]
    notices = Notices(environment(tmp_path), lambda: now[0])
    for tenth in range(200):
        now[0] = tenth / 10
        notices.turn(snapshot(ready=True, position=tenth))
    said = [line for line in manager.heard() if line.startswith("STATUS=")]
    assert said == ["STATUS=2 processes work, position 0", "STATUS=2 processes work, position 100"]


def test_stopping_is_said_and_stays_said(manager: Manager, tmp_path: Path) -> None:
    notices = Notices(environment(tmp_path, WATCHDOG_USEC="2"))
    notices.stopping()
    notices.turn(snapshot(ready=False))
    assert manager.heard() == ["STOPPING=1", "STATUS=stopping", "WATCHDOG=1"]


def test_an_abstract_socket_is_reached() -> None:
    name = f"ovr-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    Notices({"NOTIFY_SOCKET": f"@{name}"}).stopping()
    assert manager.heard()[0] == "STOPPING=1"
    manager.socket.close()


def test_children_do_not_inherit_what_is_said_to_us(tmp_path: Path) -> None:
    said = environment(tmp_path, WATCHDOG_USEC="1", WATCHDOG_PID="1", HOME="/")
    Notices(said)
    assert said == {"HOME": "/"}


def test_without_systemd_and_with_a_dead_one_nothing_happens(tmp_path: Path) -> None:
    for said in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}):
        notices = Notices(dict(said))
        notices.turn(snapshot(ready=True))
        notices.stopping()
