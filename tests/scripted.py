"""A producer process whose devices are scripted: `python -m tests.scripted PORT DATA SITE`.

SITE is a TOML file with `fine` and `deaf` (lists of systems), `interval_ms`, and perhaps a table `clock`.
"""

import asyncio
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bus.connection import Broker
from producers import run
from producers.adapter import AlarmSeen, Description, DeviceSpec, PartSeen, Read
from producers.pace import pace
from producers.source import Setting, Source
from schemas.errors import ConfigurationError


class Fine:
    """Always answers, with a part behind it and an alarm."""

    async def read(self) -> Read:
        await asyncio.sleep(0.001)
        return Read({"cpu_pct": 1.0}, [PartSeen("behind", present=True), AlarmSeen("grid_lost", "alarm")])

    async def describe(self) -> Description | None:
        return Description(model="Scripted")

    async def close(self) -> None:
        """Have nothing to close."""


class Deaf(Fine):
    """Never answers, and ignores being cancelled as far as asyncio lets it."""

    async def read(self) -> Read:
        await self.close()
        raise AssertionError

    async def close(self) -> None:
        while True:
            try:
                await asyncio.sleep(1e9)
            except asyncio.CancelledError:
                continue


class Scripted(Source):
    """Gives what the file says."""

    def __init__(self, setting: Setting) -> None:
        self._adapters: dict[str, Fine] = {}
        self.configure(setting.options)

    def configure(self, options: Mapping[str, Any]) -> None:
        if set(options["fine"]) & set(options.get("deaf", ())):
            raise ConfigurationError("a device is fine or deaf")
        self._options = options

    def specs(self) -> Iterable[DeviceSpec]:
        for names, kind in ((self._options["fine"], Fine), (self._options.get("deaf", ()), Deaf)):
            for name in names:
                adapter = self._adapters.setdefault(name, kind())
                yield DeviceSpec(name, "host", self._options["interval_ms"], adapter, timeout_ms=500)


def main() -> None:
    """Be the process."""
    port, data, site = sys.argv[1:]
    path = Path(site)

    def options() -> dict[str, Any]:
        try:
            said = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error
        said.pop("clock", None)
        return said

    clock = tomllib.loads(path.read_text()).get("clock", {})
    run.PRODUCERS = {"scripted": Scripted}  # type: ignore[attr-defined]
    run.run_producer(
        "scripted",
        Broker(port=int(port)),
        client="scripted",
        node_id="edge-01",
        data=Path(data),
        reread=options,
        site=path,
        paced=pace(clock.get("speed", 1.0), clock.get("real_zero"), clock.get("zero")),
    )


if __name__ == "__main__":
    main()
