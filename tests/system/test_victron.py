"""The Victron producer against a real broker: found, read, watched, lost, found again; recordings played."""

import asyncio
import getpass
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bus.connection import Broker
from bus.envelope import Envelope
from producers import paced_loop
from producers.clock import SystemClock
from producers.pace import REAL, Pace
from producers.play import play_file
from producers.recording import Row, rows
from producers.runner import Runner
from producers.source import Setting
from producers.victron.source import VictronSource
from tests import waiting
from tests.services import Service, start_mosquitto
from tests.system.test_producers import journal
from tests.system.test_recorder import recording
from tests.unit.test_victron_recordings import RECORDINGS
from tests.victron import PORTAL, SYSTEM, VEBUS, ScriptedGx, charger, gx_on
from tests.waiting import PATIENCE_S

RIG = {("vebus", 276): VEBUS, ("system", 0): SYSTEM, ("solarcharger", 277): charger("HQ277", 640.0)}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


class Producer:
    """A runner and a Victron source in this process, and what they publish."""

    def __init__(self, tmp: Path, paced: Pace, gx: list[dict[str, Any]]) -> None:
        self.events: list[Envelope] = []
        clock = paced.clock(SystemClock())
        self.source = VictronSource(Setting("edge", tmp, tmp / "victron.json", clock, {"gx": gx}))
        self.runner = Runner(source="/edge/victron", publish=self._publish, clock=clock)

    def of(self, type_: str, **said: Any) -> list[Envelope]:
        return [
            event
            for event in self.events
            if event.type == type_ and all(event.data.get(key) == value for key, value in said.items())
        ]

    def values(self, name: str) -> list[Any]:
        return [
            event.data["values"][name] for event in self.of("sample.taken") if name in event.data["values"]
        ]

    async def _publish(self, events: Sequence[Envelope]) -> None:
        self.events += events


@asynccontextmanager
async def producing(tmp: Path, *gx: dict[str, Any], paced: Pace = REAL) -> AsyncIterator[Producer]:
    producer = Producer(tmp, paced, list(gx))
    changed = asyncio.Event()
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(producer.runner.run(stop)),
        asyncio.create_task(producer.source.run(changed.set)),
        asyncio.create_task(_load(producer, changed)),
    ]
    await producer.runner.load(producer.source.specs())
    try:
        yield producer
    finally:
        producer.source.save()
        stop.set()
        await tasks[0]
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)


async def _load(producer: Producer, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        await producer.runner.load(producer.source.specs())


def fast(speed: float) -> Pace:
    """Give a pace that begins now."""
    now_us = time.time_ns() // 1000
    return Pace(speed, now_us, now_us)


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition, whatever time the loop has."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE_S, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.01)


def test_a_gx_is_found_and_read_and_what_happens_behind_it_is_told(broker: Service, tmp_path: Path) -> None:
    async def main() -> None:
        async with producing(tmp_path, {"host": "127.0.0.1", "port": broker.port}) as producer:
            await until(lambda: len(producer.values("ac_out_power_w")) > 3, "samples")
            await until(lambda: producer.values("energy_inverter_to_out_wh"), "slow samples")
            assert {event.subject for event in producer.events} == {"gx_b50f49"}
            assert producer.of("device.connected", device="gx")
            assert producer.of("device.described", device="solarcharger/277", serial="HQ277")

            device.change("vebus", 276, "/Alarms/GridLost", 2)
            device.change("vebus", 276, "/Alarms/GridLost", 0)
            await until(lambda: producer.of("alarm.cleared"), "the alarm")
            (raised,) = producer.of("alarm.raised", alarm="grid_lost", device="vebus/276", level="alarm")
            (cleared,) = producer.of("alarm.cleared", alarm="grid_lost", device="vebus/276")
            assert 0 <= cleared.time_us - raised.time_us < 500_000

            device.leave("solarcharger", 277)
            await until(lambda: producer.of("device.disconnected"), "the departure")
            (left,) = producer.of("device.disconnected")
            assert (left.data["device"], left.data["reason"]) == ("solarcharger/277", "left")
            count = len(producer.values("ac_out_power_w"))
            await until(lambda: len(producer.values("ac_out_power_w")) > count + 2, "more samples")
            assert (
                "solarcharger_pv_power_w"
                not in producer.of("sample.taken", interval_ms=500)[-1].data["values"]
            )
        assert [event.type for event in producer.events].count("alarm.raised") == 1

    with gx_on(broker.port, ScriptedGx(RIG)) as device:
        asyncio.run(main())


def test_after_a_restart_a_gx_and_its_numbers_are_known(broker: Service, tmp_path: Path) -> None:
    options = {"host": "127.0.0.1", "port": broker.port}

    async def first() -> None:
        async with producing(tmp_path, options) as producer:
            await until(lambda: producer.values("solarcharger_pv_power_w"), "samples")

    async def second() -> None:
        async with producing(tmp_path, options) as producer:
            assert [spec.system_id for spec in producer.source.specs()] == ["gx_b50f49"] * 2
            await until(lambda: producer.values("solarcharger_2_pv_power_w"), "samples")
            assert set(producer.values("solarcharger_pv_power_w")) == {640.0}
            assert set(producer.values("solarcharger_2_pv_power_w")) == {7.0}

    gx = ScriptedGx(RIG)
    with gx_on(broker.port, gx):
        asyncio.run(first())
        gx.services["solarcharger", 3] = charger("HQ3", 7.0)
        asyncio.run(second())


def test_another_gx_in_the_place_of_a_known_one_is_taken_for_what_it_is(
    broker: Service, tmp_path: Path
) -> None:
    known = {"portals": {f"127.0.0.1:{broker.port}": "aaaaaaaaaaaa"}, "numbers": {}}
    (tmp_path / "victron.json").write_text(json.dumps(known))
    paced = fast(10.0)

    async def main() -> None:
        async with producing(tmp_path, {"host": "127.0.0.1", "port": broker.port}, paced=paced) as producer:
            assert [spec.system_id for spec in producer.source.specs()] == ["gx_aaaaaa"] * 2
            await until(lambda: producer.values("ac_out_power_w"), "samples")
            assert {event.subject for event in producer.of("sample.taken")} == {"gx_b50f49"}

    with gx_on(broker.port, ScriptedGx(RIG)):
        paced_loop.run(main(), paced)


def test_a_gx_that_hangs_or_restarts_is_told_and_read_again_at_once(broker: Service, tmp_path: Path) -> None:
    paced = fast(10.0)

    async def main() -> None:
        gx = {"host": "127.0.0.1", "port": broker.port, "system_id": "rig_01"}
        async with producing(tmp_path, gx, paced=paced) as producer:
            await until(lambda: producer.values("ac_out_power_w"), "samples")
            device.hangs = True
            await until(lambda: producer.of("device.disconnected", device="gx"), "silence")
            silent = producer.of("device.disconnected", device="gx")[0]
            assert silent.data["reason"] == "silent"
            device.hangs = False
            await until(lambda: len(producer.of("device.connected", device="gx")) == 2, "heart")

            producer.events.clear()
            broker.kill()
            await until(lambda: producer.of("device.disconnected", device="gx"), "lost")
            assert producer.of("device.disconnected", device="gx")[0].data["reason"] in {
                "link_lost",
                "refused",
            }
            assert producer.of("device.disconnected", device="vebus/276")
            producer.events.clear()
            broker.start()
            await until(lambda: producer.values("ac_out_power_w"), "samples again")
            assert producer.of("device.connected", device="vebus/276")
            assert not producer.of("alarm.raised")

    with gx_on(broker.port, ScriptedGx(RIG)) as device:
        paced_loop.run(main(), paced)


def test_an_old_gx_is_read_and_not_its_last_words(broker: Service, tmp_path: Path) -> None:
    paced = fast(10.0)
    dead = ScriptedGx(RIG, old=True)
    dead.services["vebus", 276]["/Ac/Out/P"] = 111

    async def main() -> None:
        gx = {"host": "127.0.0.1", "port": broker.port}
        async with producing(tmp_path, gx, paced=paced) as producer:
            await until(lambda: producer.of("device.disconnected", device="gx"), "nothing")
            assert not producer.of("sample.taken")
            with gx_on(broker.port, ScriptedGx(RIG, old=True)) as device:
                device.gx.alive = True
                await until(lambda: producer.values("ac_out_power_w"), "samples")
                assert set(producer.values("ac_out_power_w")) == {900}

    with gx_on(broker.port, dead) as device:
        device.say(*dead.everything())
        device.flush()
    paced_loop.run(main(), paced)


PRODUCE = """
import json, sys
from pathlib import Path
from bus.connection import Broker
from producers.run import run_producer
port, data, options = sys.argv[1:]
run_producer("victron", Broker(port=int(port)), client="victron", node_id="edge-01", data=Path(data),
             options=json.loads(options))
"""


def test_all_that_it_tells_is_recorded(broker: Service, tmp_path: Path) -> None:
    gx = ScriptedGx(RIG)
    gx.services["vebus", 276] |= {"/Alarms/Overload": 1, "/VebusError": 17, "/Alarms/NeverHeardOf": 2}
    gx.services["solarcharger", 277]["/ProductName"] = " Solar\u2028\n " + "x" * 300
    options = json.dumps({"gx": [{"host": "127.0.0.1", "port": broker.port, "system_id": "Rig 01"}]})
    command = (sys.executable, "-c", PRODUCE, str(broker.port), str(tmp_path), options)
    with gx_on(broker.port, gx) as device, recording(tmp_path, broker) as recorder:
        producer = subprocess.Popen(command)
        try:
            waiting.until(lambda: _recorded(tmp_path, "alarm.raised") >= 3, "the alarms")
            device.leave("solarcharger", 277)
            waiting.until(lambda: _recorded(tmp_path, "device.disconnected"), "the departure")
        finally:
            producer.terminate()
            assert producer.wait(PATIENCE_S) == 0
        waiting.until(lambda: _recorded(tmp_path, "device.disconnected") == 3, "the end")
        assert recorder._announcer.rejected_count == 0


def _recorded(data: Path, type_: str) -> int:
    return sum(event["type"] == type_ for event in journal(data))


def _certificate(directory: Path, name: str) -> tuple[Path, Path]:
    key, certificate = directory / f"{name}.key", directory / f"{name}.crt"
    asked = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
    asked += ["/CN=venus.local", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(asked, check=True, capture_output=True)
    return key, certificate


def test_tls_pins_the_certificate_and_a_wrong_password_is_refused(tmp_path: Path) -> None:
    key, certificate = _certificate(tmp_path, "gx")
    _, other = _certificate(tmp_path, "other")
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(passwords), "ovr", "secret"], check=True, capture_output=True
    )

    paced = fast(10.0)

    async def main(port: int) -> None:
        tls = {"host": "127.0.0.1", "port": port, "tls": True, "password": "secret"}
        asked: list[tuple[dict[str, Any], str]] = [
            ({**tls, "ca_file": str(certificate)}, ""),
            ({**tls, "insecure": True}, ""),
            ({**tls, "ca_file": str(other)}, "refused"),
            (tls, "refused"),
            ({**tls, "insecure": True, "password": "wrong"}, "refused"),
        ]
        for index, (options, reason) in enumerate(asked):
            state = tmp_path / str(index)
            state.mkdir()
            gx = {**options, "system_id": "rig", "portal_id": PORTAL}
            async with producing(state, gx, paced=paced) as producer:
                await until(lambda p=producer: p.events, "a word of it")  # type: ignore[misc]
                refused = [event.data["reason"] for event in producer.of("device.disconnected")]
                assert refused == ([reason] if reason else [])

    lines = (
        f"certfile {certificate}",
        f"keyfile {key}",
        "allow_anonymous false",
        f"user {getpass.getuser()}",
        f"password_file {passwords}",
    )
    with start_mosquitto(tmp_path, *lines) as service, gx_on(service.port, ScriptedGx(RIG), certificate):
        paced_loop.run(main(service.port), paced)


def play_and_compare(broker: Service, tmp: Path, path: Path, *, speed: float, length_s: float) -> None:
    """Play a recording through the broker to the producer, and look at what it publishes."""
    paced = fast(speed)

    async def main() -> None:
        gx = {"host": "127.0.0.1", "port": broker.port, "system_id": "rig", "portal_id": "c0ffee000001"}
        async with producing(tmp, gx, paced=paced) as producer:
            await until(lambda: _opened(producer), "an open connection")
            player = threading.Thread(
                target=play_file, args=(path, Broker(port=broker.port)), kwargs={"speed": speed}
            )
            player.start()
            await until(lambda: not player.is_alive(), "all is played")
            quick, slow = (producer.of("sample.taken", interval_ms=pace) for pace in (500, 5000))
            assert len(quick) <= 2 * length_s * 1.025 + 10
            assert len(slow) <= length_s / 5 * 1.05 + 4
            if speed == 1.0:  # a machine may be too slow for others
                assert len(quick) >= 2 * length_s * 0.975 - 10
                assert len(slow) >= length_s / 5 * 0.95 - 4
            assert not producer.of("alarm.raised")
            assert not [event for event in producer.of("device.disconnected") if event.data["device"] != "gx"]
            assert producer.source.status()["gx"]["rig"]["unreadable"] == 0
            topic = f"N/c0ffee000001/{FIGURE[path.stem][0]}"
            told = {json.loads(row.payload)["value"] for row in _rows(path) if row.topic == topic}
            ours = producer.values(FIGURE[path.stem][1])
            assert ours
            assert set(ours) <= {value if value is None else round(value, 1) for value in told}

    paced_loop.run(main(), paced)


FIGURE = {
    "venus-docker-bct": ("battery/1/Dc/0/Power", "battery_2_power_w"),
    "dbus-recorder-demo": ("grid/30/Ac/Power", "grid_power_w"),
}


def _opened(producer: Producer) -> bool:
    return bool(producer.source.status()["gx"]["rig"]["trouble"] == "it has told nothing yet")


def _rows(path: Path) -> list[Row]:
    with path.open("rb") as lines:
        return list(rows(lines))


def test_a_recording_played_to_the_producer_gives_samples_and_no_transition(
    broker: Service, tmp_path: Path
) -> None:
    source, length_s = RECORDINGS / "dbus-recorder-demo.jsonl", 60.0
    if not source.exists():
        pytest.skip(f"{source.name} is not here")
    cut = tmp_path / source.name
    with source.open("rb") as lines, cut.open("wb") as kept:
        kept.writelines(line for line in lines if json.loads(line)["t"] <= length_s)

    play_and_compare(broker, tmp_path, cut, speed=10.0, length_s=length_s)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "length_s"), [("venus-docker-bct", 603.0), ("dbus-recorder-demo", 121.0)])
def test_a_recording_played_at_its_own_pace(
    broker: Service, tmp_path: Path, name: str, length_s: float
) -> None:
    source = RECORDINGS / f"{name}.jsonl"
    if not source.exists():
        pytest.skip(f"{source.name} is not here")

    play_and_compare(broker, tmp_path, source, speed=1.0, length_s=length_s)
