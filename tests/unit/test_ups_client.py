"""The client of NUT's protocol, against servers that behave badly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.adapter import DeviceError
from producers.ups import protocol
from producers.ups.client import Upsd
from producers.ups.protocol import ProtocolError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LIST = b'BEGIN LIST VAR rack\nVAR rack battery.charge "%d"\nEND LIST VAR rack\n'


@asynccontextmanager
async def upsd(serve: Serve) -> AsyncIterator[Upsd]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    client = Upsd("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield client
    finally:
        client.close()
        server.close()


def answers(*said: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in said:
            if not await reader.readline():
                return
            writer.write(answer)
        await reader.read()

    return serve


def by_turns(*serves: Serve) -> Serve:
    left = list(serves)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await left.pop(0)(reader, writer)

    return serve


@given(st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])), min_size=1))
def test_words_survive_being_quoted(words: list[str]) -> None:
    printable = [word for word in words if word.isprintable()]

    assert protocol.words(protocol.request(*printable).decode()) == printable


@given(st.text())
def test_any_line_gives_words_or_a_reason(line: str) -> None:
    with suppress(ProtocolError):
        assert all(isinstance(word, str) for word in protocol.words(line))


@given(st.text())
def test_no_word_can_end_a_request_and_begin_another(word: str) -> None:
    try:
        said = protocol.request("LIST", "VAR", word)
    except ValueError:
        return
    assert said.count(b"\n") == 1


def test_quotes_and_backslashes_are_read() -> None:
    assert protocol.words('UPS rack "the \\"rack\\" of \\\\ hall 3" ""') == [
        "UPS",
        "rack",
        'the "rack" of \\ hall 3',
        "",
    ]


async def read_twice(serve: Serve) -> tuple[dict[str, str] | str, dict[str, str] | str]:
    async def once(client: Upsd) -> dict[str, str] | str:
        try:
            return await client.variables("rack")
        except DeviceError as error:
            return error.reason

    async with upsd(serve) as client:
        return await once(client), await once(client)


def test_one_connection_serves_all_requests() -> None:
    assert asyncio.run(read_twice(answers(LIST % 1, LIST % 2))) == (
        {"battery.charge": "1"},
        {"battery.charge": "2"},
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("DATA-STALE", "stale"),
        ("DRIVER-NOT-CONNECTED", "driver_lost"),
        ("UNKNOWN-UPS", "left"),
        ("ACCESS-DENIED", "refused"),
        ("SOMETHING-NEW", "refused"),
    ],
)
def test_a_refusal_has_its_reason_and_leaves_the_connection(word: str, reason: str) -> None:
    assert asyncio.run(read_twice(answers(f"ERR {word}\n".encode(), LIST % 2))) == (
        reason,
        {"battery.charge": "2"},
    )


@pytest.mark.parametrize(
    "wrong",
    [
        b"HTTP/1.1 400 Bad Request\n",
        b"BEGIN LIST VAR other\n",
        b'BEGIN LIST VAR rack\nVAR other battery.charge "5"\n',
        b"BEGIN LIST VAR rack\nERR DATA-STALE\n",
        b'BEGIN LIST VAR rack\nVAR rack battery.charge "5\n',
        b"BEGIN LIST VAR rack\nVAR rack battery.charge\n",
        b"BEGIN LIST VAR rack\n" + b"x" * 100_000 + b"\n",
        b"\n",
    ],
)
def test_what_is_no_answer_is_an_error_and_closes_the_connection(wrong: bytes) -> None:
    serve = by_turns(answers(wrong, LIST % 7), answers(LIST % 2))

    assert asyncio.run(read_twice(serve)) == ("garbled", {"battery.charge": "2"})


def test_a_list_that_does_not_end_is_given_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"BEGIN LIST VAR rack\n")
        while True:
            writer.write(b'VAR rack a "1"\n' * 100)
            await writer.drain()

    assert asyncio.run(read_twice(by_turns(serve, answers(LIST % 2)))) == ("garbled", {"battery.charge": "2"})


def test_a_closed_connection_is_made_again() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"BEGIN LIST VAR rack\n")

    assert asyncio.run(read_twice(by_turns(serve, answers(LIST % 2)))) == (
        "link_lost",
        {"battery.charge": "2"},
    )


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    requests = 0

    async def read() -> list[str]:
        go = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal requests
            while await reader.readline():
                requests += 1
                number = requests
                if number == 1:
                    await go.wait()
                writer.write(LIST % number)

        async with upsd(serve) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.variables("rack")
            go.set()
            return [(await client.variables("rack"))["battery.charge"] for _ in range(3)]

    assert asyncio.run(read()) == ["2", "3", "4"]


def test_several_upses_share_a_connection_one_after_the_other() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while line := await reader.readline():
            name = line.split()[2].decode()
            writer.write(f'BEGIN LIST VAR {name}\nVAR {name} x "{name}"\nEND LIST VAR {name}\n'.encode())

    async def read() -> list[dict[str, str]]:
        async with upsd(serve) as client:
            return list(await asyncio.gather(*(client.variables(f"u{n}") for n in range(20))))

    assert asyncio.run(read()) == [{"x": f"u{n}"} for n in range(20)]
    assert connections == 1


def test_who_we_are_is_told_first_and_nothing_logs_in() -> None:
    said: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"OK\n", b"OK\n", b"BEGIN LIST UPS\nEND LIST UPS\n"):
            said.append(await reader.readline())
            writer.write(answer)
        await reader.read()

    async def read() -> None:
        async with upsd(serve) as anonymous:
            client = Upsd("127.0.0.1", anonymous._port, username="monitor", password='a "b"')
            assert await client.ups() == {}
            client.close()

    asyncio.run(read())

    assert said == [b"USERNAME monitor\n", b'PASSWORD "a \\"b\\""\n', b"LIST UPS\n"]


def test_a_user_that_upsd_does_not_take_is_refused() -> None:
    async def read() -> None:
        async with upsd(answers(b"ERR INVALID-USERNAME\n")) as anonymous:
            client = Upsd("127.0.0.1", anonymous._port, username="monitor")
            with pytest.raises(DeviceError, match="user name") as caught:
                await client.ups()
            assert caught.value.reason == "refused"

    asyncio.run(read())


def test_no_upsd_is_a_refusal() -> None:
    async def read() -> None:
        async with upsd(answers()) as client:
            port = client._port
        with pytest.raises(DeviceError, match="no upsd listens") as caught:
            await Upsd("127.0.0.1", port).ups()
        assert caught.value.reason == "refused"

    asyncio.run(read())
