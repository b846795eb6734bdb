"""The figures of a producer, asked from the thread that publishes them."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from producers.run import Figures
from tests.waiting import until


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread, as the other side of the figures."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def begin(figures: Figures, loop: asyncio.AbstractEventLoop) -> list[int]:
    count = [0]

    async def beginning() -> None:
        figures.begin(lambda: {"polls": count[0]})

    asyncio.run_coroutine_threadsafe(beginning(), loop).result(5)
    return count


def test_before_the_loop_runs_there_are_none() -> None:
    assert Figures().now() == {}


def test_figures_are_those_of_now(loop: asyncio.AbstractEventLoop) -> None:
    figures = Figures()
    count = begin(figures, loop)

    for count[0] in (1, 2):
        assert figures.now() == {"polls": count[0]}


def test_a_loop_that_something_blocks_shows(loop: asyncio.AbstractEventLoop) -> None:
    figures = Figures(answer_within_s=0.05)
    begin(figures, loop)
    assert figures.now() == {"polls": 0}
    blocking = threading.Event()

    loop.call_soon_threadsafe(blocking.wait, 20)

    assert figures.now().keys() == {"polls", "stuck_s"}
    blocking.set()
    until(lambda: figures.now() == {"polls": 0}, "it answers again")


def test_after_the_end_the_last_ones_hold(loop: asyncio.AbstractEventLoop) -> None:
    figures = Figures()
    begin(figures, loop)
    last = figures.now()

    loop.call_soon_threadsafe(loop.stop)
    until(lambda: not loop.is_running(), "it has ended")
    loop.close()

    assert figures.now() == last
