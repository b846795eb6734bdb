"""Chromium on the field UI of a node: pages that act as technicians do, and what they must not say."""

import fcntl
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from bus.envelope import decode
from tests.node import Node
from tests.waiting import PATIENCE_S

CHROMIUM = "/usr/bin/chromium"
WEB_UI = Path(__file__).parents[1] / "web" / "ui"
PHONE = ViewportSize(width=360, height=740)
DESK = ViewportSize(width=1440, height=900)
PLAIN_HOST = "n100.lan"  # an origin that browsers do not trust, as on a network without certificates
SCREENS = ("now", "act", "events", "alerts", "reports", "counters", "map", "health", "settings")
_PATIENCE_MS = PATIENCE_S * 1000
expect.set_options(timeout=_PATIENCE_MS)
# A page that lost the node, or asks for what is not there yet, finds that in its console.
_EXPECTED = re.compile(r"Failed to load resource|net::ERR_|WebSocket connection to|origin was untrustworthy")


@dataclass
class Ui:
    """One page, and what its console said."""

    page: Page
    url: str
    said: list[str] = field(default_factory=list)

    def open(self, screen: str = "now") -> None:
        """Go to a screen, in the page that is open or a new one."""
        self.page.goto(f"{self.url}/#/{screen}")

    def live(self) -> None:
        """Wait until the page is live."""
        expect(self.page.locator(".link.live")).to_be_visible()

    def fill(self, label: str, text: str) -> None:
        """Type into a field and leave it."""
        box = self.page.get_by_label(label, exact=True).first
        box.fill(text)
        box.press("Escape")

    def act(self, button: str, **fields: str) -> None:
        """Fill the form of `Act` and press a button."""
        if not self.page.url.endswith("#/act"):
            self.open("act")
        for label, text in fields.items():
            self.fill(label.capitalize(), text)
        self.page.get_by_role("button", name=button, exact=True).click()

    def settled(self) -> None:
        """Wait until nothing waits to be recorded."""
        expect(self.page.locator(".status-waiting")).to_have_count(0)

    def hold(self, name: str) -> None:
        """Hold a button until it acts."""
        button = self.page.get_by_role("button", name=name)
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.down()
        expect(button).to_have_class(re.compile("held"))
        expect(button).not_to_have_class(re.compile("held"))
        self.page.mouse.up()

    def quiet(self) -> None:
        """Wait until a screen has everything that it asked for."""
        expect(self.page.locator("main h1, main .empty").first).to_be_attached()
        expect(self.page.get_by_text("Loading…")).to_have_count(0)

    def violations(self, rules: Sequence[str] = ()) -> list[str]:
        """Ask axe-core what is not accessible, by some of its rules or by all."""
        if not self.page.evaluate("'axe' in window"):
            axe = modules() / "axe-core" / "axe.min.js"
            self.page.evaluate(axe.read_text(encoding="utf-8"))
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": [*rules]}
        found = self.page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]


@dataclass
class Pages:
    """Makes pages, each in a browser of its own, and closes them."""

    browser: Browser
    url: str
    contexts: list[BrowserContext] = field(default_factory=list)
    made: list[Ui] = field(default_factory=list)

    def new(
        self,
        *,
        viewport: ViewportSize = PHONE,
        settings: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Ui:
        """Open a browser that knows nothing, on the node's UI."""
        context = self.browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(_PATIENCE_MS)
        for name, value in (settings or {}).items():
            context.add_init_script(f"localStorage.setItem('ovr.{name}', {value!r})")
        self.contexts.append(context)
        ui = Ui(context.new_page(), self.url)
        ui.page.on("console", lambda m: ui.said.append(m.text) if m.type in {"error", "warning"} else None)
        ui.page.on("pageerror", lambda error: ui.said.append(f"uncaught: {error}"))
        self.made.append(ui)
        return ui

    def close(self) -> None:
        """Close all, and fail when a console said what it should not."""
        said = [line for ui in self.made for line in ui.said if not _EXPECTED.search(line)]
        for context in self.contexts:
            try:
                context.close()
            except Error:
                continue
        self.contexts.clear()
        self.made.clear()
        assert not said, said


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium."""
    options = [f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


def node_first() -> dict[str, str]:
    """Return an environment in which the Node.js of our own virtual environment is found first."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}


def modules() -> Path:
    """Return where the UI's own tools and axe-core are; they are installed when they are not there yet."""
    wanted = (WEB_UI / "package-lock.json").read_bytes()
    installed = WEB_UI / "node_modules" / ".installed"
    with (WEB_UI / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_bytes() != wanted:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(
                command, cwd=WEB_UI, check=True, capture_output=True, timeout=300, env=node_first()
            )
            installed.write_bytes(wanted)
    return installed.parent


def picture(width: int = 3000, height: int = 2000) -> bytes:
    """Make a picture as large as a phone's."""
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def recorded(node: Node, types: Sequence[str]) -> list[dict[str, Any]]:
    """Read what the journal holds of these types, in order."""
    reader = node.journal()
    try:
        events = [(event, decode(event.body)) for event in reader.read(types=types)]
    finally:
        reader.close()
    return [
        {"id": one.id, "type": event.type, "system": event.subject, "position": event.position, **one.data}
        for event, one in events
    ]
