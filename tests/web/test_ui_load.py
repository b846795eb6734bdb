"""Two hundred systems at twice a second: the page stays idle enough to answer a finger at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import CDPSession, expect

from bus import instants
from tests.browsers import DESK, PHONE, Pages, chromium
from tests.node import running

SYSTEMS = 200
EVERY_S = 0.5
LOOK_MS = 10_000
MOST_BUSY = 0.10
MOST_ANSWER_MS = 100
NEXT_PAINT = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

pytestmark = pytest.mark.soak


def state(number: int, turn: int) -> bytes:
    """Say what a battery system with three phases and a hundred readings says."""
    now = instants.text(instants.now_us())
    power = 4000 + 37 * number + 100 * (turn % 9)
    values: dict[str, float] = {"ac_out_power_w": power, "soc_pct": 40 + number % 60, "state_code": 9}
    values |= {"battery_power_w": -power, "tank_level_pct": 61.0}
    values |= {f"ac_out_l{n}_power_w": power / 3 + 10 * n for n in (1, 2, 3)}
    values |= {f"x_reading_{n:03}_v": 230 + n / 10 + turn % 7 for n in range(100)}
    streams = [{"kind": "victron", "interval_ms": 500, "time": now, "values": values}]
    said: dict[str, Any] = {"system_id": f"rig_{number:03}", "name": None, "kind": None, "time": now}
    said |= {"window": None, "location": None, "readings": streams, "devices": {}, "alarms": []}
    return orjson.dumps(said)


@contextmanager
def telling(port: int) -> Iterator[None]:
    """Publish the state of all systems twice a second, evenly, until the block ends."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    ended = threading.Event()

    def tell() -> None:
        turn = 0
        while not ended.wait(EVERY_S / 10):
            turn += 1
            for number in range(turn % 10, SYSTEMS, 10):
                client.publish(f"ovr/state/rig_{number:03}", state(number, turn), retain=True)

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        client.loop_stop()
        client.disconnect()


def busy_s(session: CDPSession) -> float:
    """Return how long the page's main thread has worked, by a clock that stops when others work."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_two_hundred_systems_leave_the_page_idle(tmp_path: Path, viewport: Any) -> None:
    with running(tmp_path) as node, chromium() as browser, telling(node.base):
        pages = Pages(browser, f"http://127.0.0.1:{node.base + 3}")
        ui = pages.new(viewport=viewport)
        ui.open("now")
        ui.live()
        expect(ui.page.locator(".tile")).to_have_count(SYSTEMS + 1, timeout=30_000)
        ui.page.wait_for_timeout(5_000)
        session = ui.page.context.new_cdp_session(ui.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = busy_s(session)
        ui.page.wait_for_timeout(LOOK_MS)
        busy = (busy_s(session) - before) / (LOOK_MS / 1000)
        clicks = ("Alarms", "All", "List", "List", "Active", "All")
        before = busy_s(session)
        for name in clicks:
            ui.page.get_by_role("button", name=name).first.click()
            ui.page.evaluate(NEXT_PAINT)
        answer_ms = (busy_s(session) - before) / len(clicks) * 1000
        pages.close()
    assert busy < MOST_BUSY, (busy, answer_ms)
    assert answer_ms < MOST_ANSWER_MS, (busy, answer_ms)
