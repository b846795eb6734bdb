"""Laws of the runner in virtual time: whatever devices, options and kills do, what is told makes sense."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Envelope
from producers.adapter import AlarmSeen, Description, DeviceError, DeviceSpec, PartSeen, Read, Seen
from producers.memory import Memory, Told
from producers.runner import Runner
from schemas.registry import Registry
from tests.virtual_time import FakeClock, VirtualLoop, run

SYSTEMS = ("rig_01", "rig_02")
MOODS = ("fine", "silent", "slow", "hung", "alarmed", "lonely", "partial")
REGISTRY = Registry.load()


@dataclass
class Moody:
    """A device whose mood a story sets."""

    mood: str = "fine"

    async def read(self) -> Read:
        mood = self.mood
        await asyncio.sleep({"slow": 0.8, "hung": 1e9}.get(mood, 0.01))
        if mood == "silent":
            raise DeviceError("nobody there")
        seen: list[Seen] = [PartSeen("behind", present=mood != "lonely")]
        seen.append(AlarmSeen("overload", "alarm" if mood == "alarmed" else None))
        return Read({"cpu_pct": 1.0}, seen, missing="half" if mood == "partial" else "")

    async def describe(self) -> Description | None:
        return Description(model="Moody")

    async def close(self) -> None:
        """Have nothing to close."""


@dataclass
class Site:
    """What outlives a process: devices, what was published, and the memory."""

    path: Path
    devices: dict[str, Moody] = field(default_factory=lambda: {name: Moody() for name in SYSTEMS})
    polled: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SYSTEMS, 500))
    events: list[Envelope] = field(default_factory=list)
    now_s: float = 0.0

    def specs(self) -> list[DeviceSpec]:
        return [
            DeviceSpec(
                name, "host", interval_ms, self.devices[name], timeout_ms=1_500, longest_pause_ms=2_000
            )
            for name, interval_ms in self.polled.items()
        ]

    def live(self, steps: Sequence[tuple[str, str, int]], *, killed: bool) -> None:
        """Live one life of the process."""
        loop = VirtualLoop()
        clock = FakeClock(loop)
        clock.wall_at_start_us += round(self.now_s * 1e6)
        clock.uptime_at_start_us += round(self.now_s * 1e6)
        alive = [True]

        async def publish(events: Sequence[Envelope]) -> None:
            if alive:
                self.events.extend(events)

        async def remember(told: Told) -> None:
            if alive:
                Memory(self.path).save(told)

        async def life() -> None:
            told = Memory(self.path).load()
            runner = Runner(source="/a/b", publish=publish, clock=clock, told=told, remember=remember)
            stop = asyncio.Event()
            await runner.load(self.specs())
            running = asyncio.create_task(runner.run(stop))
            for name, mood, interval_ms in steps:
                await asyncio.sleep(7)
                self.devices[name].mood = mood
                if interval_ms:
                    self.polled[name] = interval_ms
                else:
                    self.polled.pop(name, None)
                await runner.load(self.specs())
            await asyncio.sleep(7)
            if killed:
                alive.clear()
            stop.set()
            await running

        run(loop, life())
        self.now_s += loop.time()


STEP = st.tuples(st.sampled_from(SYSTEMS), st.sampled_from(MOODS), st.sampled_from([500, 1_000, 0]))
LIVES = st.lists(st.tuples(st.lists(STEP, max_size=6), st.booleans()), min_size=1, max_size=3)


@given(LIVES, st.integers(0, 99))
def test_whatever_happens_what_is_told_makes_sense(
    lives: list[tuple[list[tuple[str, str, int]], bool]], seed: int
) -> None:
    random.seed(seed)
    with TemporaryDirectory() as tmp:
        site = Site(Path(tmp) / "told")
        for steps, killed in lives:
            site.live(steps, killed=killed)

    connected: dict[tuple[str, str], bool] = {}
    raised: dict[str, bool] = {}
    newest: dict[tuple[str, int], int] = {}
    for event in site.events:
        REGISTRY.check(event.type, event.version, event.data)
        if event.type == "sample.taken":
            line = event.subject, event.data["interval_ms"]
            assert event.time_us > newest.get(line, 0), "samples of a line are in order"
            newest[line] = event.time_us
            assert connected[event.subject, "host"], "no sample of a device that is not connected"
        elif event.type in {"device.connected", "device.disconnected"}:
            key, is_connected = (event.subject, event.data["device"]), event.type == "device.connected"
            again_after_a_kill = key[1] == "host"
            assert again_after_a_kill or connected.get(key, False) is not is_connected, "told twice"
            connected[key] = is_connected
        elif event.type.startswith("alarm."):
            is_raised = event.type == "alarm.raised"
            assert raised.get(event.subject, False) is not is_raised, "raised twice, or cleared twice"
            raised[event.subject] = is_raised
    if not lives[-1][1]:
        assert not any(connected.values()), "a clean stop lets go of everything"
    for (system_id, device), is_connected in connected.items():
        assert not is_connected or device == "host" or connected[system_id, "host"], (
            "no part without its device"
        )
