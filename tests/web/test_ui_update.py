"""A new build of the pages: offered when whole, taken when a person says so, never mixed with the old one."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsers import PHONE, WEB_UI, chromium

BUILT = WEB_UI.parent / "static"


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files, and tells nobody."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a copy of the build, without a node."""
    place = tmp_path / "static"
    shutil.copytree(BUILT, place)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield place, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def build_of(page: Page) -> str | None:
    return page.locator("meta[name=test-build]").first.get_attribute("content")


def build_again(place: Path, name: str) -> None:
    """Make another build: another page, and a worker of another version."""
    index, worker = place / "index.html", place / "service-worker.js"
    index.write_text(index.read_text().replace("<head>", f'<head><meta name="test-build" content="{name}">'))
    text = worker.read_text()
    worker.write_text(text.replace("ovr-", f"ovr-{name}-", 1))
    assert worker.read_text() != text


def test_a_new_build_is_offered_and_taken_when_asked_for(served: tuple[Path, str], browser: Browser) -> None:
    place, url = served
    build_again(place, "one")
    page = browser.new_context(viewport=PHONE).new_page()
    page.goto(url)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    expect(page.get_by_role("button", name="Use it")).to_have_count(0)

    build_again(place, "two")
    page.reload()
    assert build_of(page) == "one"  # what is on this device is whole; the new one is not yet
    page.get_by_role("button", name="Use it").wait_for()
    page.reload()
    assert build_of(page) == "one"
    page.get_by_role("button", name="Use it").click()
    page.wait_for_function("document.querySelector('meta[name=test-build]')?.content === 'two'")
    names = page.evaluate("caches.keys()")
    assert len(names) == 1
    page.context.set_offline(True)
    page.goto(f"{url}/#/act")
    expect(page.get_by_role("button", name="START")).to_be_visible()
    page.context.close()


def test_a_build_that_does_not_come_whole_is_never_used(served: tuple[Path, str], browser: Browser) -> None:
    place, url = served
    build_again(place, "one")
    page = browser.new_context(viewport=PHONE).new_page()
    page.goto(url)
    page.wait_for_function("navigator.serviceWorker.controller !== null")

    build_again(place, "two")
    next(place.glob("assets/act-*.js")).unlink()
    failed = page.evaluate(
        """async () => {
            const registration = await navigator.serviceWorker.getRegistration();
            await registration.update();
            const worker = registration.installing;
            if (worker === null) return registration.waiting === null;
            return new Promise(done => worker.addEventListener(
                'statechange', () => worker.state === 'redundant' && done(true)));
        }"""
    )
    assert failed
    page.goto(f"{url}/#/act")
    page.reload()
    assert build_of(page) == "one"
    expect(page.get_by_role("button", name="START")).to_be_visible()
    page.context.close()
