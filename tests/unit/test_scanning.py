"""Spelling out addresses, and knocking at them."""

import asyncio
import socket
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovr import scanning
from ovr.scanning import Target, knock, targets
from schemas.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.168.1.13", ["192.168.1.13:502"]),
        ("192.168.1.13:1502", ["192.168.1.13:1502"]),
        ("meter-3.local  # the one in hall 3", ["meter-3.local:502"]),
        ("192.168.1.10-12", ["192.168.1.10:502", "192.168.1.11:502", "192.168.1.12:502"]),
        ("10.0.0.0/30", ["10.0.0.1:502", "10.0.0.2:502"]),
        ("10.0.0.5/32", ["10.0.0.5:502"]),
        ("fe80::1", ["[fe80::1]:502"]),
        ("[fe80::1]:1502", ["[fe80::1]:1502"]),
        ("[::1]", ["[::1]:502"]),
        ("", []),
        ("# nothing", []),
    ],
)
def test_addresses_are_spelled_out(text: str, found: list[str]) -> None:
    assert [str(one) for one in targets([text], [502])] == found


@pytest.mark.parametrize(
    "text",
    [
        "300.1.1.1",
        "10.0.0.9-3",
        "10.0.0.1-300",
        "10.0.0.0/x",
        "a b",
        "http://x",
        "host:0",
        "host:70000",
        "::1/8",
        "-x",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        targets([text], [502])


def test_an_address_given_twice_is_one() -> None:
    assert len(targets(["10.0.0.1", "10.0.0.0/30", "10.0.0.1:502"], [502])) == 2


def test_several_ports_are_knocked_at_each() -> None:
    assert targets(["a", "b:9"], [502, 3493]) == [Target("a", 502), Target("a", 3493), Target("b", 9)]


def test_too_many_addresses_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="smaller"):
        targets(["10.0.0.0/8"], [502])
    with pytest.raises(ConfigurationError, match="smaller"):
        targets(["10.0.0.0/16", "10.1.0.0/24", "10.2.0.0/16"], [502])


@given(st.text(max_size=30))
def test_any_text_gives_addresses_or_a_sentence(text: str) -> None:
    with suppress(ConfigurationError):
        assert all(one.host and 0 < one.port < 65_536 for one in targets([text], [502]))


def test_one_address_is_not_a_range() -> None:
    assert scanning.target("meter:1502", 502) == Target("meter", 1502)
    with pytest.raises(ConfigurationError, match="not one"):
        scanning.target("10.0.0.0/24", 502)


def test_only_what_listens_answers_and_no_more_than_allowed_are_asked_at_a_time() -> None:
    open_now, most = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await reader.read()
        open_now -= 1
        writer.close()

    async def search() -> tuple[list[Target], list[Target], list[int]]:
        servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for _ in range(12)]
        listening = [Target("127.0.0.1", one.sockets[0].getsockname()[1]) for one in servers]
        servers.pop().close()
        found: list[Target] = []
        counts: list[int] = []
        await knock(listening, found.append, at_once=3, progress=counts.append)
        for one in servers:
            one.close()
        return listening[:-1], found, counts

    listening, found, counts = asyncio.run(search())

    assert set(found) == set(listening)
    assert counts == list(range(1, 13))
    assert most <= 4  # one that is closing may still be counted by the server


def test_a_search_that_is_cancelled_ends() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        address = full.getsockname()
        for _ in range(2):  # who comes after them is not answered
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(address)

        async def search() -> None:
            async with asyncio.timeout(0.1):
                await knock([Target(*address)] * 200, print, timeout_s=30)

        with pytest.raises(TimeoutError):
            asyncio.run(search())
