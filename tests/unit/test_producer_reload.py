"""New devices and new options while a producer runs: taken over, or said to be wrong; the others go on."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bus.envelope import Envelope
from producers.adapter import Description, DeviceSpec, Read
from producers.clock import SystemClock
from producers.devices_file import Options
from producers.reload import Reload
from producers.runner import Runner
from producers.source import Source
from schemas.errors import ConfigurationError, TransientError
from tests.waiting import PATIENCE_S

SAMPLE_MS = 20


@dataclass
class Fine:
    closed: int = 0

    async def read(self) -> Read:
        return Read({"cpu_pct": 1.0})

    async def describe(self) -> Description | None:
        return None

    async def close(self) -> None:
        self.closed += 1


class Listed(Source):
    """Gives the devices that its options name; finds more when it is told to."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.names: list[str] = list(options["names"])
        self.adapters: dict[str, Fine] = {}
        self.faults: list[Exception] = []
        self.runs = 0
        self.find = asyncio.Event()

    def specs(self) -> Iterable[DeviceSpec]:
        if "bad" in self.names:
            raise ConfigurationError("bad is no device")
        for name in self.names:
            yield DeviceSpec(name, "host", SAMPLE_MS, self.adapters.setdefault(name, Fine()))

    async def run(self, changed: Callable[[], None]) -> None:
        self.runs += 1
        if self.faults:
            raise self.faults.pop()
        await self.find.wait()
        self.names.append("found")
        changed()

    def configure(self, options: Mapping[str, Any]) -> None:
        if "worse" in options["names"]:
            raise ConfigurationError("worse is no device either")
        self.names = list(options["names"])

    def status(self) -> dict[str, Any]:
        return {"devices": len(self.names)}


@dataclass
class Running:
    """A producer without its process."""

    table: dict[str, Any]
    site: Path
    events: list[Envelope] = field(default_factory=list)
    reads: int = 0

    async def start(self, look_every_s: float = 0.02) -> None:
        self.site.touch()
        options = Options("host", self._read, self.site)
        taken = options.load()
        self.source = Listed(taken)
        self.runner = Runner(source="/edge-01/test", publish=self._publish, clock=SystemClock())
        self.reload = Reload(self.runner, self.source, options, taken, look_every_s=look_every_s)
        await self.runner.load(self.source.specs())
        self.stop = asyncio.Event()
        self.tasks = asyncio.create_task(self.runner.run(self.stop)), asyncio.create_task(self.reload.run())

    async def end(self) -> None:
        self.stop.set()
        self.tasks[1].cancel()
        await asyncio.wait(self.tasks)

    def say(self, **table: Any) -> None:
        """Change the file."""
        self.table.update(table)
        with self.site.open("a") as file:
            file.write("\n")

    def systems(self) -> set[str]:
        """Name the devices that are polled."""
        return {name.split("/")[0] for name in self.runner.status()["devices"]}

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - any condition
                await asyncio.sleep(0.005)

    def _read(self) -> dict[str, Any]:
        self.reads += 1
        return dict(self.table)

    async def _publish(self, events: Sequence[Envelope]) -> None:
        self.events.extend(events)


def test_new_options_bring_and_take_devices_and_the_others_go_on(tmp_path: Path) -> None:
    async def play() -> Running:
        running = Running({"names": ["kept", "gone"]}, tmp_path / "site.toml")
        await running.start()
        running.say(names=["kept", "new"])
        await running.until(lambda: running.systems() == {"kept", "new"})
        await running.end()
        return running

    running = asyncio.run(play())

    assert running.source.adapters["gone"].closed == 1
    connections = [e.subject for e in running.events if e.type == "device.connected"]
    assert connections.count("kept") == 1
    assert running.source.runs == 1


def test_what_a_source_finds_is_polled(tmp_path: Path) -> None:
    async def play() -> None:
        running = Running({"names": ["kept"]}, tmp_path / "site.toml")
        await running.start()
        running.source.find.set()
        await running.until(lambda: running.systems() == {"kept", "found"})
        assert running.reload.status() == {"source": {"devices": 2}}
        await running.end()

    asyncio.run(play())


@pytest.mark.parametrize("name", ["bad", "worse"])
def test_wrong_options_keep_the_old_devices_and_show_until_they_are_right(tmp_path: Path, name: str) -> None:
    async def play() -> None:
        running = Running({"names": ["kept"]}, tmp_path / "site.toml")
        await running.start()
        running.say(names=["kept", name])
        await running.until(lambda: name in running.reload.status().get("problem", ""))
        assert running.systems() == {"kept"}
        running.say(names=["kept", "new"])
        await running.until(lambda: "problem" not in running.reload.status())
        await running.until(lambda: running.systems() == {"kept", "new"})
        await running.end()

    asyncio.run(play())


def test_a_device_named_twice_keeps_the_old_devices_and_shows(tmp_path: Path) -> None:
    async def play() -> None:
        running = Running({"names": ["kept"]}, tmp_path / "site.toml")
        await running.start()
        running.say(names=["kept", "kept"])
        await running.until(lambda: "polled twice" in running.reload.status().get("problem", ""))
        assert running.systems() == {"kept"}
        await running.end()

    asyncio.run(play())


def test_a_signal_reads_the_files_at_once_and_the_same_options_again_are_no_news(tmp_path: Path) -> None:
    async def play() -> None:
        running = Running({"names": ["kept"]}, tmp_path / "site.toml")
        await running.start(look_every_s=3_600)
        running.table["names"] = ["kept", "new"]
        running.reload.reread()
        await running.until(lambda: running.systems() == {"kept", "new"})
        running.source.names.append("found")
        running.reload.reread()
        await running.until(lambda: running.reads == 3)
        running.reload.reread()
        await running.until(lambda: running.reads == 4)
        assert running.systems() == {"kept", "new"}
        await running.end()

    asyncio.run(play())


@pytest.mark.parametrize(
    "fault", [TransientError("no route"), ConfigurationError("password"), ZeroDivisionError()]
)
def test_a_source_that_fails_is_begun_again_and_shows_meanwhile(tmp_path: Path, fault: Exception) -> None:
    async def play() -> None:
        running = Running({"names": ["kept"]}, tmp_path / "site.toml")
        await running.start()
        running.source.faults.append(fault)
        await running.until(lambda: "problem" in running.reload.status())
        running.source.find.set()
        await running.until(lambda: running.systems() == {"kept", "found"})
        assert "problem" not in running.reload.status()
        await running.end()

    asyncio.run(play())


def test_a_source_without_configure_says_that_it_needs_a_restart() -> None:
    class Plain(Source):
        def specs(self) -> Iterable[DeviceSpec]:
            return ()

    source = Plain()

    with pytest.raises(ConfigurationError, match="restart"):
        source.configure({})
    assert source.status() == {}
    assert asyncio.run(source.run(lambda: None)) is None


def test_a_source_that_cannot_tell_how_it_is_shows_that(tmp_path: Path) -> None:
    async def play() -> None:
        running = Running({"names": ["kept"]}, tmp_path / "site.toml")
        await running.start()
        running.source.names = None  # type: ignore[assignment]
        assert "TypeError" in running.reload.status()["source"]["fault"]
        await running.end()

    asyncio.run(play())
