"""The field UI in a browser while 200 systems tell their state twice a second: how fast it answers a finger.

Looked at on the main thread of the page: what a tap costs until the next picture, by a clock that stops while
others work; and by the browser's own Event Timing, from the touch to the next picture.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import CDPSession, Locator, Page, ViewportSize, sync_playwright

from bench.figures import Figure, percentile
from bench.node import running
from bench.processes import victoria
from bus import instants

SYSTEMS = 200
EVERY_S = 0.5
ROUNDS = 10
CHROMIUM = "/usr/bin/chromium"
PHONE = ViewportSize(width=390, height=844)
NEXT_PAINT = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_LOOK_S = 10.0
_WARM_S = 5.0
_SITE = """
without = ["projector-reports", "projector-archive", "detector", "alerts"]
[web]
requests_per_s = 10000.0
"""
_TIMING = """
window.taps = [];
new PerformanceObserver(list => {
  for (const one of list.getEntries()) if (one.interactionId) window.taps.push(one.duration);
}).observe({ type: 'event', durationThreshold: 16 });
"""


def pages(tmp: Path) -> Iterator[Figure]:
    """Tap through the screens on a phone-sized page, with all that live data behind them."""
    with (
        victoria(tmp) as server,
        running(tmp, server.port, _SITE) as node,
        telling(node["port_base"]),
        sync_playwright() as playwright,
    ):
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        context = browser.new_context(viewport=PHONE)
        context.add_init_script(_TIMING)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{node['port_base'] + 3}/#/now")
        page.locator(".tile").nth(SYSTEMS - 1).wait_for(state="attached", timeout=60_000)
        time.sleep(_WARM_S)
        yield from _measured(page)
        other = browser.new_context(viewport=PHONE).new_page()
        other.goto(f"http://127.0.0.1:{node['port_base'] + 3}/#/system/rig_000")
        times = _seen_elsewhere(page, other)
        yield Figure("pages: a tap, until another browser shows it, p50", percentile(times, 50), "ms")
        yield Figure("pages: a tap, until another browser shows it, worst", max(times), "ms", at_most=1000)
        browser.close()


def _measured(page: Page) -> Iterator[Figure]:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    begun_s, before_s = time.monotonic(), busy_s(session)
    time.sleep(_LOOK_S)
    busy = (busy_s(session) - before_s) / (time.monotonic() - begun_s)
    what = f"pages, {SYSTEMS} systems at {1 / EVERY_S:g} Hz, phone"
    yield Figure(f"{what}: main thread busy", 100 * busy, "%", at_most=10)
    for name, times in _taps(page, session).items():
        yield Figure(f"{what}: {name}, work to the next picture, p50", percentile(times, 50), "ms")
        yield Figure(f"{what}: {name}, work to the next picture, worst", max(times), "ms", at_most=100)
    seen: list[float] = page.evaluate("window.taps")
    if seen:
        yield Figure(f"{what}: any tap to the next picture, p50 (Event Timing)", percentile(seen, 50), "ms")
        name = f"{what}: any tap to the next picture, p98 (Event Timing)"
        yield Figure(name, percentile(seen, 98), "ms", at_most=100)


def _taps(page: Page, session: CDPSession) -> dict[str, list[float]]:
    """Tap; return how long the page worked for each tap, in ms, looking for the button not included."""
    found: dict[str, list[float]] = {}

    def tap(name: str, target: Locator) -> None:
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box is not None
        page.evaluate(NEXT_PAINT)
        before_s = busy_s(session)
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.evaluate(NEXT_PAINT)
        found.setdefault(name, []).append((busy_s(session) - before_s) * 1000)

    for number in range(ROUNDS):
        for name in ("Alarms", "All"):
            tap("filter of Now", page.locator(f".filter button:has-text('{name}')"))
        tap("opening Act", page.locator("nav a[href$='#/act']"))
        for label, text in (("System", f"rig_{number:03}"), ("Event", "Bench"), ("Note", f"Note {number}")):
            page.get_by_label(label, exact=True).first.fill(text)
            page.keyboard.press("Escape")
        for name in ("START", "ADD NOTE", "END"):
            page.get_by_label("Note", exact=True).fill(f"{name} {number}")
            tap(name, page.get_by_role("button", name=name, exact=True))
        tap("back to Now", page.locator("nav a[href$='#/now']"))
    return found


def _seen_elsewhere(page: Page, other: Page) -> list[float]:
    """Write notes on one page; return how long each took to be seen on another, in ms."""
    other.locator(".link.live").wait_for(timeout=60_000)
    page.locator("nav a[href$='#/act']").click()
    page.get_by_label("System", exact=True).first.fill("rig_000")
    page.keyboard.press("Escape")
    found = []
    for number in range(ROUNDS):
        text = f"Seen elsewhere {number}"
        page.get_by_label("Note", exact=True).fill(text)
        button = page.get_by_role("button", name="ADD NOTE", exact=True)
        begun_s = time.monotonic()
        button.click()
        other.get_by_text(text).first.wait_for(timeout=60_000)
        found.append((time.monotonic() - begun_s) * 1000)
    return found


def busy_s(session: CDPSession) -> float:
    """Return how long the page's main thread has worked, by a clock that stops when others work."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


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
