"""Backups that make themselves: the supervisor starts `ovr backup` when one is due.

Rules that must stay true here:
- one at a time, in a process of its own that yields to everything else; what becomes of it is in its note;
- nothing waits for it, and one that fails is tried again soon, not at once.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable

from bus import instants
from ovr.backup_state import BackupState, load
from ovr.child import leash
from ovr.node import Node

log = logging.getLogger(__name__)

_HOUR_US = 3_600 * instants.SECOND_US
_LOOK_EVERY_S = 10.0
_STOP_S = 10.0
_NICE = 15


class BackupSchedule:
    """Makes the backups of one node."""

    def __init__(self, node: Node, clock: Callable[[], int] = instants.now_us) -> None:
        self._node = node
        self._clock = clock
        self._look_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Tell whether one is being made."""
        return self._process is not None

    def tend(self, *, ready: bool) -> None:
        """Start one when it is due and the node works, and notice that it ended."""
        if self._process is not None:
            self._reap(self._process)
        if self._process is not None or self._node.site.backup.to is None or not ready:
            return
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        if due(load(self._node.layout.backup_state), self._node.site.backup.every_h, self._clock()):
            self._start()

    def stop(self) -> None:
        """End what runs: what it has copied is found again by the next."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> None:
        node = self._node
        words = ["-m", "ovr", "backup", "--data", str(node.layout.data)]
        if node.source is not None:
            words += ["--config", str(node.source.absolute())]
        supervisor = os.getpid()

        def begin() -> None:
            leash(supervisor)
            os.nice(_NICE)

        try:
            with (node.layout.logs / "backup.log").open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own words
                    [sys.executable, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    process_group=0,
                    preexec_fn=begin,  # noqa: PLW1509 - the supervisor has one thread that matters here
                )
        except OSError as error:
            log.warning("no backup can be made now: %s", error)

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        status = process.poll()
        if status is None:
            return
        self._process = None
        if status:
            log.warning("the backup failed: see %s", self._node.layout.logs / "backup.log")


def due(state: BackupState, every_h: float, now_us: int) -> bool:
    """Tell whether a backup is to be made: the newest is old, and the last try long enough ago.

    A clock that was set back makes one due, not never.
    """
    every_us = round(every_h * _HOUR_US)
    if not state.made_us or abs(now_us - state.made_us) >= every_us:
        return not state.problem or abs(now_us - state.tried_us) >= every_us // 10
    return False
