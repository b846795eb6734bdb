"""What reads tell besides values: alarms, parts, lateness, and what a next life remembers of it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bus import instants
from bus.envelope import Envelope
from producers.adapter import AlarmSeen, Description, DeviceError, DeviceSpec, PartSeen, Read, Seen
from producers.alarms import Alarms
from producers.memory import Memory, Told
from producers.runner import Runner
from producers.spool import Spool
from schemas.registry import Registry
from tests.virtual_time import NOW_US, FakeClock, VirtualLoop, run

SECOND_US = 1_000_000
GRID_LOST = AlarmSeen("grid_lost", "alarm", code=2)
QUATTRO = PartSeen(
    "vebus/276", present=True, description=Description(maker="Victron Energy", model="Quattro")
)


@dataclass
class Teller:
    """A device that tells what it is told to, at the time since the start of the test."""

    loop: VirtualLoop
    seen: Callable[[float], Sequence[Seen]]
    takes_s: float = 0.01

    async def read(self) -> Read:
        await asyncio.sleep(self.takes_s)
        return Read({"cpu_pct": 1.0}, self.seen(self.loop.time()))

    async def describe(self) -> Description | None:
        return None

    async def close(self) -> None:
        """Have nothing to close."""


@dataclass
class Life:
    """One life of a producer, with a memory on the disk."""

    path: Path
    clock: FakeClock = field(init=False)
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    events: list[Envelope] = field(default_factory=list)
    runner: Runner = field(init=False)
    saves: int = 0
    dead: bool = False
    status: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = FakeClock(self.loop)
        self.runner = Runner(
            source="/edge-01/test",
            publish=self._publish,
            clock=self.clock,
            spool=Spool(self.path.with_suffix(".held")),
            told=Memory(self.path).load(),
            remember=self._remember,
        )

    def spec(self, seen: Callable[[float], Sequence[Seen]], **changes: Any) -> DeviceSpec:
        spec = DeviceSpec("rig_01", "victron", 1_000, Teller(self.loop, seen), device="gx")
        return replace(spec, **changes)

    def play(self, seconds: float, *specs: DeviceSpec) -> list[Envelope]:
        """Live for a while, and stop cleanly."""
        run(self.loop, self._play(seconds, specs))
        return self.events

    def play_and_kill(self, seconds: float, *specs: DeviceSpec) -> list[Envelope]:
        """Live for a while, and be killed."""
        run(self.loop, self._killed(seconds, specs))
        return self.events

    async def _killed(self, seconds: float, specs: Sequence[DeviceSpec]) -> None:
        await self._played(seconds, specs)
        await self._kill()

    async def _kill(self) -> None:
        self.status = self.runner.status()
        self.runner._outflow._spool = self.runner._remember = None  # a killed process has no last words
        self.dead = True
        self.running.cancel()
        await asyncio.wait((self.running,))

    async def _played(self, seconds: float, specs: Sequence[DeviceSpec]) -> asyncio.Event:
        stop = asyncio.Event()
        await self.runner.load(specs)
        running = asyncio.create_task(self.runner.run(stop))
        await asyncio.wait((running,), timeout=seconds)
        self.running = running
        return stop

    async def _play(self, seconds: float, specs: Sequence[DeviceSpec]) -> None:
        stop = await self._played(seconds, specs)
        stop.set()
        await self.running

    async def _publish(self, events: Sequence[Envelope]) -> None:
        if not self.dead:
            self.events.extend(events)

    async def _remember(self, told: Told) -> None:
        self.saves += 1
        Memory(self.path).save(told)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "victron.told"


def of(events: Sequence[Envelope], *types: str) -> list[tuple[str, Any, Any]]:
    """Give what was told, shortly: without samples."""
    return [
        (event.type, event.data["device"], event.data.get("reason"))
        for event in events
        if event.type != "sample.taken" and (not types or event.type.startswith(types))
    ]


def test_what_is_told_of_alarms_and_parts_fits_the_published_schemas(path: Path) -> None:
    registry = Registry.load()

    def seen(now_s: float) -> Sequence[Seen]:
        level = "alarm" if 10 < now_s < 20 else None
        left = PartSeen("vebus/276", present=False, reason="left", detail="\tgone ")
        text = "  the grid\nis lost "
        alarm = AlarmSeen("grid_lost", level, "vebus/276", "l1", code=float("inf"), text=text)
        return [QUATTRO if now_s < 30 else left, alarm]

    life = Life(path)
    events = life.play(40, life.spec(seen))

    for event in events:
        registry.check(event.type, event.version, event.data)
    assert of(events, "alarm", "device.d", "device.connected") == [
        ("device.connected", "gx", None),
        ("device.connected", "vebus/276", None),
        ("device.described", "vebus/276", None),
        ("alarm.raised", "vebus/276", None),
        ("alarm.cleared", "vebus/276", None),
        ("device.disconnected", "vebus/276", "left"),
        ("device.disconnected", "gx", "stopped"),
    ]
    raised = next(event for event in events if event.type == "alarm.raised")
    assert raised.data["text"] == "the grid is lost"
    assert "code" not in raised.data
    assert raised.data["phase"] == "l1"


def test_what_was_seen_is_told_in_order_of_time_with_its_own_time_before_the_sample(path: Path) -> None:
    life = Life(path)
    start_us = life.clock.monotonic_us()

    def seen(now_s: float) -> Sequence[Seen]:
        if now_s < 10:
            return ()
        return [
            AlarmSeen("overload", "alarm", at_us=start_us + 9_400_000),
            AlarmSeen("grid_lost", "alarm", at_us=start_us + 9_300_000),
            AlarmSeen("fan", "alarm", at_us=start_us + 99_000_000),
            AlarmSeen("short_circuit", "alarm"),
        ]

    events = life.play(12, life.spec(seen))

    raised = [event for event in events if event.type == "alarm.raised"]
    times = [event.time_us for event in raised]
    assert [event.data["alarm"] for event in raised] == ["grid_lost", "overload", "short_circuit", "fan"]
    assert times[:2] == [NOW_US + 9_300_000, NOW_US + 9_400_000]
    assert times == sorted(times)
    following = events[events.index(raised[-1]) + 1]
    assert following.type == "sample.taken"
    assert times[2] == following.time_us, "without a time of its own it is the middle of the read"
    assert times[3] <= following.time_us + 10_000, "nothing is seen in the future"


def test_a_killed_producer_neither_raises_again_nor_forgets_to_clear(path: Path) -> None:
    first = Life(path)
    seen = [GRID_LOST, AlarmSeen("overload", "warning")]
    first.play_and_kill(10, first.spec(lambda _: seen))
    assert len(of(first.events, "alarm.raised")) == 2

    second = Life(path)
    second.clock.uptime_at_start_us += 30 * SECOND_US
    events = second.play(10, second.spec(lambda _: [GRID_LOST, AlarmSeen("overload", None)]))

    (cleared,) = [event for event in events if event.type.startswith("alarm")]
    assert (cleared.type, cleared.data["alarm"]) == ("alarm.cleared", "overload")
    assert 29 < cleared.data["duration_s"] < 32


def test_unchanged_states_are_written_down_once(path: Path) -> None:
    life = Life(path)

    life.play_and_kill(60, life.spec(lambda _: [GRID_LOST, QUATTRO]))

    assert life.saves == 1


def test_a_damaged_memory_is_begun_anew_with_a_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = Life(path)
    first.play_and_kill(10, first.spec(lambda _: [GRID_LOST]))
    whole = path.read_bytes()

    for damaged in (b"", whole[:-3], b'{"alarms":[["x"]],"parts":[]}', b'{"alarms":[],"parts":[[1]]}'):
        path.write_bytes(damaged)
        caplog.clear()
        assert Memory(path).load() == Told()
        assert "told anew" in caplog.text


def test_a_part_that_left_while_nobody_looked_is_told_and_one_that_stayed_is_no_news(path: Path) -> None:
    battery = PartSeen("battery/512", present=True)
    first = Life(path)
    first.play_and_kill(10, first.spec(lambda _: [QUATTRO, battery]))

    second = Life(path)
    events = second.play_and_kill(100, second.spec(lambda _: [battery]))

    assert of(events, "device.connected", "device.disconnected") == [
        ("device.connected", "gx", None),
        ("device.disconnected", "vebus/276", "left"),
    ]


def test_a_clean_stop_tells_parts_before_their_device_and_remembers_none(path: Path) -> None:
    life = Life(path)

    events = life.play(10, life.spec(lambda _: [QUATTRO]))

    assert of(events)[-2:] == [
        ("device.disconnected", "vebus/276", "stopped"),
        ("device.disconnected", "gx", "stopped"),
    ]
    assert not Memory(path).load().parts


def test_when_a_device_falls_silent_its_parts_do_too_and_its_alarms_stay(path: Path) -> None:
    life = Life(path)

    def seen(now_s: float) -> Sequence[Seen]:
        if 20 < now_s < 40:
            raise DeviceError("no route", reason="refused")
        return [QUATTRO, GRID_LOST]

    events = life.play_and_kill(60, life.spec(seen, longest_pause_ms=1_000))

    assert of(events, "device.connected", "device.disconnected", "alarm") == [
        ("device.connected", "gx", None),
        ("device.connected", "vebus/276", None),
        ("alarm.raised", "gx", None),
        ("device.disconnected", "gx", "refused"),
        ("device.disconnected", "vebus/276", "behind"),
        ("device.connected", "gx", None),
        ("device.connected", "vebus/276", None),
    ]
    lost = [event for event in events if event.type == "device.disconnected"]
    seen_us = [instants.parse(event.data["last_seen"]) for event in lost]
    assert seen_us[0] == pytest.approx(seen_us[1], abs=2)
    assert NOW_US + 18 * SECOND_US < seen_us[0] < NOW_US + 20 * SECOND_US


def test_a_part_with_polls_of_its_own_is_left_to_them(path: Path) -> None:
    life = Life(path)

    events = life.play_and_kill(
        10, life.spec(lambda _: [QUATTRO]), life.spec(lambda _: (), device="vebus/276")
    )

    assert of(events).count(("device.connected", "vebus/276", None)) == 1
    assert not of(events, "device.described")


def test_a_device_that_is_taken_away_takes_its_alarms_along_and_one_that_moves_does_not(path: Path) -> None:
    life = Life(path)
    gone = life.spec(lambda _: [GRID_LOST], system_id="rig_02")
    moves = life.spec(lambda _: [GRID_LOST], address="here")
    moved = life.spec(lambda _: [GRID_LOST], address="there")

    async def reloaded() -> None:
        await life._played(10, [gone, moves])
        await life.runner.load([moved])
        await asyncio.sleep(10)
        await life._kill()

    run(life.loop, reloaded())

    def told(system_id: str) -> list[tuple[str, Any, Any]]:
        return of([event for event in life.events if event.subject == system_id])

    assert told("rig_02") == [
        ("device.connected", "gx", None),
        ("alarm.raised", "gx", None),
        ("alarm.cleared", "gx", None),
        ("device.disconnected", "gx", "stopped"),
    ]
    assert told("rig_01") == [
        ("device.connected", "gx", None),
        ("alarm.raised", "gx", None),
        ("device.disconnected", "gx", "stopped"),
        ("device.connected", "gx", None),
    ]
    assert life.events[-1].type == "sample.taken"


def test_a_sample_whose_poll_ran_more_than_half_an_interval_behind_is_late(path: Path) -> None:
    life = Life(path)
    slow = DeviceSpec("slow", "victron", 1_000, Teller(life.loop, lambda _: (), takes_s=1.1))
    fine = DeviceSpec("fine", "victron", 1_000, Teller(life.loop, lambda _: (), takes_s=0.9))

    events = life.play_and_kill(30, slow, fine)

    late = {event.subject: event.data.get("late") for event in events if event.type == "sample.taken"}
    assert late == {"slow": True, "fine": None}
    assert life.status["late"] >= 10


def test_alarms_of_a_device_that_waits_for_a_clock_survive_a_kill_without_being_told_twice(
    path: Path,
) -> None:
    first = Life(path)
    first.clock.uptime_at_start_us, first.clock.synchronised = 0, False
    assert not first.play_and_kill(10, first.spec(lambda _: [GRID_LOST]))

    second = Life(path)
    second.clock.uptime_at_start_us = 20 * SECOND_US
    events = second.play_and_kill(10, second.spec(lambda _: [GRID_LOST]))

    assert of(events, "alarm") == [("alarm.raised", "gx", None)]


def test_status_tells_how_late_reads_begin(path: Path) -> None:
    life = Life(path)

    life.play_and_kill(60, life.spec(lambda _: [GRID_LOST]))

    status = life.status
    poll = status["devices"]["rig_01/gx"]["every 1000 ms"]
    assert 0 <= poll["jitter_p50_ms"] <= poll["jitter_p99_ms"] == status["jitter_p99_ms"] < 1
    assert status["alarms"] == 1


@dataclass
class Deaf:
    """A device that never answers and ignores being told to stop, as far as asyncio lets it."""

    reads: int = 0

    async def read(self) -> Read:
        self.reads += 1
        await self._hang()
        raise AssertionError

    async def describe(self) -> Description | None:
        return None

    async def close(self) -> None:
        await self._hang()

    async def _hang(self) -> None:
        while True:
            try:
                await asyncio.sleep(1e9)
            except asyncio.CancelledError:
                continue


def hundred(life: Life) -> tuple[list[DeviceSpec], Deaf]:
    deaf = Deaf()
    fine = [life.spec(lambda _: (), system_id=f"fine_{number}") for number in range(99)]
    return [DeviceSpec("deaf", "victron", 1_000, deaf), *fine], deaf


def abandoning(life: Life, work: Coroutine[Any, Any, None]) -> None:
    """Run to the end and leave what hangs behind."""
    try:
        life.loop.run_until_complete(work)
    finally:
        for task in asyncio.all_tasks(life.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        life.loop.close()


def test_a_device_that_cannot_even_be_cancelled_delays_none_of_a_hundred(path: Path) -> None:
    life = Life(path)
    specs, deaf = hundred(life)

    abandoning(life, life._play(40, specs))

    for number in range(99):
        times = [e.time_us for e in life.events if (e.subject, e.type) == (f"fine_{number}", "sample.taken")]
        assert len(times) >= 39
        assert {later - earlier for earlier, later in pairwise(times[1:])} == {SECOND_US}
    (lost,) = [event for event in life.events if event.subject == "deaf"]
    assert (lost.type, lost.data["reason"]) == ("device.disconnected", "timeout")
    assert deaf.reads == 1, "no second read is begun while the first hangs"


def test_a_device_that_cannot_be_cancelled_holds_up_neither_a_reload_nor_the_end(path: Path) -> None:
    life = Life(path)
    specs, _ = hundred(life)
    took: list[float] = []

    async def reloaded() -> None:
        stop = await life._played(10, specs)
        began_s = life.loop.time()
        await life.runner.load(specs[1:])
        took.append(life.loop.time() - began_s)
        began_s = life.loop.time()
        stop.set()
        await life.running
        took.append(life.loop.time() - began_s)

    abandoning(life, reloaded())

    assert max(took) < 3


def test_alarms_are_not_written_down_before_the_disk_has_their_events(path: Path) -> None:
    life = Life(path)
    remembered: list[int] = []

    async def remember(told: Told) -> None:
        recalled = Alarms()
        recalled.load(told.alarms)
        remembered.append(len(recalled))
        raised = sum(event.type == "alarm.raised" for event in life.events)
        assert len(recalled) <= raised

    life.runner._remember = remember
    life.play_and_kill(10, *(life.spec(lambda _: [GRID_LOST], system_id=f"rig_{n}") for n in range(20)))

    assert remembered[-1] == 20


def test_alarms_and_parts_of_a_device_that_is_gone_after_a_restart_are_let_go_after_a_while(
    path: Path,
) -> None:
    first = Life(path)
    first.play_and_kill(10, first.spec(lambda _: [GRID_LOST, QUATTRO]))

    early = Life(path).play_and_kill(500)
    assert not early
    second = Life(path)
    events = second.play_and_kill(700)

    assert of(events) == [("alarm.cleared", "gx", None), ("device.disconnected", "vebus/276", "left")]
    registry = Registry.load()
    for event in events:
        registry.check(event.type, event.version, event.data)
    assert Memory(path).load() == Told()
