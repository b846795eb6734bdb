"""The host adapter: real input from the machine that the tests run on."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from producers import host_readings
from producers.adapter import DeviceError, Read
from producers.clock import SystemClock
from producers.host import HostAdapter, HostSource
from producers.source import Setting
from schemas.measurements import unknown


async def read(adapter: HostAdapter) -> Read:
    try:
        return await adapter.read()
    finally:
        await adapter.close()


def test_this_machine_has_a_processor_memory_a_disk_and_a_clock(tmp_path: Path) -> None:
    values = asyncio.run(read(HostAdapter(tmp_path))).values

    assert not unknown(values)
    assert values["memory_total_bytes"] == psutil.virtual_memory().total
    for name in ("cpu_pct", "memory_used_pct", "disk_used_pct"):
        value = values[name]
        assert value is not None
        assert 0 <= value <= 100
    assert values["host_uptime_s"] == pytest.approx(SystemClock().monotonic_us() / 1e6, abs=60)
    assert values["clock_synchronised_code"] in {0.0, 1.0}


def test_what_the_machine_does_not_have_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "sensors_temperatures", dict)
    monkeypatch.setattr(psutil, "sensors_fans", dict)

    assert host_readings.temperatures() == {}


def test_sensors_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def sensor(*current: float | None) -> list[SimpleNamespace]:
        return [SimpleNamespace(label="", current=value) for value in current]

    sensors = {"coretemp": sensor(51.0, 63.5, None), "nvme": sensor(38.9), "acpitz": sensor(27.8)}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors)
    monkeypatch.setattr(psutil, "sensors_fans", dict)

    assert host_readings.temperatures() == {
        "host_temperature_c": 63.5,
        "cpu_temperature_c": 63.5,
        "disk_temperature_c": 38.9,
    }


def test_what_cannot_be_read_leaves_the_rest(tmp_path: Path) -> None:
    told = asyncio.run(read(HostAdapter(tmp_path / "unmounted")))

    assert "disk" in told.missing
    assert "memory_used_pct" in told.values
    assert "disk_used_pct" not in told.values


def test_a_read_that_hangs_is_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    begun: list[int] = []

    def hang(_: Path) -> dict[str, float | None]:
        begun.append(1)
        hangs.wait(30)
        return {}

    async def twice() -> None:
        adapter = HostAdapter(tmp_path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await adapter.read()
        with pytest.raises(DeviceError, match="still hangs"):
            await adapter.read()
        hangs.set()
        await adapter.close()

    monkeypatch.setattr(host_readings, "disk", hang)
    asyncio.run(twice())

    assert len(begun) <= 1


def test_the_host_is_one_system_named_after_its_node(tmp_path: Path) -> None:
    setting = Setting("edge-01", tmp_path, tmp_path / "state", SystemClock(), {"interval_ms": 1_000})

    (spec,) = HostSource(setting).specs()

    assert (spec.system_id, spec.kind, spec.interval_ms) == ("host_edge-01", "host", 1_000)
    description = asyncio.run(spec.adapter.describe())
    assert description is not None
    assert description.model
    asyncio.run(spec.adapter.close())
