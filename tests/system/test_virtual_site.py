"""A virtual site on real servers: reached as its devices file says, faulty when it should be, and true."""

import asyncio
import signal
import socket
import struct
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import instants
from bus.envelope import Envelope
from bus.journal_sqlite import SqliteJournalReader
from producers import paced_loop
from producers.clock import SystemClock
from producers.modbus import entry as modbus_entry
from producers.modbus.maps import all_maps
from producers.pace import Pace, since_yesterday
from producers.simulator import scenario_file
from producers.simulator.site import VirtualSite
from producers.ups import options as ups_options
from producers.victron import options as gx_options
from tests.node import SMALL_SITE, running
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
SPEED = 30.0
RESOLUTION_WH = 100.0
LATE_S = 30.0
POWER = 0x4022
SITE = """
starts_at = "12:00"
[grid]
outages = [["12:00:30", "12:01:00"]]
[[rig]]
system_id = "rig_01"
pv_w = 4000
grid_meter = true
[[rig]]
system_id = "hybrid_01"
face = "sungrow_sh"
[[generator]]
on = "rig_01"
rated_w = 8000
[[meter]]
system_id = "acuvim_13"
on = "rig_01"
[[inverter]]
system_id = "fronius_21"
on = "rig_01"
pv_w = 3000
[[ups]]
system_id = "ups_foh"
on = "acuvim_13"
load_w = 300
[[load]]
name = "stage"
on = "acuvim_13"
power_w = 6000
flicker = 0
[[fault]]
what = "unplugged"
on = "acuvim_13"
when = [["12:01:00", "12:02:00"]]
[[fault]]
what = "reboots"
on = "rig_01"
when = [["12:01:00", "12:01:30"]]
[[fault]]
what = "unplugged"
on = "ups_foh"
when = [["12:01:00", "12:01:30"]]
[[action]]
at = "12:00:10"
type = "note.added"
on = "rig_01"
data = { text = "begun" }
[[action]]
at = "12:02:30"
type = "note.added"
on = "rig_01"
data = { text = "done" }
"""


class Life:
    """One life of a site, in this process."""

    def __init__(self, directory: Path, paced: Pace) -> None:
        path = directory.parent / "site.toml"
        path.write_text(SITE)
        self.sent: list[Envelope] = []
        self.paced = paced
        self.site = VirtualSite(
            scenario_file.load(str(path)),
            directory,
            paced.clock(SystemClock()),
            source="/edge-01/simulator",
            send=self._send,
            paced=paced,
        )

    def live(self, look: Callable[["Life"], Coroutine[Any, Any, None]]) -> None:
        """Run it for as long as somebody looks at it."""

        async def main() -> None:
            stop, ready = asyncio.Event(), asyncio.Event()
            life = asyncio.create_task(self.site.run(stop, ready.set))
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait([life, waiting], return_when=asyncio.FIRST_COMPLETED)
            try:
                if not life.done():
                    await look(self)
            finally:
                stop.set()
                await life

        paced_loop.run(main(), self.paced)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition, whatever time the site has."""
        began = time.monotonic()
        while not await asyncio.to_thread(condition):
            assert time.monotonic() - began < PATIENCE_S, f"not within {PATIENCE_S} s: {what}"
            await asyncio.sleep(1.0)

    def port(self, name: str) -> int:
        return next(face.port() for face in self.site.faces if face.name == name)

    async def _send(self, event: Envelope) -> None:
        self.sent.append(event)


def rows(directory: Path, name: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (directory / name).read_bytes().splitlines()]


def power_w(port: int) -> float | None:
    """Read an Acuvim II's total power; None when it does not answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.3) as meter:
            meter.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, POWER, 2))
            answer = meter.recv(64)
    except OSError:
        return None
    return float(struct.unpack(">f", answer[9:13])[0])


def reached(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def test_a_site_lives_fails_and_is_told_true(tmp_path: Path) -> None:
    directory = tmp_path / "simulator"
    paced = since_yesterday(SPEED, instants.now_us())

    async def first(life: Life) -> None:
        said = tomllib.loads((directory / "devices.toml").read_text())
        assert [one.system_id for one in gx_options.entries({"gx": said["gx"]})] == ["rig_01"]
        assert [one.system_id for one in ups_options.entries({"upsd": said["upsd"]})] == ["ups_foh"]
        devices, *_ = modbus_entry.entries({"devices": said["devices"]}, all_maps())
        assert sorted(one.system_id for one in devices) == ["acuvim_13", "fronius_21", "hybrid_01"]
        meter, gx = life.port("acuvim_13"), life.port("rig_01")
        assert await asyncio.to_thread(power_w, meter) == pytest.approx(6_000, rel=0.1)
        await life.until(lambda: power_w(meter) is None, "the meter is unplugged")
        await life.until(lambda: not reached(gx), "the GX restarts")
        await life.until(lambda: reached(gx), "the GX is back")
        await life.until(lambda: power_w(meter) is not None, "the meter is back")
        assert [event.data["text"] for event in life.sent] == ["begun"]

    async def second(life: Life) -> None:
        await life.until(lambda: life.sent, "the operator is done")

    one = Life(directory, paced)
    one.live(first)
    energies = rows(directory, "truth.jsonl")[-1]
    two = Life(directory, paced)
    two.live(second)

    after = rows(directory, "truth.jsonl")[-1]
    assert two.port("acuvim_13") == one.port("acuvim_13")
    assert two.port("rig_01") == one.port("rig_01")
    assert [event.data["text"] for event in two.sent] == ["done"]
    assert after["time"] > energies["time"]
    for system_id, counted in energies["energies"].items():
        for name, wh in counted.items():
            assert after["energies"][system_id][name] >= wh
    told = [(row["system_id"], row["what"], row["holds"]) for row in rows(directory, "occurred.jsonl")]
    for system_id, what in (
        ("rig_01", "grid_lost"),
        ("acuvim_13", "unplugged"),
        ("rig_01", "reboots"),
        ("ups_foh", "unplugged"),
    ):
        assert told.count((system_id, what, True)) == told.count((system_id, what, False)) == 1


def test_the_process_stops_cleanly_and_says_what_is_wrong_with_a_scenario(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "ovr", "simulate", "--data", str(tmp_path), "--speed", "10")
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    try:
        until((tmp_path / "simulator" / "devices.toml").exists, "it lives")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        if process.poll() is None:
            process.kill()
    wrong = subprocess.run(
        (*command, "nowhere"), cwd=ROOT, capture_output=True, check=False, timeout=PATIENCE_S
    )

    assert process.returncode == 0, said.decode()
    assert wrong.returncode == 78
    assert b"festival" in wrong.stderr


def compare(data: Path) -> int:
    """Assert that recorded counters are what was true at their times; return how many were compared."""
    found = rows(data / "simulator", "truth.jsonl")
    truth = [(instants.parse(row["time"]), row["energies"]) for row in found]
    reader = SqliteJournalReader(data / "journal")
    compared = 0
    for event in reader.read(types=["sample.taken"]):
        values = orjson.loads(event.body)["data"]["values"]
        before = [said for at_us, said in truth if at_us <= event.time_us - LATE_S * 1e6]
        after = [said for at_us, said in truth if at_us >= event.time_us]
        if before and after:
            for name in values.keys() & before[-1].get(event.subject, {}).keys():
                low, high = before[-1][event.subject][name], after[0][event.subject][name]
                assert low - RESOLUTION_WH <= values[name] <= high + RESOLUTION_WH, (event.subject, name)
                compared += 1
    reader.close()
    return compared


UNSEEN = (
    "alerts",
    "detector",
    "projector-archive",
    "projector-counters",
    "projector-reports",
    "projector-series",
    "replay",
    "web",
)


def test_what_a_node_records_of_a_site_is_what_was_true(tmp_path: Path) -> None:
    with running(tmp_path, "--scenario", str(SMALL_SITE), "--speed", "8", without=UNSEEN) as node:
        truth = node.data / "simulator" / "truth.jsonl"
        until(lambda: truth.read_bytes().count(b"\n") > 2, "some minutes are over")
        node.stop()
        assert compare(node.data) > 50
