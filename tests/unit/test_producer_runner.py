"""The runner with scripted devices in virtual time: hours of polling in milliseconds."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import instants
from bus.envelope import Envelope
from producers.adapter import Description, DeviceError, DeviceSpec, Read, Values
from producers.outflow import Publish
from producers.runner import Runner
from producers.spool import Spool
from schemas.errors import ConfigurationError, InputError, TransientError
from schemas.registry import Registry
from tests.virtual_time import NOW_US, FakeClock, VirtualLoop, run

FINE: Values = {"cpu_pct": 1.0, "host_temperature_c": None}
SECOND_US = 1_000_000


@dataclass
class Script:
    """A device that does what it is told, at the time since the start of the test."""

    loop: VirtualLoop
    answer: Callable[[float], Read | Values] = lambda _: FINE
    takes_s: Callable[[float], float] = lambda _: 0.01
    what: Description | None = field(default_factory=lambda: Description(model="Scripted"))
    reads: int = 0
    closed: int = 0

    async def read(self) -> Read:
        self.reads += 1
        began_s = self.loop.time()
        await asyncio.sleep(self.takes_s(began_s))
        told = self.answer(began_s)
        return told if isinstance(told, Read) else Read(told)

    async def describe(self) -> Description | None:
        return self.what

    async def close(self) -> None:
        self.closed += 1


@dataclass
class Bench:
    """A runner whose outbox is a list."""

    spool: Spool | None = None
    refuse: Callable[[Envelope], Exception | None] = lambda _: None
    loop: VirtualLoop = field(default_factory=VirtualLoop)
    events: list[Envelope] = field(default_factory=list)
    slow_writes: int = 0
    clock: FakeClock = field(init=False)
    runner: Runner = field(init=False)

    def __post_init__(self) -> None:
        self.clock = FakeClock(self.loop)

    def device(self, system_id: str = "rig_01", interval_ms: int = 500, **script: object) -> DeviceSpec:
        adapter = Script(self.loop, **script)  # type: ignore[arg-type]
        return DeviceSpec(system_id, "victron", interval_ms, adapter)

    def play(
        self,
        seconds: float,
        *specs: DeviceSpec,
        then: Callable[["Bench"], object] | None = None,
        publish: Publish | None = None,
    ) -> None:
        """Run devices for a while; `then` is done in the middle."""
        random.seed(1)
        self.runner = Runner(
            source="/edge-01/test", publish=publish or self._publish, clock=self.clock, spool=self.spool
        )
        run(self.loop, self._play(seconds, specs, then))

    def slowly(self, seconds: float) -> Publish:
        """Make an outbox whose disk takes its time for every write with facts."""

        async def publish(events: Sequence[Envelope]) -> None:
            if any(event.type != "sample.taken" for event in events):
                self.slow_writes += 1
                await asyncio.sleep(seconds)
            await self._publish(events)

        return publish

    def of(self, type_: str, system_id: str = "rig_01") -> list[Envelope]:
        return [event for event in self.events if (event.type, event.subject) == (type_, system_id)]

    async def _play(
        self, seconds: float, specs: tuple[DeviceSpec, ...], then: Callable[["Bench"], object] | None
    ) -> None:
        stop = asyncio.Event()
        await self.runner.load(specs)
        running = asyncio.create_task(self.runner.run(stop))
        for _ in range(2):
            await asyncio.wait((running,), timeout=seconds / 2)
            if then is not None:
                done, then = then(self), None
                if asyncio.iscoroutine(done):
                    await done
        stop.set()
        await running

    async def _publish(self, events: Sequence[Envelope]) -> None:
        for event in events:
            error = self.refuse(event)
            if error is not None:
                raise error
        self.events.extend(events)


def gaps(times: list[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_a_device_is_polled_at_its_interval_and_stamped_with_the_middle_of_the_read() -> None:
    bench = Bench()

    bench.play(3600, bench.device(takes_s=lambda _: 0.1))

    times = [event.time_us for event in bench.of("sample.taken")]
    assert 7_199 <= len(times) <= 7_201
    assert set(gaps(times[1:])) == {500_000}
    assert times[0] == bench.of("device.connected")[0].time_us
    assert (times[-1] - NOW_US - 50_000) % 500_000 == (times[1] - NOW_US - 50_000) % 500_000


def test_what_a_runner_tells_fits_the_published_schemas() -> None:
    bench = Bench()
    registry = Registry.load()

    def flaky(now_s: float) -> Read:
        if 20 < now_s < 40:
            raise DeviceError("nobody\tis   there ", reason="refused")
        if now_s > 50:
            return Read(FINE, missing="one block")
        return Read({**FINE, "cpu_1_pct": float("nan")})

    bench.play(60, bench.device(answer=flaky))

    assert {event.type for event in bench.events} == {
        "sample.taken",
        "device.connected",
        "device.described",
        "device.disconnected",
    }
    for event in bench.events:
        registry.check(event.type, event.version, event.data)
    assert bench.of("sample.taken")[0].data["values"]["cpu_1_pct"] is None


def test_transitions_are_told_once_with_reason_and_time_of_the_last_answer() -> None:
    bench = Bench()

    def away(now_s: float) -> Values:
        if 100 <= now_s < 200:
            raise DeviceError("the cable is out", reason="link_lost")
        return FINE

    bench.play(300, bench.device(answer=away))

    assert len(bench.of("device.connected")) == 2
    assert len(bench.of("device.described")) == 1
    lost, stopped = bench.of("device.disconnected")
    assert lost.data["reason"] == "link_lost"
    assert lost.data["detail"] == "the cable is out"
    assert NOW_US + 99 * SECOND_US < instants.parse(lost.data["last_seen"]) < NOW_US + 100 * SECOND_US
    assert stopped.data["reason"] == "stopped"


def test_a_hung_device_times_out_and_delays_no_other() -> None:
    bench = Bench()
    hung = [bench.device(f"hung_{number}", takes_s=lambda _: 1e9) for number in range(10)]
    fine = [bench.device(f"fine_{number}") for number in range(30)]

    bench.play(60, *hung, *fine)

    for number in range(30):
        times = [event.time_us for event in bench.of("sample.taken", f"fine_{number}")][1:]
        assert set(gaps(times)) == {500_000}
    assert bench.of("device.disconnected", "hung_3")[0].data["reason"] == "timeout"
    assert not bench.of("sample.taken", "hung_3")


def test_a_dead_device_is_left_alone_more_and_more_and_its_slots_are_counted_as_missed() -> None:
    bench = Bench()

    def dead(_: float) -> Values:
        raise DeviceError("no route", reason="refused")

    spec = bench.device(answer=dead)
    missed: list[int] = []
    bench.play(7200, spec, then=lambda b: missed.append(b.runner.status()["missed"]))

    assert isinstance(spec.adapter, Script)
    assert spec.adapter.reads < 200
    assert missed[0] > 7_000
    assert len(bench.of("device.disconnected")) == 1


def test_a_faulty_adapter_is_a_failed_read_and_stops_nobody() -> None:
    bench = Bench()

    def faulty(_: float) -> Values:
        raise ZeroDivisionError

    bench.play(10, bench.device("bad", answer=faulty), bench.device("good"))

    assert bench.of("device.disconnected", "bad")[0].data["reason"] == "fault"
    assert len(bench.of("sample.taken", "good")) >= 19


def test_a_slow_read_skips_slots_and_never_bunches() -> None:
    bench = Bench()
    seen: list[int] = []

    bench.play(
        60,
        bench.device(takes_s=lambda now_s: 1.7 if 20 < now_s < 21 else 0.01),
        then=lambda b: seen.append(b.runner.status()["missed"]),
    )

    times = [event.time_us for event in bench.of("sample.taken")]
    assert seen == [2]
    assert min(gaps(times[1:])) >= 250_000
    assert len(times) >= 115


def test_two_paces_of_one_device_are_one_connection_and_one_description() -> None:
    bench = Bench()

    bench.play(20, bench.device(), bench.device(interval_ms=5_000))

    assert len(bench.of("device.connected")) == len(bench.of("device.described")) == 1
    assert {event.data["interval_ms"] for event in bench.of("sample.taken")} == {500, 5_000}


def test_the_same_poll_given_twice_is_refused() -> None:
    bench = Bench()

    with pytest.raises(ConfigurationError, match="polled twice"):
        bench.play(1, bench.device(), bench.device())


def test_devices_can_be_added_and_removed_while_the_others_go_on() -> None:
    bench = Bench()
    kept, removed, added = bench.device("kept"), bench.device("removed"), bench.device("added")

    bench.play(20, kept, removed, then=lambda b: b.runner.load([kept, added]))

    times = [event.time_us for event in bench.of("sample.taken", "kept")][1:]
    assert set(gaps(times)) == {500_000}
    assert len(bench.of("device.connected", "kept")) == 1
    assert bench.of("device.disconnected", "removed")[0].time_us == NOW_US + 10 * SECOND_US
    assert bench.of("sample.taken", "added")[0].time_us > NOW_US + 10 * SECOND_US
    assert isinstance(removed.adapter, Script)
    assert removed.adapter.closed == 1


def test_a_device_that_is_read_at_another_pace_from_now_on_stays_one_and_is_missed_when_it_dies() -> None:
    bench = Bench()

    def dying(now_s: float) -> Values:
        if now_s > 20:
            raise DeviceError("gone")
        return FINE

    spec = bench.device(answer=dying)
    bench.play(40, spec, then=lambda b: b.runner.load([replace(spec, interval_ms=250)]))
    assert isinstance(spec.adapter, Script)

    told = [event.type for event in bench.events if event.type != "sample.taken"]
    assert told == ["device.connected", "device.described", "device.disconnected"]
    assert spec.adapter.closed == 1


def test_while_the_clock_is_wrong_after_boot_samples_wait_and_then_get_their_true_times() -> None:
    bench = Bench()
    bench.clock.wall_at_start_us = 0
    bench.clock.uptime_at_start_us = 5 * SECOND_US
    bench.clock.synchronised = False

    def synchronise(b: Bench) -> None:
        assert not b.events
        b.clock.step(NOW_US)
        b.clock.synchronised = True

    bench.play(40, bench.device(), then=synchronise)

    samples = bench.of("sample.taken")
    times = [event.time_us for event in samples]
    assert NOW_US < times[0] < NOW_US + SECOND_US
    assert times == sorted(set(times))
    assert not any("unsynced" in event.data for event in samples)
    assert samples[0].data["late"] is True
    assert "late" not in samples[-1].data


def test_after_a_minute_without_a_clock_samples_go_out_flagged_with_what_can_mend_them() -> None:
    bench = Bench()
    bench.clock.uptime_at_start_us = 0
    bench.clock.synchronised = False

    bench.play(100, bench.device())

    samples = bench.of("sample.taken")
    assert all(event.data["unsynced"] for event in samples)
    first = samples[0]
    assert first.data["boot_id"] == "boot-1"
    assert first.time_us == NOW_US + first.data["monotonic_us"]
    assert len(samples) >= 199


def test_what_a_killed_process_held_is_published_by_its_successor_under_the_same_ids(tmp_path: Path) -> None:
    killed = Bench(spool=Spool(tmp_path / "held"))
    killed.clock.uptime_at_start_us = 0
    killed.clock.synchronised = False
    killed.play(20, killed.device(interval_ms=1_000))
    assert not killed.events

    successor = Bench(spool=Spool(tmp_path / "held"))
    successor.clock.uptime_at_start_us = 25 * SECOND_US
    successor.clock.wall_at_start_us = NOW_US + 25 * SECOND_US
    successor.play(10, successor.device(interval_ms=1_000))

    samples = successor.of("sample.taken")
    assert len(samples) >= 29
    assert len({event.id for event in samples}) == len(samples)
    assert samples[0].time_us < NOW_US + 2 * SECOND_US
    assert not (tmp_path / "held").exists()


def test_a_fact_that_the_disk_does_not_take_waits_and_the_samples_go_on() -> None:
    full = [True]

    def refuse(event: Envelope) -> Exception | None:
        return TransientError("the disk is full") if full[0] and event.type.startswith("device") else None

    bench = Bench(refuse=refuse)
    bench.play(20, bench.device(), then=lambda _: full.clear() or full.append(False))  # type: ignore[func-returns-value]

    samples = bench.of("sample.taken")
    assert len(samples) >= 39
    connected = bench.of("device.connected")[0]
    assert connected.time_us == samples[0].time_us
    assert bench.events.index(connected) > 18


def test_an_event_that_can_never_be_sent_is_left_out_and_the_rest_goes_on() -> None:
    bench = Bench(refuse=lambda e: InputError("subject", "subject", "no") if e.subject == "bad" else None)

    bench.play(10, bench.device("bad"), bench.device("good"))

    assert not bench.of("sample.taken", "bad")
    assert len(bench.of("sample.taken", "good")) >= 19


def test_what_comes_together_goes_onto_the_disk_together_and_in_order() -> None:
    bench = Bench()
    devices = [bench.device(f"rig_{number}", interval_ms=20) for number in range(50)]

    bench.play(3, *devices, publish=bench.slowly(0.3))

    assert bench.slow_writes < 10
    for number in range(50):
        own = [event for event in bench.events if event.subject == f"rig_{number}"]
        assert own[0].type == "device.connected"
        assert [event.id for event in own] == sorted(event.id for event in own)


def test_of_what_comes_together_only_what_cannot_be_sent_is_left_out() -> None:
    bad = {"rig_3", "rig_7"}
    bench = Bench(refuse=lambda e: InputError("subject", "subject", "no") if e.subject in bad else None)
    devices = [bench.device(f"rig_{number}", interval_ms=20) for number in range(10)]

    bench.play(4, *devices, publish=bench.slowly(0.3))

    for number in range(10):
        wanted = 0 if f"rig_{number}" in bad else 150
        assert len(bench.of("sample.taken", f"rig_{number}")) >= wanted
        assert wanted or not bench.of("sample.taken", f"rig_{number}")


def test_a_stop_does_not_cut_off_what_is_on_its_way_to_the_disk() -> None:
    bench = Bench()

    bench.play(5, bench.device(interval_ms=100), publish=bench.slowly(2.0))

    ids = [event.id for event in bench.events]
    assert len(ids) == len(set(ids))
    assert bench.events[-1].data["reason"] == "stopped"


def test_the_figures_of_very_many_devices_fit_into_a_message_and_tell_of_the_missing_first() -> None:
    bench = Bench()

    def gone(_: float) -> Values:
        raise DeviceError("x" * 500, reason="refused")

    def fine(_: float) -> Values:
        return FINE

    devices = [
        bench.device(f"rig_{number:03d}", answer=gone if number > 295 else fine) for number in range(300)
    ]
    said: list[dict[str, Any]] = []
    bench.play(4, *devices, then=lambda b: said.append(b.runner.status()))

    (status,) = said
    assert status["connected"] == 296
    assert len(orjson.dumps(status)) < 100_000
    assert {f"rig_{number}/victron" for number in range(296, 300)} < status["devices"].keys()
    assert len(status["devices"]) + status["devices_left_out"] == 300
