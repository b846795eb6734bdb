"""What may be wrong with a node, looked at from outside, and what to do about it.

Rules that must stay true here:
- looking changes nothing, and no check can stop the others;
- every finding that is not good says what to do.
"""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus import instants
from bus.journal import GENESIS, chain
from bus.journal_sqlite import SqliteJournalReader
from ovr import ports, processes
from ovr import status as node_status
from ovr.config import is_loopback
from ovr.node import Node
from ovr.users import CONSOLE
from ovr.watch import Watch
from producers.clock import SystemClock
from schemas.errors import ConfigurationError, OvrError

_TAIL = 10_000
_OLDEST_MOSQUITTO = (2, 0, 11)
_OLDEST_SQLITE = (3, 38, 0)
_BUILT_US = 1_760_000_000_000_000
_LITTLE_BYTES = 2_000_000_000
_LITTLE_PCT = 5.0
_FAR_BEHIND_S = 30.0
_REACH_S = 3.0


class Grade(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        what: was looked at.
        said: what was found.
        remedy: what to do; empty when all is well.
    """

    grade: Grade
    what: str
    said: str
    remedy: str = ""


def examine(node: Node) -> Iterator[Finding]:
    """Look at everything."""
    for check in (_programs, _python, _mount, _disk, _clock, _permissions, _network, _services, _journal):
        yield from _safely(check, node)


def _safely(check: Callable[[Node], Iterator[Finding]], node: Node) -> Iterator[Finding]:
    what = check.__name__.strip("_")
    try:
        yield from check(node)
    except OvrError as error:
        yield Finding(Grade.BAD, what, str(error), "do what the sentence says")
    except (OSError, sqlite3.Error) as error:
        yield Finding(Grade.BAD, what, f"cannot be looked at: {error}", "run this as the node's user")


def _programs(node: Node) -> Iterator[Finding]:
    if node.site.broker.host is None:
        found = _version([processes.MOSQUITTO, "-h"], r"mosquitto version (\d+)\.(\d+)\.(\d+)")
        yield _program(processes.MOSQUITTO, found, _OLDEST_MOSQUITTO)
    if node.site.victoria.url is None:
        found = _version([processes.VICTORIA, "-version"], r"(\d+)\.(\d+)\.(\d+)")
        yield _program(processes.VICTORIA, found, (1, 0, 0))
    if shutil.which("mosquitto_pub") is None:
        yield Finding(
            Grade.NOTE,
            "mosquitto_pub",
            "is not installed",
            "`sudo apt-get install mosquitto-clients`, to try things",
        )


def _program(name: str, found: tuple[int, ...] | None, oldest: tuple[int, ...]) -> Finding:
    if found is None:
        return Finding(Grade.BAD, name, "is not installed", f"`sudo apt-get install {name}`")
    if not found:
        return Finding(Grade.GOOD, name, "is installed; it does not tell its version")
    said = ".".join(map(str, found))
    if found < oldest:
        wanted = ".".join(map(str, oldest))
        return Finding(Grade.BAD, name, f"version {said} is too old", f"install {wanted} or newer")
    return Finding(Grade.GOOD, name, f"version {said}")


def _version(command: list[str], pattern: str) -> tuple[int, ...] | None:
    try:
        path = processes.binary(command[0])
        answer = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - our table
    except (ConfigurationError, OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(pattern, answer.stdout + answer.stderr)
    return tuple(map(int, match.groups())) if match else ()


def _python(_: Node) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Grade.GOOD, "python", f"version {version}")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        yield Finding(
            Grade.BAD, "sqlite", f"version {sqlite3.sqlite_version} is too old", "use Debian 12 or newer"
        )
    else:
        yield Finding(Grade.GOOD, "sqlite", f"version {sqlite3.sqlite_version}")


def _mount(node: Node) -> Iterator[Finding]:
    mount, data = node.site.mount, node.layout.data
    if mount is None:
        return
    if not os.path.ismount(mount):
        yield Finding(
            Grade.BAD,
            "mount",
            f"nothing is mounted at {mount}",
            f"connect the disk, then `sudo mount {mount}`",
        )
    elif not data.resolve().is_relative_to(mount.resolve()):
        yield Finding(
            Grade.BAD, "mount", f"{data} is not on {mount}", "set `data` in site.toml to a directory below it"
        )
    else:
        yield Finding(Grade.GOOD, "mount", f"{mount} is mounted")


def _disk(node: Node) -> Iterator[Finding]:
    found = node_status.disk(node)
    free, used = found["free_bytes"], found["used_pct"]
    said = f"{free / 1e9:.1f} GB free, {used} % used, the journal has {found['journal_bytes'] / 1e6:.0f} MB"
    if free < _LITTLE_BYTES or 100 - used < _LITTLE_PCT:
        yield Finding(Grade.BAD, "disk", said, "make room: `ovr journal backup` elsewhere, or a larger disk")
    else:
        yield Finding(Grade.GOOD, "disk", said)


def _clock(_: Node) -> Iterator[Finding]:
    now = instants.text(instants.now_us())
    if instants.now_us() < _BUILT_US:
        yield Finding(Grade.BAD, "clock", f"says {now}", "set it: `sudo timedatectl set-ntp true`")
    elif not SystemClock().read().synchronised:
        yield Finding(
            Grade.NOTE,
            "clock",
            f"says {now} and is not synchronised",
            "`sudo timedatectl set-ntp true`; samples are flagged `unsynced` until then",
        )
    else:
        yield Finding(Grade.GOOD, "clock", f"is synchronised, {now}")


def _permissions(node: Node) -> Iterator[Finding]:
    data = node.layout.data
    if os.geteuid() == 0:
        yield Finding(
            Grade.NOTE,
            "user",
            "everything runs as root",
            f"make a user: `sudo useradd -r ovr && sudo chown -R ovr {data}`",
        )
    if not data.exists():
        yield Finding(Grade.NOTE, "data", f"{data} does not exist yet", "`ovr up` makes it")
        return
    if not os.access(data, os.W_OK):
        yield Finding(Grade.BAD, "data", f"{data} cannot be written", f"`sudo chown -R $USER {data}`")
    else:
        yield Finding(Grade.GOOD, "data", f"{data} can be written")
    private = [node.layout.users, *node.layout.secrets.glob("*"), node.layout.mosquitto_passwords]
    if node.source is not None and node.site.broker.password:
        private.append(node.source)
    for path in private:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(Grade.BAD, "secrets", f"others can read {path}", f"`chmod 600 {path}`")


def _network(node: Node) -> Iterator[Finding]:
    listen = node.site.listen
    if not is_loopback(listen.address) and listen.cert_file is None:
        yield Finding(
            Grade.NOTE,
            "network",
            f"MQTT listens on {listen.address} without TLS: passwords can be overheard",
            "give listen.cert_file and listen.key_file in site.toml, where the network is not your own",
        )
    if node_status.supervisor_runs(node) or listen.port_base is None:
        return
    chosen = ports.Ports(listen.port_base)
    for port in (chosen.mqtt, chosen.websockets, chosen.victoria):
        if not ports.is_free(port):
            yield Finding(
                Grade.BAD,
                "ports",
                f"{port} is taken by {ports.holder(port)}",
                "stop it, or change listen.port_base",
            )


def _services(node: Node) -> Iterator[Finding]:
    if not node_status.supervisor_runs(node) and node.site.broker.host is None:
        yield Finding(Grade.NOTE, "node", "is not running", f"`ovr up --data {node.layout.data}`")
        return
    said = node_status.status(node)
    yield _broker(node)
    yield _victoria(node)
    for one in said["processes"]:
        yield _process(one, _see(node, one["name"]))


def _broker(node: Node) -> Finding:
    watch = Watch(node.broker(CONSOLE), f"doctor-{time.monotonic_ns()}")
    until = time.monotonic() + _REACH_S
    while not watch.connection.connected and time.monotonic() < until:
        watch.connection.step(0.05)
    reached, refusal = watch.connection.connected, watch.connection.refusal
    watch.connection.close()
    if reached:
        return Finding(Grade.GOOD, "broker", "answers")
    return Finding(Grade.BAD, "broker", refusal or "does not answer", _see(node, processes.MOSQUITTO))


def _victoria(node: Node) -> Finding:
    url = node.victoria_url()
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_REACH_S):  # noqa: S310 - the configured place
            return Finding(Grade.GOOD, processes.VICTORIA, f"answers at {url}")
    except OSError as error:
        remedy = _see(node, processes.VICTORIA)
        return Finding(Grade.BAD, processes.VICTORIA, f"{url} does not answer: {error}", remedy)


def _dead_letters(name: str, count: int) -> tuple[str, str]:
    if name == processes.RECORDER:
        return f"refused {_count(count, 'message')}", "`ovr journal dead-letters` says why"
    return f"could not apply {_count(count, 'event')}", "table dead_letters of its read model says why"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _see(node: Node, process: str) -> str:
    return f"see {node.layout.logs / process}.log"


def _process(one: dict[str, Any], remedy: str) -> Finding:
    name = one["name"]
    if one["state"] != "ready":
        return Finding(Grade.BAD, name, f"{one['state']}: {one['message']}".rstrip(": "), remedy)
    if (one["lag_s"] or 0) > _FAR_BEHIND_S:
        return Finding(
            Grade.NOTE, name, f"is {one['lag_s']} s behind", "it catches up by itself; see its log"
        )
    if one["restarts"]:
        return Finding(Grade.NOTE, name, f"was started again {_count(one['restarts'], 'time')}", remedy)
    if one["dead_letters"]:
        return Finding(Grade.NOTE, name, *_dead_letters(name, one["dead_letters"]))
    return Finding(Grade.GOOD, name, "works")


def _journal(node: Node) -> Iterator[Finding]:
    if not node.layout.journal.exists():
        return
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        head = reader.head()
        after = max(0, head.position - _TAIL)
        previous = reader.hash_at(after) if after else GENESIS
        count = 0
        for event in reader.read(after, upto=head.position):
            wanted = chain(previous or GENESIS, event.position, event.recorded_us, event.client, event.body)
            if event.position != after + count + 1 or event.hash != wanted:
                yield Finding(
                    Grade.BAD,
                    "journal",
                    f"position {event.position} is not what was recorded",
                    f"keep a copy of {node.layout.journal}, run `ovr journal verify`, restore a backup",
                )
                return
            previous, count = event.hash, count + 1
    yield Finding(
        Grade.GOOD,
        "journal",
        f"the last {_count(count, 'event')} up to position {head.position:,} are unchanged",
    )
