"""Talking to a VictoriaMetrics that refuses, is busy, is away or is something else."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bus.journal import Head
from projectors.series_sink import Place, Post, Reached, Sink
from projectors.victoria import Process, Victoria
from schemas.errors import ConfigurationError, TransientError
from tests.services import free_port
from tests.waiting import until

METRICS = (
    b'vm_app_start_timestamp 1000\nvm_app_uptime_seconds 5\nvm_rows_ignored_total{reason="big_timestamp"} 3\n'
)


@contextmanager
def serving(answer: Callable[[bytes], int], metrics: Callable[[], bytes] = lambda: METRICS) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._say(answer(self.rfile.read(int(self.headers["Content-Length"]))), b"")

        def do_GET(self) -> None:
            self._say(200, metrics() if self.path == "/metrics" else b"")

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_refused_batch_is_bisected_and_only_the_poison_lines_are_left_out() -> None:
    """Newer versions answer 400 and store nothing of a request with one malformed line."""
    stored: list[bytes] = []

    def answer(body: bytes) -> int:
        if b"poison" in body:
            return 400
        stored.extend(body.split(b"\n"))
        return 204

    lines = [b"a x=%d %d" % (number, number) for number in range(100)]
    poisoned = [*lines[:17], b"poison 1", *lines[17:60], b"poison 2", *lines[60:]]
    with serving(answer) as url:
        victoria = Victoria(url)
        assert victoria.post(poisoned) == [b"poison 1", b"poison 2"]
        victoria.close()
    assert stored == lines


def test_a_server_that_refuses_everything_costs_no_event() -> None:
    with serving(lambda _: 400) as url:
        victoria = Victoria(url)
        with pytest.raises(TransientError, match="refuses all"):
            victoria.post([b"a x=1 1"] * 100)
        victoria.close()


@pytest.mark.parametrize(
    ("status", "kind"), [(503, TransientError), (429, TransientError), (404, ConfigurationError)]
)
def test_an_answer_says_who_must_act(status: int, kind: type[Exception]) -> None:
    with serving(lambda _: status) as url:
        victoria = Victoria(url)
        with pytest.raises(kind, match=str(status)):
            victoria.post([b"a x=1 1"])
        victoria.close()


def test_nobody_listening_is_transient() -> None:
    victoria = Victoria(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError):
        victoria.post([b"a x=1 1"])
    with pytest.raises(TransientError):
        victoria.process()
    victoria.close()


def test_something_else_on_the_port_is_a_configuration_error() -> None:
    with serving(lambda _: 204, lambda: b"hello 1\n") as url:
        victoria = Victoria(url)
        with pytest.raises(ConfigurationError, match="no VictoriaMetrics"):
            victoria.process()
        victoria.close()
    with pytest.raises(ConfigurationError, match="http://"):
        Victoria("localhost:8428")


def test_a_full_disk_holds_the_order_and_loses_nothing() -> None:
    """VictoriaMetrics answers 503 while its disk is full, and goes on by itself."""
    stored: list[bytes] = []
    full = threading.Event()
    full.set()

    def answer(body: bytes) -> int:
        if full.is_set():
            return 503
        stored.extend(body.split(b"\n"))
        return 204

    place = Place(Head("j", "i", 7, bytes(32)), 0)
    with serving(answer) as url:
        sink = Sink(url, Process(1000, 5, 0, 0), trail_s=0.0, pulse_s=0.01)
        assert sink.submit(Post([b"a x=1 1"]), 5)
        until(lambda: sink.error, "it says what it waits for")
        assert sink.submit(Post([b"a x=1 2"]), 5)
        assert sink.submit(Reached(place), 5)
        assert sink.reached is None
        full.clear()
        until(lambda: sink.durable == place, "the place is durable")
        assert (stored, sink.error, sink.ignored) == ([b"a x=1 1", b"a x=1 2"], None, 3)
        sink.close()


def test_nothing_is_durable_before_the_trail_has_passed() -> None:
    place = Place(Head("j", "i", 7, bytes(32)), 0)
    with serving(lambda _: 204) as url:
        sink = Sink(url, Process(1000, 5, 0, 0), trail_s=3600.0, pulse_s=0.0)
        assert sink.submit(Reached(place), 5)
        until(lambda: sink.reached, "it is accepted")
        assert sink.submit(Post([b"a x=1 1"]), 5)
        until(lambda: sink.lines, "it went on")
        assert sink.durable is None
        sink.close()


def test_another_process_is_given_nothing() -> None:
    stored: list[bytes] = []

    def answer(body: bytes) -> int:
        stored.append(body)
        return 204

    with serving(answer) as url:
        sink = Sink(url, Process(999, 5, 0, 0), pulse_s=0.01)
        assert sink.submit(Post([b"a x=1 1"]), 5)
        until(lambda: sink.lost, "the other process is noticed")
        sink.close()
    assert not stored
