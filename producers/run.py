"""Run one producer as a process: its devices, the runner, the outbox and health, until SIGTERM or Ctrl-C.

Rules that must stay true here:
- a clean stop leaves nothing behind: polls end, devices are told as stopped, the outbox keeps what is not
  confirmed;
- a fault that only a person can mend ends the process with `ConfigurationError`, at the start; one that
  comes with new options or devices later is said in health, and the old ones go on.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from bus.connection import Broker
from bus.envelope import Envelope
from bus.pulse import Pulse
from bus.sender import Sender
from producers import pace, paced_loop
from producers.clock import SystemClock
from producers.devices_file import Options
from producers.memory import Memory, Told
from producers.pace import REAL, Pace
from producers.registry import PRODUCERS
from producers.reload import Reload
from producers.runner import Runner
from producers.source import Setting, Source
from producers.spool import Spool
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

_SAVE_EVERY_S = 5.0
_LOOK_EVERY_S = 2.0
_LAST_WORDS_S = 2.0


def run_producer(
    kind: str,
    broker: Broker,
    *,
    client: str,
    node_id: str,
    data: Path,
    options: Mapping[str, Any] | None = None,
    reread: Callable[[], Mapping[str, Any]] | None = None,
    site: Path | None = None,
    paced: Pace = REAL,
) -> None:
    """Run a producer until a signal ends it.

    Args:
        kind: a key of `PRODUCERS`.
        broker: where to publish.
        client: our name at the broker, in topics and of the files in `data`.
        node_id: names the site.
        data: the data directory.
        options: what the configuration says about this producer.
        reread: reads that again, when the configuration has changed.
        site: the file that it is read from.
        paced: how time runs.

    Raises:
        ConfigurationError: the options are wrong, or another process has our name.
    """
    if kind not in PRODUCERS:
        raise ConfigurationError(f"there is no producer {kind}: choose one of {', '.join(sorted(PRODUCERS))}")
    pace.check(paced, time.time_ns() // 1000)
    clock = paced.clock(SystemClock())
    own = data / "producers"
    read = Options(kind, reread or (lambda: options or {}), site)
    taken = read.load()
    source = PRODUCERS[kind](Setting(node_id, data, own / f"{client}.json", clock, taken))
    sender = Sender(broker, client=client, name="producer", path=data / "outbox" / f"{client}.sqlite")
    memory = Memory(own / f"{client}.told")

    async def publish(events: Sequence[Envelope]) -> None:
        if all(event.type == "sample.taken" for event in events):
            sender.put_all(events)  # into memory
        else:
            await asyncio.to_thread(sender.put_all, events)  # onto the disk

    async def remember(told: Told) -> None:
        await asyncio.to_thread(memory.save, told)

    runner = Runner(
        source=f"/{node_id}/{client}",
        publish=publish,
        clock=clock,
        spool=Spool(own / f"{client}.held"),
        told=memory.load(),
        remember=remember,
    )
    figures = Figures()
    pulse = Pulse(broker, client, lambda: figures.now() | {"outbox": sender.status()})
    try:
        paced_loop.run(_main(runner, source, read, taken, sender, figures, paced), paced)
        sender.flush(_LAST_WORDS_S)
    finally:
        sender.close()
        pulse.close()


class Figures:
    """Asks the event loop for its figures, from another thread, and notices when it is stuck."""

    def __init__(self, answer_within_s: float = 1.0) -> None:
        self._answer_within_s = answer_within_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._figures: Callable[[], dict[str, Any]] = dict
        self._said: dict[str, Any] = {}
        self._said_at_s = time.monotonic()

    def begin(self, figures: Callable[[], dict[str, Any]]) -> None:
        """Answer from the running loop from now on."""
        self._figures = figures
        self._loop = asyncio.get_running_loop()

    def now(self) -> dict[str, Any]:
        """Return the figures of now, or the last ones and for how long the loop has not answered."""
        answer: Future[dict[str, Any]] = Future()
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._answer, answer)
                self._said = answer.result(self._answer_within_s)
                self._said_at_s = time.monotonic()
            except TimeoutError:
                return self._said | {"stuck_s": round(time.monotonic() - self._said_at_s)}
            except RuntimeError:
                self._loop = None  # it is closed: we are about to stop
        return self._said

    def _answer(self, answer: Future[dict[str, Any]]) -> None:
        answer.set_result(self._figures())


async def _main(
    runner: Runner,
    source: Source,
    read: Options,
    taken: dict[str, Any],
    sender: Sender,
    figures: Figures,
    paced: Pace,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    reload = Reload(runner, source, read, taken, look_every_s=paced.stretch(_LOOK_EVERY_S))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.reread)
    await runner.load(source.specs())
    figures.begin(lambda: runner.status() | reload.status())
    reloading = asyncio.create_task(reload.run(), name="reload")
    watching = asyncio.create_task(_watch(source, sender, stop, paced))
    try:
        await runner.run(stop)
    finally:
        stop.set()
        reloading.cancel()
        await asyncio.wait((reloading,), timeout=paced.stretch(_LAST_WORDS_S))
        _save(source)
        await watching


async def _watch(source: Source, sender: Sender, stop: asyncio.Event, paced: Pace) -> None:
    """Save now and then, and give up when the outbox says that only a person can help."""
    while not stop.is_set():
        _save(source)
        status = sender.status()
        if status["stopped"]:
            stop.set()
            raise ConfigurationError(status["fault"])
        try:
            async with asyncio.timeout(paced.stretch(_SAVE_EVERY_S)):
                await stop.wait()
        except TimeoutError:
            continue


def _save(source: Source) -> None:
    try:
        source.save()
    except OSError as error:
        log.warning("cannot save where we are: %s", error)
