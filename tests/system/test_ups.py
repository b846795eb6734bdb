"""UPSes behind a real upsd: what they go through, and what becomes of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bus.envelope import Envelope
from producers.adapter import AlarmSeen, DeviceError, Read
from producers.clock import SystemClock
from producers.holding import ClockReading
from producers.runner import Runner
from producers.source import Setting
from producers.ups.adapter import UpsAdapter
from producers.ups.client import Upsd
from producers.ups.source import UpsSource
from schemas.errors import ConfigurationError
from schemas.registry import Registry
from tests.nut import ON_LINE, Nut, start_nut
from tests.waiting import PATIENCE_S

UPSES = ("rack", "cut", "stale", "driver", "bare", "model")


@pytest.fixture(scope="module")
def nut() -> Iterator[Nut]:
    """Run one upsd for all tests: each has a UPS of its own, since upsd takes seconds to begin."""
    with start_nut(**dict.fromkeys(UPSES, ON_LINE)) as running:
        yield running


def active(read: Read) -> set[str]:
    return {seen.alarm for seen in read.seen if isinstance(seen, AlarmSeen) and seen.level is not None}


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110 - other processes set no event of ours
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE_S} s: {what}")


async def read_until(adapter: UpsAdapter, condition: Callable[[Read], bool], what: str) -> Read:
    """Read until it is as wanted; a busy machine lets upsd call a driver stale now and then."""
    last: Read | None = None

    async def holds() -> bool:
        nonlocal last
        try:
            last = await adapter.read()
        except DeviceError:
            return False
        return condition(last)

    await until(holds, what)
    assert last is not None
    return last


async def alarmed(adapter: UpsAdapter, *alarms: str) -> Read:
    return await read_until(adapter, lambda read: active(read) == set(alarms), " ".join(alarms))


async def works(adapter: UpsAdapter) -> Read:
    return await read_until(adapter, lambda _: True, "it can be read")


async def reason_is(adapter: UpsAdapter, reason: str) -> str:
    told = ""

    async def refused() -> bool:
        nonlocal told
        try:
            await adapter.read()
        except DeviceError as error:
            told = str(error)
            return error.reason == reason
        return False

    await until(refused, reason)
    return told


def adapter_of(nut: Nut, ups: str = "rack") -> tuple[Upsd, UpsAdapter]:
    upsd = Upsd("127.0.0.1", nut.port)
    return upsd, UpsAdapter(upsd, ups)


def test_a_power_cut_up_to_the_forced_shutdown_and_back(nut: Nut) -> None:
    async def through() -> list[Read]:
        upsd, adapter = adapter_of(nut, "cut")
        reads = [await alarmed(adapter)]
        nut.set("cut", {"ups.status": "OB DISCHRG", "battery.charge": "64", "input.voltage": "0"})
        reads.append(await alarmed(adapter, "on_battery"))
        nut.set("cut", {"ups.status": "OB DISCHRG LB", "battery.charge": "9"})
        reads.append(await alarmed(adapter, "on_battery", "low_battery"))
        nut.set("cut", {"ups.status": "FSD OB DISCHRG LB"})
        reads.append(await alarmed(adapter, "on_battery", "low_battery", "forced_shutdown"))
        nut.set("cut", {"ups.status": "OL CHRG", "battery.charge": "11", "input.voltage": "229.8"})
        reads.append(await alarmed(adapter))
        upsd.close()
        return reads

    on_line, cut, low, forced, back = [read.values for read in asyncio.run(through())]

    assert (on_line["ups_online_code"], on_line["soc_pct"], on_line["ac_in_voltage_v"]) == (1.0, 100.0, 230.1)
    assert (cut["ups_on_battery_code"], cut["ups_online_code"], cut["soc_pct"]) == (1.0, 0.0, 64.0)
    assert (low["ups_low_battery_code"], low["ac_in_voltage_v"]) == (1.0, 0.0)
    assert forced["ups_shutdown_code"] == 1.0
    assert (back["ups_charging_code"], back["ups_on_battery_code"], back["soc_pct"]) == (1.0, 0.0, 11.0)


def test_figures_that_upsd_calls_stale_are_not_told(nut: Nut) -> None:
    async def through() -> str:
        upsd, adapter = adapter_of(nut, "stale")
        await works(adapter)
        nut.freeze("stale")
        told = await reason_is(adapter, "stale")
        nut.thaw("stale")
        await works(adapter)
        upsd.close()
        return told

    assert "nothing new" in asyncio.run(through())


def test_a_ups_whose_driver_ended_is_lost_and_comes_back(nut: Nut) -> None:
    async def through() -> None:
        upsd, adapter = adapter_of(nut, "driver")
        await works(adapter)
        nut.unplug("driver")
        await reason_is(adapter, "driver_lost")
        nut.plug("driver")
        await works(adapter)
        upsd.close()

    asyncio.run(through())


def test_an_upsd_that_restarts_is_found_again(nut: Nut) -> None:
    async def through() -> None:
        upsd, adapter = adapter_of(nut)
        await works(adapter)
        nut.stop()
        await reason_is(adapter, "refused")
        nut.start()
        await works(adapter)
        upsd.close()

    asyncio.run(through())


def test_a_name_that_upsd_does_not_know_has_left(nut: Nut) -> None:
    async def through() -> None:
        upsd, adapter = adapter_of(nut, "other")
        await reason_is(adapter, "left")
        upsd.close()

    asyncio.run(through())


def test_a_reading_that_goes_away_is_no_value(nut: Nut) -> None:
    async def through() -> Read:
        upsd, adapter = adapter_of(nut, "bare")
        await works(adapter)
        nut.unplug("bare")  # dummy-ups keeps what it once had; a new one begins anew
        nut.set("bare", {"ups.status": "OL"})
        nut.plug("bare")
        read = await read_until(
            adapter,
            lambda read: read.values["soc_pct"] is None and bool(read.values["ups_online_code"]),
            "anew",
        )
        upsd.close()
        return read

    values = asyncio.run(through()).values

    assert values["soc_pct"] is None
    assert values["ups_online_code"] == 1.0


def test_a_ups_says_what_it_is(nut: Nut) -> None:
    nut.set(
        "model",
        {"ups.status": "OL", "ups.model": "Model \\\\ 5", "ups.serial": "S1 ", "ups.power.nominal": "1500"},
    )

    async def through() -> Any:
        upsd, adapter = adapter_of(nut, "model")
        assert await adapter.describe() is None

        async def serial() -> bool:
            await works(adapter)
            said = await adapter.describe()
            return said is not None and said.serial is not None

        await until(serial, "the serial is there")
        upsd.close()
        return await adapter.describe()

    said = asyncio.run(through())

    assert (said.maker, said.serial, said.rated_va) == ("Dummy Manufacturer", "S1", 1500.0)


def setting(tmp_path: Path, options: dict[str, Any]) -> Setting:
    return Setting("edge-01", tmp_path, tmp_path / "producers" / "ups.json", SystemClock(), options)


async def found(source: UpsSource, *wanted: str) -> None:
    """Let a source look until it has at least these systems."""
    running = asyncio.create_task(source.run(lambda: None))

    async def there() -> bool:
        return set(wanted) <= {spec.system_id for spec in source.specs()}

    await until(there, " ".join(wanted))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_all_upses_of_an_upsd_are_found_new_ones_too_and_none_is_forgotten(nut: Nut, tmp_path: Path) -> None:
    options = {"upsd": [{"port": nut.port}]}
    first = {f"ups_{ups}" for ups in UPSES}

    async def through() -> None:
        source = UpsSource(setting(tmp_path, options))
        assert list(source.specs()) == []
        await found(source, *first)
        before = source.specs()
        nut.add("hall-3")
        await found(source, "ups_hall_3")
        assert all(spec is other for spec, other in zip(source.specs(), before, strict=False))
        source.save()

    asyncio.run(through())
    again = UpsSource(setting(tmp_path, options))  # nothing runs: its upsd might be away

    assert {spec.system_id for spec in again.specs()} == first | {"ups_hall_3"}
    assert f"hall-3@127.0.0.1:{nut.port}" in {spec.address for spec in again.specs()}


def test_what_is_found_is_told_once(nut: Nut, tmp_path: Path) -> None:
    changes: list[int] = []

    async def through() -> None:
        source = UpsSource(setting(tmp_path, {"upsd": [{"port": nut.port}]}))
        running = asyncio.create_task(source.run(lambda: changes.append(len(source.specs()))))
        await until(lambda: _true(bool(changes)), "a change is told")
        source.configure({"upsd": [{"port": nut.port}, {"ups": "other"}]})  # makes it look at once
        looked = source._look
        await until(lambda: _true(not looked.is_set()), "it has looked again")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(through())

    assert len(changes) == 1
    assert changes[0] >= len(UPSES)


async def _true(value: bool) -> bool:
    return value


def test_a_ups_that_has_left_is_not_waited_for_after_a_restart(nut: Nut, tmp_path: Path) -> None:
    options = {"upsd": [{"port": nut.port}]}
    nut.add("old")

    async def through() -> None:
        source = UpsSource(setting(tmp_path, options))
        await found(source, "ups_old")
        nut.remove("old")

        async def unlisted() -> bool:
            await source._find(source._entries[0])
            return "old" not in source._listed[f"127.0.0.1:{nut.port}"]

        await until(unlisted, "upsd does not list it")
        assert "ups_old" in {spec.system_id for spec in source.specs()}  # it is told as having left
        source.save()
        source.configure({"upsd": []})

    asyncio.run(through())
    again = {spec.system_id for spec in UpsSource(setting(tmp_path, options)).specs()}

    assert "ups_rack" in again
    assert "ups_old" not in again


def test_two_upsds_whose_upses_have_one_name_are_two_systems(nut: Nut, tmp_path: Path) -> None:
    options = {"upsd": [{"port": nut.port}, {"host": "localhost", "port": nut.port}]}

    async def through() -> list[str]:
        source = UpsSource(setting(tmp_path, options))
        running = asyncio.create_task(source.run(lambda: None))

        async def both() -> bool:
            return len({spec.address.rpartition("@")[2] for spec in source.specs()}) > 1

        await until(both, "both are found")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [spec.system_id for spec in source.specs()]

    names = asyncio.run(through())

    assert len(names) == len(set(names))
    assert {"ups_rack", "ups_rack_1"} <= set(names) or {"ups_rack", "ups_rack_localhost"} <= set(names)


def test_named_upses_need_no_search(tmp_path: Path) -> None:
    upsd = [
        {"host": "10.0.0.9", "ups": "rack", "system_id": "UPS FOH"},
        {"host": "10.0.0.9", "ups": "stage left"},
    ]

    specs = UpsSource(setting(tmp_path, {"upsd": upsd, "interval_ms": 500})).specs()

    assert [(spec.system_id, spec.kind, spec.interval_ms) for spec in specs] == [
        ("ups_foh", "ups", 500),
        ("ups_stage_left", "ups", 500),
    ]


def test_new_options_leave_what_has_not_changed(tmp_path: Path) -> None:
    async def through() -> None:
        source = UpsSource(setting(tmp_path, {"upsd": [{"ups": "a"}, {"ups": "b"}]}))
        a, _ = source.specs()
        source.configure({"upsd": [{"ups": "c"}, {"ups": "a"}]})
        c, still = source.specs()
        assert (still is a, c.system_id) == (True, "ups_c")
        with pytest.raises(ConfigurationError):
            source.configure({"upsd": [{"hots": "a"}]})
        assert len(source.specs()) == 2

    asyncio.run(through())


def test_an_empty_table_is_the_upsd_of_this_machine(tmp_path: Path) -> None:
    source = UpsSource(setting(tmp_path, {"upsd": [{}]}))
    assert [(entry.host, entry.port) for entry in source._entries] == [("127.0.0.1", 3493)]
    assert not UpsSource(setting(tmp_path, {}))._entries


class Collected:
    """A runner's outbox that is a list."""

    def __init__(self) -> None:
        self.events: list[Envelope] = []

    async def publish(self, events: Sequence[Envelope]) -> None:
        self.events.extend(events)

    def types(self, *, after: int = 0) -> list[str]:
        return [event.type for event in self.events[after:] if event.type != "sample.taken"]


def test_what_a_ups_goes_through_becomes_events(nut: Nut, tmp_path: Path) -> None:
    outbox = Collected()
    upsd = [{"port": nut.port, "ups": "cut", "system_id": "ups_foh", "interval_ms": 100}]

    async def through() -> None:
        source, stop = UpsSource(setting(tmp_path, {"upsd": upsd})), asyncio.Event()
        runner = Runner(source="/edge-01/ups", publish=outbox.publish, clock=FakeSynchronised())
        await runner.load(source.specs())
        running = asyncio.create_task(runner.run(stop))
        beside = asyncio.create_task(source.run(lambda: None))
        steps: list[tuple[Callable[[], object], str, str]] = [
            (lambda: None, "device.described", "it is described"),
            (lambda: nut.set("cut", {"ups.status": "OB DISCHRG"}), "alarm.raised", "on battery"),
            (lambda: nut.set("cut", {"ups.status": "OL CHRG"}), "alarm.cleared", "on line"),
            (lambda: nut.unplug("cut"), "device.disconnected", "lost"),
            (lambda: nut.plug("cut"), "device.connected", "back"),
        ]
        for act, type_, what in steps:
            before = len(outbox.events)
            act()
            await until(lambda: _true(type_ in outbox.types(after=before)), what)  # noqa: B023 - awaited here
        stop.set()
        await running
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)

    asyncio.run(through())
    types = outbox.types()
    facts = {event.type: event.data for event in outbox.events}

    assert types[:2] == ["device.connected", "device.described"]
    assert types.index("alarm.raised") < types.index("alarm.cleared") < types.index("device.disconnected")
    assert facts["alarm.raised"]["alarm"] == facts["alarm.cleared"]["alarm"] == "on_battery"
    assert {event.subject for event in outbox.events} == {"ups_foh"}
    assert any(
        event.data["values"].get("ups_on_battery_code") == 1.0
        for event in outbox.events
        if event.type == "sample.taken"
    )
    registry = Registry.load()
    for event in outbox.events:
        registry.check(event.type, 1, event.data)


class FakeSynchronised(SystemClock):
    """The clocks of this machine, which are taken for right: nothing waits for a time service."""

    def read(self) -> ClockReading:
        return replace(super().read(), synchronised=True)


@pytest.mark.parametrize(
    ("upsd", "said"),
    [
        ([{"hots": "10.0.0.9"}], "no hots"),
        ([{"port": 0}], "port"),
        ([{"port": True}], "port"),
        ([{"host": ""}], "host"),
        ([{"ups": "a\nb"}], "ups"),
        ([{"system_id": "rack"}], "needs `ups`"),
        ([{"ups": "a", "system_id": "!"}], "system_id"),
        ([{"ups": "a"}, {"ups": "a"}], "twice"),
        ([{"ups": "a"}, {"ups": "a", "host": "10.0.0.9"}], "two UPSes called ups_a"),
        ({"host": "10.0.0.9"}, "double brackets"),
        ([{"password": "a\nb"}], "not that"),
        ([{"insecure": True}], "need tls"),
        ([{"tls": "yes"}], "true or false"),
        ([{"tls": True, "ca_file": "/no/such.pem"}], "cannot read"),
    ],
)
def test_options_that_cannot_be_are_refused(upsd: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        UpsSource(setting(tmp_path, {"upsd": upsd}))


def test_a_state_file_that_cannot_be_read_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "producers").mkdir()
    for text in ("", "[]", '{"a": 1}', '{"a": {"b": "!"}}'):
        (tmp_path / "producers" / "ups.json").write_text(text)
        assert list(UpsSource(setting(tmp_path, {"upsd": [{}]})).specs()) == []
