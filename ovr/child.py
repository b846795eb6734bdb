"""One supervised process: started, watched, started again after a rest, stopped.

Rules that must stay true here:
- a child gets SIGTERM from the kernel when the supervisor dies, however it dies;
- a child is a process group of its own, so that Ctrl-C reaches the supervisor alone, which stops in order;
- exit status 78 says that only a person can help: the child is not started again.
"""

import contextlib
import ctypes
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import psutil

from ovr.process_identity import identity, is_same
from ovr.processes import ProcessSpec

EX_CONFIG = 78
METRICS_PORT = "OVR_METRICS_PORT"
_PR_SET_PDEATHSIG = 1
_FIRST_REST_S, _LONGEST_REST_S = 0.1, 15.0
_STEADY_S = 20.0
_KEPT_LOG_BYTES = 8 << 20
_LAST_WORDS = 4000
_libc = ctypes.CDLL(None, use_errno=True)


class State(StrEnum):
    """Where a process is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTING = "resting"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Child:
    """Runs one process of the table.

    Attributes:
        restarts: how often it was started after it had ended by itself.
        message: why it is not running, in words; empty when it is.
    """

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        self.spec = spec
        self.state = State.WAITING
        self.restarts = 0
        self.message = ""
        self.identity: str | None = None
        self.since = time.time()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = self._due_at = self._kill_at = self._mended_at = 0.0
        self._rest_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def over(self) -> bool:
        """Nothing of it runs, or will by itself."""
        return self._process is None and self.state in {State.STOPPED, State.FAILED}

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self._process is not None:
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        supervisor = os.getpid()

        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own table
                    self.spec.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(self.spec),
                    process_group=0,
                    preexec_fn=lambda: leash(supervisor),  # noqa: PLW1509 - the supervisor has one thread
                )
            self.identity = identity(self._process.pid)
        except OSError as error:
            self._ended(f"cannot be started: {error}")
            return
        self._started_at = time.monotonic()
        self._become(State.STARTING)

    def mended(self) -> None:
        """Note that something it may stop for is mended: it starts, now or when it gives up."""
        self._mended_at = time.monotonic()
        if self.state is State.FAILED:
            self.start()

    def tend(self) -> None:
        """Notice that it ended, start it when its rest is over, kill it when it does not stop."""
        if self._process is not None:
            status = self._process.poll()
            if status is not None:
                self._process = None
                self._after(status)
            elif self.state is State.STOPPING and time.monotonic() >= self._kill_at:
                self._process.kill()
        elif self.state is State.RESTING and time.monotonic() >= self._due_at:
            self.restarts += 1
            self.start()

    def found(self, *, working: bool) -> None:
        """Note whether it works, as seen from outside."""
        if self._process is None:
            return
        if working and self.state is State.STARTING:
            self._become(State.READY)
        elif not working and self.state is State.READY:
            self._become(State.STARTING)

    def stop(self) -> None:
        """Ask it to stop; `tend` sees to it."""
        if self._process is None:
            self._become(State.STOPPED)
        elif self.state is not State.STOPPING:
            self._kill_at = time.monotonic() + self.spec.grace_s
            self._become(State.STOPPING)
            self._process.terminate()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def last_words(self) -> str:
        """Return the last line that it logged."""
        return last_line(self._log)

    def keep_log_short(self) -> None:
        """Move a long log aside; the process goes on writing into the emptied one."""
        try:
            if self._log.stat().st_size > _KEPT_LOG_BYTES:
                self._log.with_suffix(".log.1").write_bytes(self._log.read_bytes())
                os.truncate(self._log, 0)
        except FileNotFoundError:
            return

    def _after(self, status: int) -> None:
        if self.state is State.STOPPING:
            self._become(State.STOPPED)
        elif status == EX_CONFIG:
            self._become(State.FAILED, self.last_words() or "it is not configured well: see its log")
            if self._started_at < self._mended_at:
                self.start()
        else:
            self._ended(_ending(status))

    def _ended(self, why: str) -> None:
        steady = time.monotonic() - self._started_at > _STEADY_S
        self._rest_s = _FIRST_REST_S if steady or not self._rest_s else min(_LONGEST_REST_S, self._rest_s * 2)
        self._due_at = time.monotonic() + self._rest_s * random.uniform(0.75, 1.25)
        self._become(State.RESTING, why)

    def _become(self, state: State, message: str = "") -> None:
        self.state, self.message, self.since = state, message, time.time()


def _environment(spec: ProcessSpec) -> dict[str, str]:
    """Give a process our environment, and its port for /metrics."""
    environment = {name: value for name, value in os.environ.items() if name != METRICS_PORT}
    if spec.metrics_port is not None:
        environment[METRICS_PORT] = str(spec.metrics_port)
    return environment


def leash(supervisor: int) -> None:
    """Let this process, just forked, end with its supervisor."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        os._exit(1)


def last_line(log: Path) -> str:
    """Return the last line of a log, without colours and times of its own."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LAST_WORDS))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return _said(next((line.strip() for line in reversed(lines) if line.strip()), ""))


def _said(line: str) -> str:
    """Return what a line says, also when it is an object for programs."""
    if not line.startswith("{"):
        return line
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError, TypeError):
        return line


def end_leftovers(processes: Iterable[tuple[int, str]], patience_s: float = 15.0) -> list[int]:
    """End processes of an earlier supervisor that was killed; return those that were still there.

    Args:
        processes: process ids with their identities, so that no other process is taken for one.
        patience_s: how long they may take to stop before they are killed.
    """
    left = []
    for pid, name in processes:
        if is_same(pid, name):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                process.terminate()
                left.append(process)
    _, stubborn = psutil.wait_procs(left, timeout=patience_s)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=5.0)
    return [process.pid for process in left]


def _ending(status: int) -> str:
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
