"""Tell systemd how a node is: ready, alive, stopping, in the protocol of sd_notify.

Rules that must stay true here:
- without NOTIFY_SOCKET nothing happens, and a message that cannot be sent stops nobody;
- alive is said only from the loop that serves the processes: when that hangs, systemd starts the node again;
- one process that does not come up must not keep the node from counting as started: after a while it does.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

_PATIENCE_S: Final = 60.0
_SAY_EVERY_S: Final = 10.0


class Notices:
    """Tells the service manager that started us.

    Args:
        environment: of the process; what concerns us alone is taken out, so that no child answers for us.
        clock: seconds that only grow.
    """

    def __init__(
        self, environment: MutableMapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self._alive_every_s = _alive_every_s(
            environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        )
        self._clock = clock
        self._began_at = clock()
        self._said_at = self._alive_at = float("-inf")
        self._said = ""
        self._ready = self._stopping = False

    def turn(self, snapshot: Mapping[str, Any]) -> None:
        """Say what is due; call it every turn, with what `ovr status` shows."""
        if not self._address:
            return
        now = self._clock()
        lines = []
        if not self._ready and (snapshot["ready"] or now - self._began_at > _PATIENCE_S):
            self._ready = True
            lines.append("READY=1")
        said = _in_words(snapshot)
        changed = said != self._said and now - self._said_at >= _SAY_EVERY_S
        if not self._stopping and (lines or changed):
            self._said, self._said_at = said, now
            lines.append(f"STATUS={said}")
        if self._alive_every_s is not None and now - self._alive_at >= self._alive_every_s:
            self._alive_at = now
            lines.append("WATCHDOG=1")
        self._send(lines)

    def stopping(self) -> None:
        """Say that the node stops on purpose."""
        self._stopping = True
        self._send(["STOPPING=1", "STATUS=stopping"])

    def _send(self, lines: list[str]) -> None:
        if not lines or not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)


def _alive_every_s(limit_us: str, pid: str) -> float | None:
    """Return half of the time that systemd waits; None when it does not wait for us."""
    if not limit_us.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(limit_us) / 2e6


def _in_words(snapshot: Mapping[str, Any]) -> str:
    head = snapshot["head"]
    position = f", position {head['position']:,}" if head else ""
    waiting = [one["name"] for one in snapshot["processes"] if one["state"] != "ready"]
    if waiting:
        return f"not ready: {', '.join(waiting)}{position}"
    return f"{len(snapshot['processes'])} processes work{position}"
