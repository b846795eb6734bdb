"""The client of NUT's protocol, against servers that behave badly."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.adapter import DeviceError, Read
from producers.clock import SystemClock
from producers.source import Setting
from producers.ups import protocol
from producers.ups.client import Upsd
from producers.ups.protocol import ProtocolError
from producers.ups.source import UpsSource

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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("tls")
    made, key = place / "upsd.pem", place / "upsd.key"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    said = ("-keyout", str(key), "-out", str(made), "-subj", "/CN=any-name", "-days", "2")
    subprocess.run(["openssl", "req", "-x509", "-nodes", *curve, *said], check=True, capture_output=True)
    return made, key


def encrypting(certificate: tuple[Path, Path], heard: list[bytes]) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.write(b"OK STARTTLS\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        with suppress(ssl.SSLError, ConnectionError):
            await writer.start_tls(context)
            for answer in (b"OK\n", LIST % 1):
                heard.append(await reader.readline())
                writer.write(answer)
            await reader.read()

    return serve


@pytest.mark.parametrize("trust", ["ca_file", "insecure"])
def test_a_connection_is_encrypted_before_anything_is_told(
    certificate: tuple[Path, Path], trust: str, tmp_path: Path
) -> None:
    heard: list[bytes] = []
    how = {"ca_file": str(certificate[0])} if trust == "ca_file" else {"insecure": True}

    async def read() -> Read:
        async with upsd(encrypting(certificate, heard)) as plain:
            said = {"port": plain._port, "ups": "rack", "tls": True, "username": "monitor", **how}
            state = tmp_path / "ups.json"
            source = UpsSource(Setting("edge-01", tmp_path, state, SystemClock(), {"upsd": [said]}))
            (spec,) = source.specs()
            told = await spec.adapter.read()
            source.configure({"upsd": []})
            return told

    assert asyncio.run(read()).values == {"soc_pct": 1.0}
    assert heard == [b"STARTTLS\n", b"USERNAME monitor\n", b"LIST VAR rack\n"]


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: tuple[Path, Path]) -> None:
    heard: list[bytes] = []

    async def read() -> None:
        async with upsd(encrypting(certificate, heard)) as plain:
            client = Upsd("127.0.0.1", plain._port, username="monitor", tls=ssl.create_default_context())
            with pytest.raises(DeviceError, match="not trusted") as caught:
                await client.variables("rack")
            assert caught.value.reason == "refused"

    asyncio.run(read())

    assert b"USERNAME monitor\n" not in heard


def test_an_upsd_that_cannot_encrypt_is_told_nothing() -> None:
    async def read() -> None:
        async with upsd(answers(b"ERR FEATURE-NOT-CONFIGURED\n", b"OK\n")) as plain:
            client = Upsd("127.0.0.1", plain._port, tls=ssl.create_default_context())
            with pytest.raises(DeviceError, match="no certificate"):
                await client.variables("rack")

    asyncio.run(read())


def test_no_upsd_is_a_refusal() -> None:
    async def read() -> None:
        async with upsd(answers()) as client:
            port = client._port
        with pytest.raises(DeviceError, match="no upsd listens") as caught:
            await Upsd("127.0.0.1", port).ups()
        assert caught.value.reason == "refused"

    asyncio.run(read())
