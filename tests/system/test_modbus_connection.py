"""Connections to Modbus devices over real sockets, well behaved and not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from pymodbus.framer import FramerType

from producers.adapter import DeviceError
from producers.modbus.connection import Connection, Connections, UnitRegisters
from producers.modbus.registers import RefusedError
from tests.modbus_peers import RawServer, Request, raw, simulated, well_behaved
from tests.waiting import PATIENCE_S

SHORT_S = 0.2


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(limited())


async def silent(_: Request) -> bytes | None:
    return b""


def test_reads_registers_of_several_units_over_one_connection() -> None:
    async def test() -> None:
        async with simulated({1: {100: [1, 2, 3]}, 7: {100: [4, 5, 6]}}) as port:
            connection = Connection("127.0.0.1", port)
            try:
                assert await connection.read(1, 3, 100, 3) == [1, 2, 3]
                assert await connection.read(7, 4, 101, 2) == [5, 6]
                assert connection.generation == 1
            finally:
                connection.close()

    run(test)


def test_reads_through_a_plain_serial_server() -> None:
    async def test() -> None:
        async with simulated({1: {100: [1, 2, 3]}, 2: {7: [4]}}, FramerType.RTU) as port:
            connection = Connection("127.0.0.1", port, framing="rtu")
            try:
                assert await connection.read(1, 3, 100, 3) == [1, 2, 3]
                assert await connection.read(2, 3, 7, 1) == [4]
                with pytest.raises(RefusedError):
                    await connection.read(2, 3, 8, 1)
            finally:
                connection.close()

    run(test)


def test_requests_of_many_polls_follow_one_another() -> None:
    busy = 0

    async def slowly(request: Request) -> bytes | None:
        nonlocal busy
        busy += 1
        await asyncio.sleep(0.01)
        assert busy == 1
        busy -= 1
        return request.answer()

    async def test() -> None:
        async with raw(slowly) as server:
            connection = Connection("127.0.0.1", server.port)
            answers = await asyncio.gather(*(connection.read(unit, 3, 10 * unit, 2) for unit in range(1, 9)))
            assert answers == [[10 * unit, 10 * unit + 1] for unit in range(1, 9)]
            assert server.connections == 1
            connection.close()

    run(test)


def test_a_device_gets_the_pause_that_it_wants() -> None:
    async def test() -> None:
        async with raw() as server:
            connection = Connection("127.0.0.1", server.port)
            registers = UnitRegisters(connection, 1)
            registers.gap_s = 0.05
            loop = asyncio.get_running_loop()
            began = loop.time()
            for _ in range(4):
                await registers.read(3, 0, 1)
            assert loop.time() - began >= 0.15
            connection.close()

    run(test)


@pytest.mark.parametrize(
    ("code", "refused"), [(1, True), (2, True), (3, True), (4, False), (6, False), (11, False)]
)
def test_what_a_device_does_not_have_is_told_from_what_it_cannot_do_now(code: int, *, refused: bool) -> None:
    async def refuse(request: Request) -> bytes | None:
        return request.refuse(code)

    async def test() -> None:
        async with raw(refuse) as server:
            connection = Connection("127.0.0.1", server.port)
            with pytest.raises(DeviceError, match=f"exception {code}") as caught:
                await connection.read(1, 3, 100, 2)
            assert isinstance(caught.value, RefusedError) is refused
            assert connection.connected, "an answer, whatever it says, keeps the connection"
            connection.close()

    run(test)


def test_nobody_listens() -> None:
    async def test() -> None:
        async with raw() as server:
            port = server.port
        connection = Connection("127.0.0.1", port, timeout_s=SHORT_S)
        for _ in range(2):
            with pytest.raises(DeviceError, match="cannot be reached"):
                await connection.read(1, 3, 0, 1)

    run(test)


def test_a_silent_device_costs_its_time_limit_and_then_its_connection() -> None:
    async def test() -> None:
        async with raw(silent) as server:
            connection = Connection("127.0.0.1", server.port, timeout_s=SHORT_S)
            loop = asyncio.get_running_loop()
            for number in (1, 2, 3):
                began = loop.time()
                with pytest.raises(DeviceError, match="does not answer within") as caught:
                    await connection.read(1, 3, 0, 1)
                assert caught.value.reason == "timeout"
                assert loop.time() - began < 5 * SHORT_S
                assert server.connections == (1 if number < 3 else 2)
            connection.close()

    run(test)


def test_a_silent_unit_behind_a_gateway_does_not_cost_the_others_their_connection() -> None:
    async def deaf_unit_2(request: Request) -> bytes | None:
        return b"" if request.unit == 2 else request.answer()

    async def test() -> None:
        async with raw(deaf_unit_2) as server:
            connection = Connection("127.0.0.1", server.port, timeout_s=SHORT_S)
            for _ in range(3):
                with pytest.raises(DeviceError):
                    await connection.read(2, 3, 0, 1)
                assert await connection.read(1, 3, 5, 1) == [5]
            assert server.connections == 1
            connection.close()

    run(test)


def test_other_hosts_do_not_notice_a_hung_one() -> None:
    async def test() -> None:
        async with raw(silent) as hung, raw() as well:
            connections = Connections(timeout_s=5.0)
            bad, good = connections.take("127.0.0.1", hung.port), connections.take("127.0.0.1", well.port)
            waiting = asyncio.create_task(bad.read(1, 3, 0, 1))
            for _ in range(100):
                assert await good.read(1, 3, 9, 1) == [9]
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            connections.give_back(bad)
            connections.give_back(good)

    run(test)


def test_a_connection_that_is_cut_is_made_anew_with_the_next_read() -> None:
    async def test() -> None:
        async with raw() as server:
            connection = Connection("127.0.0.1", server.port)
            assert await connection.read(1, 3, 1, 1) == [1]
            behave = server.reply
            server.reply = cut
            with pytest.raises(DeviceError, match="cut the connection") as caught:
                await connection.read(1, 3, 1, 1)
            assert caught.value.reason == "link_lost"
            server.reply = behave
            assert await connection.read(1, 3, 1, 1) == [1]
            assert connection.generation == 2
            connection.close()

    async def cut(_: Request) -> bytes | None:
        return None

    run(test)


def test_half_an_answer_is_none_and_the_rest_of_it_is_not_taken_for_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = b""

    async def halved(request: Request) -> bytes | None:
        nonlocal held
        answer = request.answer()
        if len(server_of.requests) == 1:
            held = answer[6:]
            return answer[:6]
        late, held = held, b""
        return late + answer

    server_of: RawServer

    async def test() -> None:
        nonlocal server_of
        async with raw(halved) as server_of:
            connection = Connection("127.0.0.1", server_of.port, timeout_s=SHORT_S)
            with pytest.raises(DeviceError):
                await connection.read(1, 3, 77, 2)
            with pytest.raises(DeviceError):
                await connection.read(1, 3, 5, 2)
            assert await connection.read(1, 3, 6, 2) == [6, 7], "a new connection is in step again"
            connection.close()

    with caplog.at_level(logging.WARNING):
        run(test)
    assert not caplog.records, "what is raised is not logged as well"


def test_a_late_answer_of_a_read_that_was_cancelled_is_dropped() -> None:
    async def late_first(request: Request) -> bytes | None:
        if request.address == 10:
            await asyncio.sleep(0.1)
        return request.answer()

    async def test() -> None:
        async with raw(late_first) as server:
            connection = Connection("127.0.0.1", server.port, timeout_s=2.0)
            await connection.ready()
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.03):
                        await connection.read(1, 3, 10, 2)
                assert await connection.read(1, 3, 20, 2) == [20, 21]
            assert server.connections == 1
            connection.close()

    run(test)


def test_answers_without_numbers_are_believed_only_while_none_is_due() -> None:
    async def unnumbered(request: Request) -> bytes | None:
        if request.address == 10:
            await asyncio.sleep(0.1)
        return request.answer(transaction=0)

    async def test() -> None:
        async with raw(unnumbered) as server:
            connection = Connection("127.0.0.1", server.port, timeout_s=2.0)
            assert await connection.read(1, 3, 5, 2) == [5, 6]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await connection.read(1, 3, 10, 2)
            with pytest.raises(DeviceError, match="without numbers"):
                await connection.read(1, 3, 20, 2)
            assert await connection.read(1, 3, 20, 2) == [20, 21]
            assert server.connections == 2
            connection.close()

    run(test)


def test_an_answer_with_another_number_is_waited_past() -> None:
    async def stale(request: Request) -> bytes | None:
        return request.answer([9, 9], transaction=request.transaction + 7) + request.answer()

    async def test() -> None:
        async with raw(stale) as server:
            connection = Connection("127.0.0.1", server.port, timeout_s=2.0)
            assert await connection.read(1, 3, 20, 2) == [20, 21]
            connection.close()

    run(test)


def test_an_answer_of_another_length_is_none() -> None:
    async def short(request: Request) -> bytes | None:
        return request.answer([1])

    async def test() -> None:
        async with raw(short) as server:
            connection = Connection("127.0.0.1", server.port, timeout_s=2.0)
            with pytest.raises(DeviceError, match="something else"):
                await connection.read(1, 3, 20, 2)
            connection.close()

    run(test)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 40,
        bytes.fromhex("000100000003016300"),
        bytes.fromhex("00010000000101"),
        bytes.fromhex("0001000000030103") + b"\xff",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_garbage_is_an_error_of_the_device_and_nothing_else(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def babble(_: Request) -> bytes | None:
        return garbage

    async def test() -> None:
        async with raw(babble) as server:
            connection = Connection("127.0.0.1", server.port, timeout_s=SHORT_S)
            for _ in range(3):
                with pytest.raises(DeviceError):
                    await connection.read(1, 3, 20, 2)
            server.reply = well_behaved
            with suppress(DeviceError):
                await connection.read(1, 3, 20, 2)
            assert await connection.read(1, 3, 20, 2) == [20, 21]
            connection.close()

    with caplog.at_level(logging.WARNING):
        run(test)
    assert not caplog.records


def test_a_read_may_be_cancelled_while_it_connects() -> None:
    async def test() -> None:
        async with raw() as server:
            connection = Connection("127.0.0.1", server.port)
            for turns in range(6):
                task = asyncio.create_task(connection.read(1, 3, 1, 1))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert await connection.read(1, 3, 1, 1) == [1]
            connection.close()

    run(test)


def test_a_connection_lives_as_long_as_somebody_uses_it() -> None:
    async def test() -> None:
        async with raw() as server:
            connections = Connections()
            one, other = (connections.take("127.0.0.1", server.port) for _ in range(2))
            assert one is other
            await one.read(1, 3, 1, 1)
            connections.give_back(one)
            assert other.connected
            connections.give_back(other)
            assert not other.connected
            with pytest.raises(DeviceError, match="closed"):
                await other.read(1, 3, 1, 1)
            assert connections.take("127.0.0.1", server.port) is not one

    run(test)
