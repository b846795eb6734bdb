"""What must be so before a node starts: its disk, its lock, the files of its broker.

Rules that must stay true here:
- one supervisor a data directory;
- what is made here is made anew at every start, but passwords, which stay.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ovr import broker
from ovr.broker import EVERYWHERE
from ovr.node import Node
from ovr.ports import Ports
from ovr.users import Users, write_private
from schemas.errors import ConfigurationError

_LOCK_PATIENCE_S = 1.0


def prepare_broker(node: Node, ports: Ports, *, anonymous: bool) -> None:
    """Write everything that Mosquitto reads."""
    conf = broker.configuration(node.layout, node.site.listen, ports, anonymous=anonymous)
    Users(node.layout).write_mosquitto_files(node.site.prefix, [one.name for one in node.site.producers])
    write_private(node.layout.mosquitto_conf, conf)


def check_mount(node: Node) -> None:
    """Make sure that the configured disk is there.

    Raises:
        ConfigurationError: nothing is mounted where the configuration says.
    """
    mount = node.site.mount
    if mount is not None and not os.path.ismount(mount):
        raise ConfigurationError(
            f"nothing is mounted at {mount}: connect the disk (`lsblk`, `sudo mount {mount}`), "
            f"or change `mount` in {node.source}"
        )


def check_restored(node: Node) -> None:
    """Make sure that no restore was interrupted.

    Raises:
        ConfigurationError: one was.
    """
    if (node.layout.restoring / "ready.json").exists():
        raise ConfigurationError(
            f"a restore into {node.layout.data} was interrupted: run the same `ovr restore` again"
        )


@contextmanager
def locked(node: Node) -> Iterator[None]:
    """Hold the supervisor's lock.

    Raises:
        ConfigurationError: another supervisor holds it.
    """
    with node.layout.lock.open("a+") as lock:
        try:
            _lock(lock)
        except BlockingIOError as error:
            lock.seek(0)
            who = f"process {pid}" if (pid := lock.read().strip()) else "a rebuild"
            raise ConfigurationError(
                f"{who} holds the node in {node.layout.data} already: stop it, or use another --data"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def _lock(lock: IO[str]) -> None:
    """Take the lock; a rebuild that finds no supervisor has it for a moment."""
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def urls(node: Node, ports: Ports) -> dict[str, str]:
    """Tell where a node's services are."""
    said = node.site.broker
    host = said.host or "127.0.0.1"
    web = node.site.web
    address = web.address or node.site.listen.address
    seen = "127.0.0.1" if address in EVERYWHERE else address
    return {
        "http": web.base_url or f"http://{seen}:{web.port or ports.http}",
        "mqtt": f"mqtt://{host}:{ports.mqtt if said.host is None else said.port}",
        "websockets": f"ws://{host}:{ports.websockets}",
        "victoria": node.site.victoria.url or f"http://127.0.0.1:{ports.victoria}",
    }
