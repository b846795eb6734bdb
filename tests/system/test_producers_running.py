"""A producer process while it runs: hung devices, files that change, kills, and time that runs faster."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import instants
from bus.journal_sqlite import SqliteJournalReader
from tests.services import Service, start_mosquitto
from tests.system.test_recorder import recording
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with start_mosquitto(tmp_path_factory.mktemp("running")) as service:
        yield service


@contextmanager
def producing(broker: Service, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = (sys.executable, "-m", "tests.scripted", str(broker.port), str(data), str(data / "site.toml"))
    with (data / "producer.log").open("ab") as log:
        process = subprocess.Popen(command, stderr=log, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def say(data: Path, text: str) -> None:
    part = data / "site.part"
    part.write_text(text)
    part.replace(data / "site.toml")


def journal(data: Path) -> list[dict[str, Any]]:
    reader = SqliteJournalReader(data / "journal")
    try:
        return [orjson.loads(recorded.body) for recorded in reader.read(0)]
    finally:
        reader.close()


def told(data: Path, *types: str) -> list[tuple[str, str, str]]:
    """Give what was told but samples: type, system, device."""
    return [
        (event["type"], event["subject"], event["data"].get("device", ""))
        for event in journal(data)
        if event["type"].startswith(types)
    ]


def samples(data: Path, system_id: str) -> list[dict[str, Any]]:
    return [e for e in journal(data) if (e["type"], e["subject"]) == ("sample.taken", system_id)]


def test_a_device_that_cannot_even_be_cancelled_delays_no_other_nor_the_end(
    broker: Service, tmp_path: Path
) -> None:
    fine = [f"fine_{number}" for number in range(99)]
    say(tmp_path, f'fine = {fine}\ndeaf = ["deaf"]\ninterval_ms = 250\n')

    with recording(tmp_path, broker):
        with producing(broker, tmp_path) as process:
            until(lambda: ("device.disconnected", "deaf", "host") in told(tmp_path, "device"), "it is missed")
            until(lambda: len(samples(tmp_path, "fine_98")) >= 20, "the others go on")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        events = journal(tmp_path)

    times: dict[str, list[int]] = {name: [] for name in fine}
    for event in events:
        if event["type"] == "sample.taken":
            times[event["subject"]].append(instants.parse(event["time"]))
    gaps = sorted(later - earlier for each in times.values() for earlier, later in pairwise(each[1:]))
    assert gaps[len(gaps) // 2] == pytest.approx(250_000, rel=0.02)
    assert gaps[len(gaps) * 98 // 100] < 375_000


def test_files_that_change_are_taken_over_and_wrong_ones_are_not(broker: Service, tmp_path: Path) -> None:
    say(tmp_path, 'fine = ["kept", "gone"]\ninterval_ms = 100\n')

    with recording(tmp_path, broker), producing(broker, tmp_path) as process:
        until(lambda: samples(tmp_path, "gone") and samples(tmp_path, "kept"), "both are polled")
        say(tmp_path, 'fine = ["kept", "new"')
        process.send_signal(signal.SIGHUP)
        until(lambda: "cannot be read" in (tmp_path / "producer.log").read_text(), "it is said to be wrong")
        say(tmp_path, 'fine = ["kept", "new"]\ninterval_ms = 100\n')
        until(lambda: samples(tmp_path, "new"), "it is taken over without a signal")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0

    assert told(tmp_path, "device.connected", "device.dis").count(("device.connected", "kept", "host")) == 1
    gone = [type_ for type_, system, _ in told(tmp_path, "alarm", "device") if system == "gone"]
    assert gone[-3:] == ["alarm.cleared", "device.disconnected", "device.disconnected"]


def test_a_killed_producer_raises_no_alarm_again_and_tells_no_part_again(
    broker: Service, tmp_path: Path
) -> None:
    say(tmp_path, 'fine = ["rig_01"]\ninterval_ms = 100\n')

    with recording(tmp_path, broker):
        for life in (1, 2, 3):
            with producing(broker, tmp_path) as process:
                own = ("device.connected", "rig_01", "host")
                until(lambda: told(tmp_path, "device").count(own) >= life, "it is connected")  # noqa: B023
                until((tmp_path / "producers" / "scripted.told").exists, "what was told is written down")
                os.kill(process.pid, signal.SIGKILL)

    assert len(told(tmp_path, "alarm")) == 1
    assert told(tmp_path, "device").count(("device.connected", "rig_01", "behind")) == 1


def test_a_simulation_that_runs_faster_fills_its_hours_and_goes_on_in_time_after_a_kill(
    broker: Service, tmp_path: Path
) -> None:
    now_us = instants.now_us()
    zero_us = now_us - 24 * HOUR_US
    say(
        tmp_path,
        'fine = ["rig_01"]\ninterval_ms = 5000\n[clock]\nspeed = 60\n'
        f'real_zero = "{instants.text(now_us)}"\nzero = "{instants.text(zero_us)}"\n',
    )

    def minutes() -> int:
        return len({instants.parse(event["time"]) // 60_000_000 for event in samples(tmp_path, "rig_01")})

    with recording(tmp_path, broker):
        for life in (1, 2):
            with producing(broker, tmp_path) as process:
                until(lambda: minutes() >= 3 * life, "minutes of the simulation have passed")  # noqa: B023
                os.kill(process.pid, signal.SIGKILL)
        ended_us = instants.now_us()

    times = [instants.parse(event["time"]) for event in samples(tmp_path, "rig_01")]
    assert times == sorted(times)
    assert zero_us < times[0]
    assert times[-1] < zero_us + (ended_us - now_us) * 60
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    assert gaps[len(gaps) // 2] == pytest.approx(5_000_000, rel=0.1)


def test_a_producer_of_a_node_follows_its_site_toml(broker: Service, tmp_path: Path) -> None:
    def site(interval_ms: object) -> str:
        head = f'node_id = "edge-01"\n[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        return f"{head}[producers.machine]\nkind = 'host'\ninterval_ms = {interval_ms}\n"

    def intervals() -> set[object]:
        return {event["data"]["interval_ms"] for event in samples(tmp_path, "host_edge_01")}

    say(tmp_path, site(1_000))
    command = (sys.executable, "-m", "ovr", "produce", "machine", "--data", str(tmp_path))
    log = tmp_path / "producer.log"
    with recording(tmp_path, broker), log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file)
        try:
            until(lambda: intervals() == {1_000}, "it reads once a second")
            say(tmp_path, site("'often'"))
            until(lambda: b"interval_ms" in log.read_bytes(), "it says what is wrong")
            say(tmp_path, site(250))
            until(lambda: 250 in intervals(), "it reads four times a second")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()

    own = ("device.connected", "host_edge_01", "host")
    assert told(tmp_path, "device.connected").count(own) == 1
