"""A worker process and how it is led: one line of JSON in, lines of progress and one of result out.

Rules that must stay true here:
- whoever leads never waits: it writes a line, looks now and then, and kills what takes too long;
- a worker that died, was killed or grew too large is replaced by a new one, and the work it had is answered
  as failed;
- without work for a while there is no process.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final

import orjson

log = logging.getLogger(__name__)

_IDLE_S: Final = 120.0
_LARGE_KIB: Final = 280 * 1024
_LAST_WORDS_S: Final = 2.0
_CHUNK: Final = 1 << 16
COMMAND: Final = (sys.executable, "-m", "projectors.report_worker")


class Hands:
    """One worker for one kind of work.

    Args:
        setup: what the worker is told first.
        limit_s: so long may pass without a word from it while it works.
        command: what to run.
        clock: steadily growing.
    """

    def __init__(
        self,
        setup: Mapping[str, Any],
        limit_s: float,
        *,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setup = setup
        self._limit_s = limit_s
        self._command = command
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = b""
        self._busy = False
        self._since_s = clock()

    @property
    def free(self) -> bool:
        """Whether it can take work."""
        return not self._busy

    @property
    def pid(self) -> int | None:
        """The worker's process, where there is one."""
        return None if self._process is None else self._process.pid

    @property
    def answers(self) -> IO[bytes] | None:
        """What can be read when there is something to `look` at."""
        return None if self._process is None else self._process.stdout

    def warm(self) -> None:
        """Have a worker that has loaded what it needs."""
        self._since_s = max(self._since_s, self._clock())
        if self._process is None or self._process.poll() is not None:
            self._start()

    def start(self, work: Mapping[str, Any]) -> None:
        """Give it work."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        self._busy, self._since_s = True, self._clock()
        try:
            self._say(work)
        except BrokenPipeError:
            log.warning("a worker for reports ended before it had work")

    def look(self) -> dict[str, Any] | None:
        """Return the answer to the work that was given, or why there is none; None while it works."""
        if self._process is None:
            return None
        for line in self._lines():
            said = orjson.loads(line)
            self._since_s = self._clock()
            if "progress" not in said:
                self._busy = False
                if said.get("rss_kib", 0) > _LARGE_KIB:
                    self.close()
                return dict(said)
        if self._process.poll() is not None:
            status = self._process.returncode
            self._drop()
            return self._lost(f"the worker ended with status {status}")
        if self._busy and self._clock() - self._since_s > self._limit_s:
            self._process.kill()
            self._drop()
            return self._lost(f"no answer within {self._limit_s:g} s")
        if not self._busy and self._clock() - self._since_s > _IDLE_S:
            self.close()
        return None

    def close(self) -> None:
        """End the worker; what it had is not answered."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(0 if self._busy else _LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            process.kill()
        self._drop()
        self._busy = False

    def _start(self) -> None:
        self._drop()
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._heard = b""
        self._say(self._setup)

    def _say(self, said: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(said) + b"\n")
        self._process.stdin.flush()

    def _lines(self) -> list[bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        while chunk := self._process.stdout.read(_CHUNK):
            self._heard += chunk
        *lines, self._heard = self._heard.split(b"\n")
        return lines

    def _lost(self, why: str) -> dict[str, Any] | None:
        was_busy, self._busy = self._busy, False
        return {"error": why, "for_good": False} if was_busy else None

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None and not stream.closed:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        log.debug("a worker did not read all it was told")
