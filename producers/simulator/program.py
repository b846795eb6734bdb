"""A program that the simulator runs: it dies with its parent, however that ends, and is ended by its id."""

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_GRACE_S = 5.0
_libc = ctypes.CDLL(None, use_errno=True)


class Program:
    """A program with what it says in a file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Say whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Give its process id while it runs."""
        return None if self._process is None else self._process.pid

    def said(self) -> str:
        """Give the last of what it said."""
        return self._log.read_text(errors="replace")[-500:].strip() if self._log.exists() else ""

    async def start(self) -> None:
        """Start it."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                process_group=0,
                preexec_fn=_leash(os.getpid()),
            )

    def pause(self) -> None:
        """Let it hang."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """End it, also when it hangs."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()  # last: a signal after it would look whether it ended, and take its status away
        waiting = asyncio.ensure_future(process.wait())
        done, _ = await asyncio.wait({waiting}, timeout=_GRACE_S)
        if not done:
            process.kill()
            await waiting

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


def _leash(parent: int) -> Callable[[], None]:
    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return tie
