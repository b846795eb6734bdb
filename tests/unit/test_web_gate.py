"""What every request passes: bodies that are too large or too slow, heads that never come, rates."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.services import free_port
from tests.waiting import until
from web.api import gate, hosts, patience, problems
from web.api.gate import Gate, policy
from web.api.limits import Limits
from web.api.measures import Measures
from web.api.patience import PatientProtocol
from web.settings import Gateway, MapSettings, WebSettings

SILENT_S, HEAD_S = 0.3, 0.4


async def length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, problems.Problem)
    return problems.answer(error)


def application(requests_per_s: float) -> Gate:
    settings = Gateway("edge", "", Path(), "ovr", "127.0.0.1", 1, "http://x", web=WebSettings(photo_mb=1))
    app = Starlette(
        routes=[Route("/{path:path}", length, methods=["GET", "POST", "PUT", "DELETE"])],
        exception_handlers={HTTPException: problem},
    )
    return Gate(app, settings, Measures("edge", ""), Limits(requests_per_s))


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve with little patience; as many requests as one likes."""
    monkeypatch.setattr(gate, "_SILENT_S", SILENT_S)
    monkeypatch.setattr(patience, "HEAD_S", HEAD_S)
    number = free_port()
    config = uvicorn.Config(
        application(10_000.0), port=number, http=PatientProtocol, lifespan="off", log_config=None, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    until(lambda: server.started, "it serves")
    yield number
    server.should_exit = True
    thread.join()


def closed_after(connection: socket.socket) -> tuple[float, bytes]:
    """Return how long the other side waited before it closed, and what it said."""
    connection.settimeout(10)
    begun = time.monotonic()
    said = b""
    while part := connection.recv(65_536):
        said += part
    return time.monotonic() - begun, said


@pytest.mark.parametrize("head", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(port: int, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head)
        waited_s, _ = closed_after(connection)
    assert HEAD_S / 2 < waited_s < 10 * HEAD_S


def test_a_connection_may_rest_between_requests_but_not_within_one(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        said = b""
        while not said.endswith(b"\r\n\r\n0"):
            said += connection.recv(65_536)
        connection.settimeout(2 * HEAD_S)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        waited_s, _ = closed_after(connection)
    assert waited_s < 10 * HEAD_S


def test_a_body_that_does_not_come_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        waited_s, said = closed_after(connection)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"problem-too-slow" in said
    assert waited_s < 10 * SILENT_S


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/api/note", 65_536, 200),
        ("/api/note", 65_537, 413),
        ("/api/photo", 1 << 20, 200),
        ("/api/photo", 2 << 20, 413),
        ("/api/photo/x", 1 << 20, 413),
        ("/api/import/notes", 5 << 20, 413),
    ],
)
def test_each_place_takes_what_it_needs_and_no_more(port: int, path: str, size: int, status: int) -> None:
    def parts() -> Iterator[bytes]:
        for start in range(0, size, 50_000):
            yield bytes(min(50_000, size - start))

    for content in (bytes(size), parts()):  # with its length told beforehand, and without
        answer = httpx.post(f"http://127.0.0.1:{port}{path}", content=content)
        assert answer.status_code == status


def test_who_asks_too_often_is_told_when_to_come_again() -> None:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(application(1.0))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [await client.get("/") for _ in range(15)]

    answers = asyncio.run(ask())

    refused = [one for one in answers if one.status_code == 429]
    assert 3 <= len(refused) <= 5
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8088", True),
        ("192.168.88.1", True),
        ("[fe80::1%25eth0]:8088", True),
        ("[::1]", True),
        ("localhost:8088", True),
        ("n100", True),
        ("N100.lan:8088", True),
        ("edge-01.local.", True),
        ("edge-01.example.com", True),
        ("EDGE-01.EXAMPLE.COM:443", True),
        ("events.example.org:8088", True),
        ("a.b.tail1234.ts.net", True),
        ("", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("edge-01.example.com.evil.example", False),
        ("local.evil.example:8088", False),
        ("tail1234.ts.net", False),
        ("user@localhost", False),
        ("localhost:8088/x", False),
        ("localhost:x", False),
        ("[::1", False),
    ],
)
def test_only_names_that_cannot_be_anybody_elses_are_answered_to(host: str, ours: bool) -> None:
    known = hosts.names("https://edge-01.example.com:8443/x", ["events.example.org", ".tail1234.ts.net"])

    assert hosts.answers_to(host, known) is ours
    assert hosts.answers_to("evil.example", hosts.names(None, ["*"]))


@given(st.text(), st.text())
def test_whatever_stands_in_the_header_is_answered_to_or_not(host: str, configured: str) -> None:
    assert hosts.answers_to(host, hosts.names(None, [configured])) in {True, False}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("GET", {"Host": "evil.example"}, 421),
        ("GET", {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}, 421),
        ("POST", {"Host": "evil.example:80", "Origin": "http://evil.example:80"}, 421),
        ("POST", {}, 200),
        ("POST", {"Sec-Fetch-Site": "none"}, 200),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "http://x"}, 200),
        ("POST", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Origin": "http://x"}, 200),
        ("POST", {"Origin": "http://x:81"}, 403),
        ("POST", {"Origin": "https://evil.example", "Content-Type": "text/plain"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("PUT", {"Origin": "http://[evil"}, 403),
        ("DELETE", {"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_pages_of_other_sites_can_do_nothing_here(method: str, headers: dict[str, str], status: int) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application(1.0))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, "/api/note", headers=headers)

    assert asyncio.run(ask()).status_code == status


def test_pages_may_load_tiles_from_configured_providers_only() -> None:
    def gateway(said: MapSettings) -> Gateway:
        return Gateway("edge", "", Path(), "ovr", "127.0.0.1", 1, "http://x", map=said)

    assert "https://" not in policy(gateway(MapSettings()))
    assert "img-src 'self' blob: data: https://api.mapbox.com;" in policy(
        gateway(MapSettings(mapbox_token="pk"))
    )
