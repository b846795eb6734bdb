"""Keep a running producer up to date: what its source finds, and what its files say.

Rules that must stay true here:
- what is wrong with new devices or options is said in health, and the old ones stay;
- a source that fails is begun again, less and less often, and the polls do not notice.
"""

import asyncio
import logging
import random
from typing import Any

from producers.devices_file import Options
from producers.runner import Runner
from producers.schedule import backoff_us
from producers.source import Source
from schemas.errors import ConfigurationError, OvrError

log = logging.getLogger(__name__)

_WORKED_S = 60.0


class Reload:
    """Brings new specs to a runner.

    Args:
        runner: polls what `source` gives.
        source: of the specs.
        options: of the source, as its files say.
        taken: the options that the source was made with.
        look_every_s: how often the files are looked at.
    """

    def __init__(
        self, runner: Runner, source: Source, options: Options, taken: dict[str, Any], *, look_every_s: float
    ) -> None:
        self._runner = runner
        self._source = source
        self._options = options
        self._taken = taken
        self._look_every_s = look_every_s
        self._loop = asyncio.get_running_loop()
        self._specs_changed = asyncio.Event()
        self._look_now = asyncio.Event()
        self._problems: dict[str, str] = {}

    def changed(self) -> None:
        """Ask the source for its specs again, soon; from any thread."""
        self._loop.call_soon_threadsafe(self._specs_changed.set)

    def reread(self) -> None:
        """Read the files now, whether they look changed or not."""
        self._look_now.set()

    def status(self) -> dict[str, Any]:
        """Say what is wrong, in words, and what the source says of itself."""
        try:
            said: dict[str, Any] = {"source": self._source.status()}
        except Exception as error:
            log.exception("the source of devices cannot tell how it is")
            said = {"source": {"fault": repr(error)}}
        if self._problems:
            said["problem"] = "; ".join(self._problems.values())
        return said

    async def run(self) -> None:
        """Do so until cancelled."""
        await asyncio.gather(self._run_source(), self._load_specs(), self._watch_files())

    async def _run_source(self) -> None:
        failures = 0
        while True:
            self._note("source", "")
            began_s = self._loop.time()
            try:
                await self._source.run(self.changed)
            except OvrError as error:
                self._note("source", str(error))
            except Exception as error:
                log.exception("the source of devices failed")
                self._note("source", f"it failed: {error!r}")
            else:
                return
            failures = 1 if self._loop.time() - began_s > _WORKED_S else failures + 1
            await asyncio.sleep(backoff_us(failures, random.random()) / 1e6)

    async def _load_specs(self) -> None:
        while True:
            await self._specs_changed.wait()
            self._specs_changed.clear()
            try:
                await self._runner.load(list(self._source.specs()))
            except ConfigurationError as error:
                self._note("devices", str(error))
            except Exception as error:
                log.exception("the devices cannot be listed")
                self._note("devices", f"they cannot be listed: {error!r}")
            else:
                self._note("devices", "")

    async def _watch_files(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._look_every_s):
                    await self._look_now.wait()
            except TimeoutError:
                if not await asyncio.to_thread(self._options.changed):
                    continue
            self._look_now.clear()
            await self._configure()

    async def _configure(self) -> None:
        try:
            options = await asyncio.to_thread(self._options.load)
            if options != self._taken:
                self._source.configure(options)
                self._taken = options
                log.info("new options are taken over")
                self.changed()
        except ConfigurationError as error:
            self._note("options", str(error))
        except Exception as error:
            log.exception("new options cannot be taken over")
            self._note("options", f"they cannot be taken over: {error!r}")
        else:
            self._note("options", "")

    def _note(self, what: str, problem: str) -> None:
        if not problem:
            self._problems.pop(what, None)
        elif self._problems.get(what) != problem:
            self._problems[what] = problem
            log.error("%s: %s", what, problem)
