"""The checks of `ovr doctor` that look at the machine: programs, disk, clock, permissions."""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator

from bus import instants
from ovr import processes
from ovr import status as node_status
from ovr.findings import Finding, Grade
from ovr.node import Node
from producers.clock import SystemClock
from schemas.errors import ConfigurationError

_OLDEST_MOSQUITTO = (2, 0, 11)
_OLDEST_SQLITE = (3, 38, 0)
_BUILT_US = 1_760_000_000_000_000
_LITTLE_BYTES = 2_000_000_000
_LITTLE_PCT = 5.0


def check_programs(node: Node) -> Iterator[Finding]:
    """Find the programs that a node runs, and their versions."""
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


def check_python(_: Node) -> Iterator[Finding]:
    """Tell the versions of Python and SQLite."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Grade.GOOD, "python", f"version {version}")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        yield Finding(
            Grade.BAD, "sqlite", f"version {sqlite3.sqlite_version} is too old", "use Debian 12 or newer"
        )
    else:
        yield Finding(Grade.GOOD, "sqlite", f"version {sqlite3.sqlite_version}")


def check_mount(node: Node) -> Iterator[Finding]:
    """Make sure that the configured disk is mounted, and used."""
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


def check_disk(node: Node) -> Iterator[Finding]:
    """Measure the room on the disk."""
    found = node_status.disk(node)
    free, used = found["free_bytes"], found["used_pct"]
    said = f"{free / 1e9:.1f} GB free, {used} % used, the journal has {found['journal_bytes'] / 1e6:.0f} MB"
    if free < _LITTLE_BYTES or 100 - used < _LITTLE_PCT:
        yield Finding(
            Grade.BAD, "disk", said, "make room, or a larger disk: docs/backup.md says what comes next"
        )
    else:
        yield Finding(Grade.GOOD, "disk", said)


def check_clock(_: Node) -> Iterator[Finding]:
    """Judge the clock."""
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


def check_permissions(node: Node) -> Iterator[Finding]:
    """Make sure that we may write, and that others cannot read secrets."""
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
    if not os.access(data, os.W_OK, effective_ids=True):
        yield Finding(Grade.BAD, "data", f"{data} cannot be written", f"`sudo chown -R $USER {data}`")
    else:
        yield Finding(Grade.GOOD, "data", f"{data} can be written")
    private = [node.layout.users, *node.layout.secrets.glob("*"), node.layout.mosquitto_passwords]
    if node.source is not None and node.site.broker.password:
        private.append(node.source)
    for path in private:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(Grade.BAD, "secrets", f"others can read {path}", f"`chmod 600 {path}`")
