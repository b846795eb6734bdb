"""The Modbus server of the simulator over real sockets: every failure is what a client sees of a real one."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from producers.simulator.modbus_image import Image, cells
from producers.simulator.modbus_server import GONE, UNPLUGGED, Failure, Fault
from tests.modbus_servers import Serving, serving
from tests.waiting import until

REQUEST = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 0, 1)
OF_UNIT_2 = struct.pack(">HHHBBHH", 7, 0, 6, 2, 3, 0, 1)
ANSWER = struct.pack(">HHHBBBH", 7, 0, 5, 1, 3, 2, 42)


@pytest.fixture
def served() -> Iterator[Serving]:
    image = Image(lambda: {"soc_pct": 42.0}, cells(0, "u16", "soc_pct"))
    with serving({1: image, 2: image}) as started:
        yield started


@contextmanager
def connected(served: Serving) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
        yield client


def exchange(client: socket.socket, request: bytes = REQUEST) -> bytes:
    client.sendall(request)
    return client.recv(300)


def nothing_comes(client: socket.socket) -> bool:
    client.settimeout(0.15)
    try:
        return client.recv(300) == b"never"
    except TimeoutError:
        return True
    finally:
        client.settimeout(10)


def test_it_answers_requests_however_they_are_cut(served: Serving) -> None:
    with connected(served) as client:
        for byte in REQUEST:
            client.sendall(bytes((byte,)))

        assert client.recv(300) == ANSWER


def test_it_answers_several_requests_of_one_packet(served: Serving) -> None:
    with connected(served) as client:
        client.sendall(REQUEST * 3)
        got = b""
        while len(got) < 3 * len(ANSWER):
            got += client.recv(300)

    assert got == ANSWER * 3


def test_it_cuts_whoever_does_not_speak_modbus(served: Serving) -> None:
    with connected(served) as client:
        assert exchange(client, b"GET / HTTP/1.1\r\n\r\n") == b""


def test_writing_is_refused(served: Serving) -> None:
    with connected(served) as client:
        assert exchange(client, struct.pack(">HHHBBHH", 7, 0, 6, 1, 6, 0, 1))[7:] == b"\x86\x01"


def test_a_unit_that_is_not_there_is_refused_as_a_gateway_does(served: Serving) -> None:
    with connected(served) as client:
        assert exchange(client, struct.pack(">HHHBBHH", 7, 0, 6, 9, 3, 0, 1))[7:] == b"\x83\x0b"


@pytest.mark.parametrize("count", [0, 126])
def test_more_registers_than_the_protocol_knows_are_refused(served: Serving, count: int) -> None:
    with connected(served) as client:
        assert exchange(client, struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 0, count))[7:] == b"\x83\x03"


def test_a_silent_device_takes_requests_and_answers_the_ones_after_it_woke(served: Serving) -> None:
    with connected(served) as client:
        served.fail(Fault(Failure.SILENT))
        client.sendall(REQUEST)
        until(lambda: served.server.requests == 1, "the request came")
        assert nothing_comes(client)

        served.fail(None)

        assert exchange(client) == ANSWER


def test_a_resetting_device_cuts_the_connection_hard(served: Serving) -> None:
    served.fail(Fault(Failure.RESET))

    with connected(served) as client, pytest.raises(ConnectionResetError):
        exchange(client)


def test_a_slow_device_answers_late(served: Serving) -> None:
    served.fail(Fault(Failure.SLOW, delay_s=0.3))

    with connected(served) as client:
        client.sendall(REQUEST)
        assert nothing_comes(client)
        assert client.recv(300) == ANSWER


def test_a_refusing_device_answers_with_its_code(served: Serving) -> None:
    served.fail(Fault(Failure.REFUSING, code=6))

    with connected(served) as client:
        assert exchange(client) == struct.pack(">HHHBBB", 7, 0, 3, 1, 0x83, 6)


def test_half_an_answer_is_all_that_comes(served: Serving) -> None:
    served.fail(Fault(Failure.HALF))

    with connected(served) as client:
        assert exchange(client) == ANSWER[:5]
        assert nothing_comes(client)


def test_a_stale_answer_has_the_number_of_the_request_before(served: Serving) -> None:
    served.fail(Fault(Failure.STALE))

    with connected(served) as client:
        assert exchange(client) == struct.pack(">H", 6) + ANSWER[2:]


def test_an_unplugged_device_cuts_and_refuses_connections_and_comes_back_where_it_was(
    served: Serving,
) -> None:
    port = served.port
    with connected(served) as client:
        assert exchange(client) == ANSWER
        served.fail(UNPLUGGED)
        assert client.recv(300) == b""
    with pytest.raises(ConnectionRefusedError), connected(served):
        pass

    served.fail(None)

    assert served.port == port
    with connected(served) as client:
        assert exchange(client) == ANSWER


def test_a_device_that_is_gone_leaves_connections_and_connecting_hanging(served: Serving) -> None:
    with connected(served) as client:
        assert exchange(client) == ANSWER
        served.fail(GONE)
        client.sendall(REQUEST)
        assert nothing_comes(client)
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", served.port), timeout=0.2)

        served.fail(None)

        assert exchange(client) == ANSWER
        with connected(served) as another:
            assert exchange(another) == ANSWER


def test_a_port_that_is_served_is_not_served_twice(served: Serving) -> None:
    with pytest.raises(OSError, match="in use"), serving({}, port=served.port):
        pass


def test_a_port_is_served_again_after_a_restart() -> None:
    image = Image(lambda: {"soc_pct": 42.0}, cells(0, "u16", "soc_pct"))
    with serving({1: image}) as served, connected(served) as client:
        assert exchange(client) == ANSWER
        port = served.port
    with serving({1: image}, port=port) as served, connected(served) as client:
        assert exchange(client) == ANSWER


def test_one_unit_of_a_gateway_can_fail_alone(served: Serving) -> None:
    served.fail(Fault(Failure.REFUSING, code=11), unit=2)

    with connected(served) as client:
        assert exchange(client, OF_UNIT_2)[7:] == b"\x83\x0b"
        assert exchange(client) == ANSWER


def test_connections_beyond_the_most_are_cut() -> None:
    image = Image(lambda: {"soc_pct": 42.0}, cells(0, "u16", "soc_pct"))
    with serving({1: image}, most_connections=1) as served, connected(served) as first:
        assert exchange(first) == ANSWER
        with connected(served) as second:
            assert second.recv(300) == b""
        assert exchange(first) == ANSWER
