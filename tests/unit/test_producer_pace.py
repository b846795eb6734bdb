"""Simulated time: what it is, what is refused, and a loop and clocks that run at its pace."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers import paced_loop
from producers.clock import SystemClock
from producers.pace import FASTEST, REAL, SLOWEST, Pace, check, pace
from schemas.errors import ConfigurationError
from tests.virtual_time import NOW_US, FakeClock, VirtualLoop
from tests.waiting import PATIENCE_S

HOUR_US = 3_600_000_000
ZERO, LATER = "2026-11-18T05:00:00Z", "2026-11-21T05:00:00Z"


def test_without_a_word_of_it_time_is_the_true_time() -> None:
    assert pace(1.0, None, None) is REAL
    clock = SystemClock()
    assert REAL.clock(clock) is clock
    assert REAL.simulated(NOW_US) == NOW_US


def test_simulated_time_runs_from_its_zero() -> None:
    paced = pace(60.0, LATER, ZERO)

    assert paced.simulated(NOW_US + HOUR_US) == NOW_US - 72 * HOUR_US + 60 * HOUR_US
    assert paced.stretch(2.0) == 120.0


@pytest.mark.parametrize(
    ("speed", "real_zero", "zero", "says"),
    [
        (0.0, LATER, ZERO, "between"),
        (-1.0, LATER, ZERO, "between"),
        (1e6, LATER, ZERO, "between"),
        (float("nan"), LATER, ZERO, "between"),
        (float("inf"), LATER, ZERO, "between"),
        (60.0, None, None, "go together"),
        (1.0, LATER, None, "go together"),
        (1.0, None, ZERO, "go together"),
        (60.0, "yesterday", ZERO, r"clock\.real_zero"),
        (60.0, LATER, "2026-11-18T05:00:00", r"clock\.zero"),
        (60.0, LATER, "1970-01-01T00:00:00Z", "2000"),
    ],
)
def test_nonsense_is_refused_with_what_to_write(
    speed: float, real_zero: str | None, zero: str | None, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        pace(speed, real_zero, zero)


def test_a_simulation_that_has_overtaken_the_true_time_is_refused() -> None:
    paced = pace(60.0, LATER, ZERO)

    check(paced, NOW_US + HOUR_US)
    with pytest.raises(ConfigurationError, match="ahead of the true one"):
        check(paced, NOW_US + 2 * HOUR_US)


@given(
    st.floats(SLOWEST, FASTEST),
    st.integers(-(10**15), 10**15),
    st.integers(0, 10**12),
    st.integers(0, 10**10),
)
def test_simulated_time_never_turns_round_and_leads_back_to_the_true_one(
    speed: float, zero_us: int, real_us: int, more_us: int
) -> None:
    paced = Pace(speed, NOW_US, zero_us)
    now_us = NOW_US + real_us

    assert paced.simulated(now_us + more_us) >= paced.simulated(now_us)
    assert abs(paced.real(paced.simulated(now_us)) - now_us) <= 1 + 1 / speed


def test_all_clocks_of_a_machine_run_at_one_pace_and_its_boots_are_apart_from_true_ones() -> None:
    loop = VirtualLoop()
    try:
        clock = FakeClock(loop)
        paced = Pace(60.0, NOW_US, NOW_US - 72 * HOUR_US).clock(clock)
        before = paced.read()
        loop.virtual.now_s = 10.0
        after = paced.read()
    finally:
        loop.close()

    assert after.wall_us - before.wall_us == after.monotonic_us - before.monotonic_us == 600_000_000
    assert before.wall_us == NOW_US - 72 * HOUR_US
    assert paced.monotonic_us() == after.monotonic_us
    assert before.boot_id == "boot-1-at-60"
    assert Pace(0.5, 0, 0).clock(clock).read().boot_id == "boot-1-at-0-5"


def timed(work: Coroutine[Any, Any, float], speed: float) -> tuple[float, float]:
    began_s = time.monotonic()
    simulated_s = paced_loop.run(work, Pace(speed))
    return simulated_s, time.monotonic() - began_s


def test_sleeps_and_time_limits_are_as_much_shorter() -> None:
    async def minute() -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await asyncio.sleep(30)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return loop.time() - began_s

    simulated_s, real_s = timed(minute(), 300.0)

    assert 60 <= simulated_s <= 300.0 * real_s * 1.001
    assert real_s < 60


def test_sockets_are_served_at_once_at_any_pace() -> None:
    async def serve() -> float:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()
        return 0.0

    for speed in (0.01, 100.0):
        _, real_s = timed(serve(), speed)
        assert real_s < PATIENCE_S


def test_what_hangs_at_the_end_is_left_behind() -> None:
    async def deaf() -> None:
        while True:
            try:
                await asyncio.sleep(1e9)
            except asyncio.CancelledError:
                continue

    async def leaving() -> float:
        task = asyncio.create_task(deaf())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        return 1.0

    assert timed(leaving(), 1.0)[1] < PATIENCE_S
