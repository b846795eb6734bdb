"""Whether a device is connected: a fold over the outcomes of its polls."""

from producers.adapter import Description
from producers.link import Link


def test_the_first_read_connects_and_the_next_ones_are_no_news() -> None:
    link = Link("rig_01", "vebus/276")

    assert link.succeeded(500, 1)
    assert not link.succeeded(500, 2)
    assert not link.succeeded(5_000, 3)


def test_a_device_is_disconnected_once_when_its_patience_is_used_up() -> None:
    link = Link("rig_01", "vebus/276")
    link.succeeded(500, 1)

    told = [link.failed(500, "silent", patience=3) for _ in range(5)]

    assert told == [False, False, True, False, False]
    assert link.seen_us == 1


def test_a_device_that_never_answered_is_told_as_disconnected() -> None:
    link = Link("rig_01", "vebus/276")

    assert [link.failed(500, "refused", patience=2) for _ in range(3)] == [False, True, False]


def test_a_device_of_which_one_pace_still_works_stays_connected() -> None:
    link = Link("rig_01", "vebus/276")
    link.succeeded(500, 1)
    link.succeeded(5_000, 2)

    assert not any(link.failed(500, "silent", patience=3) for _ in range(9))
    assert link.failed(5_000, "silent", patience=3)


def test_a_pace_that_is_not_read_any_more_does_not_keep_a_device_connected() -> None:
    link = Link("rig_01", "vebus/276")
    link.succeeded(500, 1)
    link.succeeded(5_000, 2)

    link.forget(500)

    assert [link.failed(5_000, "silent", patience=2) for _ in range(2)] == [False, True]


def test_a_device_is_asked_what_it_is_once_a_connection_and_every_minute_until_it_says() -> None:
    link = Link("rig_01", "vebus/276")
    link.succeeded(500, 0)

    assert [link.ask(now_us) for now_us in (0, 30_000_000, 60_000_000)] == [True, False, True]
    assert link.learned(Description(model="Quattro"))
    assert not link.ask(999_000_000)

    for _ in range(3):
        link.failed(500, "silent", patience=3)
    link.succeeded(500, 1_000_000_000)
    assert link.ask(1_000_000_000)
    assert not link.learned(Description(model="Quattro"))


def test_a_device_that_nobody_asks_any_more_is_told_once_if_it_was_connected() -> None:
    link = Link("rig_01", "vebus/276")
    assert not link.stopped()

    link.succeeded(500, 1)
    assert link.stopped()
    assert not link.stopped()
