"""Rebuild the series beside the VictoriaMetrics that serves, and let the new one take its place.

Rules that must stay true here:
- the old series serve until the new ones are whole, stopped cleanly and on disk;
- VictoriaMetrics' data and the projector's own file change places together, the data first: whichever half a
  power cut leaves done, the projector finds a place that both know, or begins at 0.
"""

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bus.journal import Head
from bus.journal_sqlite import SqliteJournalReader
from projectors import victoria_server
from projectors.generations import Generations
from projectors.runner import Runner
from projectors.series import VERSION
from projectors.series_projector import SeriesProjector, Settings
from projectors.series_store import SeriesStore
from projectors.victoria import Victoria
from schemas.errors import ConfigurationError, TransientError

VICTORIA, SERIES = "victoria-metrics", "series"
REQUEST = Path("run") / "swap-series"
SUPERVISOR = Path("run") / "supervisor.json"
SUPERVISOR_LOCK = Path("run") / "supervisor.lock"
_SWAP_S = 120.0
_POLL_S = 0.05

Progress = Callable[[int, int], None]


def rebuild_series(
    data: Path,
    *,
    settings: Settings | None = None,
    retention: str = victoria_server.RETENTION,
    progress: Progress | None = None,
) -> Head:
    """Build the series anew from position 0 and swap them in; return the place they hold.

    Args:
        data: the data directory.
        settings: what is written for older dashboards.
        retention: as the VictoriaMetrics that serves.
        progress: called with the position reached and the journal's head.

    Raises:
        ConfigurationError: another rebuild runs, or VictoriaMetrics cannot be started.
        ProjectionError: an event cannot be applied.
    """
    with Generations(data / SERIES).only("rebuilding"):
        (data / REQUEST).unlink(missing_ok=True)
        with built(data, ".next", settings, retention) as build:
            build.advance(progress=progress)
            place = build.finish()
        _exchange(data)
    return place


class Build:
    """A second VictoriaMetrics that is filled from the journal.

    Attributes:
        victoria: to look at it.
    """

    def __init__(self, data: Path, store: SeriesStore, url: str, settings: Settings) -> None:
        self.victoria = Victoria(url)
        self._reader = SqliteJournalReader(data / "journal")
        self._store = store
        self._projector = SeriesProjector(self._reader, store, url, replace(settings, strict=True))
        self._runner = Runner(self._reader, self._projector, strict=True)

    def advance(self, upto: int | None = None, progress: Progress | None = None) -> None:
        """Go on to a position, the journal's head unless told otherwise, and make it searchable.

        Raises:
            ProjectionError: an event cannot be applied.
            TransientError: something outside is in the way.
        """
        end = self._reader.head().position if upto is None else upto
        self._runner.upto = end
        while self._runner.turn():
            self._tell(progress, end)
        self._runner.finish()
        self._tell(progress, end)
        while not self._projector.accepted(end):
            if self._projector.stale():
                raise TransientError("the VictoriaMetrics of the rebuild ended")
            time.sleep(_POLL_S)
        self.victoria.flush()
        self.victoria.forget_results()

    def _tell(self, progress: Progress | None, end: int) -> None:
        if progress is not None and self._runner.place is not None:
            progress(self._runner.place.position, end)

    def finish(self) -> Head:
        """Write down how far it is: it will be stopped cleanly, and then forgets nothing."""
        return self._projector.finish()

    def close(self) -> None:
        """Stop filling it."""
        self._projector.close()
        self._store.close()
        self._reader.close()
        self.victoria.close()


@contextmanager
def built(data: Path, suffix: str, settings: Settings | None, retention: str) -> Iterator[Build]:
    """Run a VictoriaMetrics on directories of its own, empty at first, beside the ones that serve."""
    log = data / "run" / f"{VICTORIA}{suffix}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    remove(data, suffix)
    with victoria_server.serving(data / f"{VICTORIA}{suffix}", log, retention=retention) as url:
        store = SeriesStore(data / f"{SERIES}{suffix}", VERSION)
        build = Build(data, store, url, settings or Settings())
        try:
            yield build
        finally:
            build.close()


def remove(data: Path, suffix: str) -> None:
    """Remove what was built under a suffix."""
    for name in (VICTORIA, SERIES):
        shutil.rmtree(data / f"{name}{suffix}", ignore_errors=True)


def swap(data: Path) -> None:
    """Let the rebuilt series take the place of the old ones, and remove those; nothing may use either.

    Doing it again after a power cut finishes what was begun.
    """
    for name in (VICTORIA, SERIES):
        fresh, serving, old = data / f"{name}.next", data / name, data / f"{name}.old"
        if fresh.exists():
            shutil.rmtree(old, ignore_errors=True)
            if serving.exists():
                serving.rename(old)
            fresh.rename(serving)
    os.sync()
    remove(data, ".old")


def _exchange(data: Path) -> None:
    """Swap, through the supervisor where one runs."""
    (data / "run").mkdir(exist_ok=True)
    with (data / SUPERVISOR_LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _ask_supervisor(data)
            return
        with Generations(data / SERIES).only("projecting"), _unused(data / VICTORIA):
            swap(data)


def _ask_supervisor(data: Path) -> None:
    request = data / REQUEST
    try:
        pid = int(json.loads((data / SUPERVISOR).read_text())["pid"])
        request.touch()
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"the supervisor of {data} cannot be asked to swap the series: {error}"
        ) from error
    deadline = time.monotonic() + _SWAP_S
    while request.exists():
        if time.monotonic() > deadline:
            raise TransientError(
                f"the supervisor of {data} did not swap the series in {_SWAP_S:.0f} s: see its log"
            )
        time.sleep(_POLL_S)


@contextmanager
def _unused(directory: Path) -> Iterator[None]:
    """Hold the lock that VictoriaMetrics takes on its files."""
    path = directory / "flock.lock"
    if not path.exists():
        yield
        return
    with path.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"a VictoriaMetrics runs on {directory}, and no supervisor that could swap it: stop it and "
                "the series projector, and rebuild again"
            ) from error
        yield
