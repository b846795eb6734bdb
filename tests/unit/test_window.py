"""The window numbers, publishes again and confirms, with time and the recorder as parameters."""

import itertools

from bus.outbox_items import Item
from bus.window import Window, WindowLimits

LIMITS = WindowLimits(items=4, size=10_000, stall_s=2.0, refused_s=0.25, longest_s=8.0)


def make_window() -> Window:
    names = (f"epoch-{number}" for number in itertools.count(1))
    return Window(lambda: next(names), LIMITS)


def make_items(*places: int) -> list[Item]:
    return [
        Item(n, sample=True, subject="rig_01", type="sample.taken", time_us=n, body=b"{}") for n in places
    ]


def online_window(*places: int) -> Window:
    window = make_window()
    window.on_recorder("online", "session-1")
    window.number(make_items(*places))
    return window


def publish(window: Window, now_s: float = 0.0, limit: int = 100) -> list[tuple[int, int]]:
    ready = window.ready(limit, now_s)
    window.sent(len(ready), now_s)
    return [(sequence, item.n) for sequence, item in ready]


def places(items: list[Item]) -> list[int]:
    return [item.n for item in items]


def test_an_epoch_numbers_what_waits_from_one_without_holes() -> None:
    window = online_window(7, 9, 20)

    assert publish(window) == [(1, 7), (2, 9), (3, 20)]


def test_nothing_is_published_before_the_recorder_is_known_to_be_online() -> None:
    window = make_window()
    window.number(make_items(1))

    assert publish(window) == []


def test_a_blocked_recorder_gets_nothing_and_all_that_is_unconfirmed_once_it_is_back() -> None:
    window = online_window(1, 2)
    publish(window)

    window.on_recorder("blocked", "session-1")
    blocked = publish(window)
    window.on_recorder("online", "session-1")

    assert blocked == []
    assert publish(window) == [(1, 1), (2, 2)]


def test_the_death_of_a_session_that_another_followed_means_nothing() -> None:
    window = online_window(1)
    window.on_recorder("online", "session-2")

    window.on_recorder("offline", "session-1")

    assert publish(window) == [(1, 1)]


def test_a_window_never_holds_more_than_its_limit() -> None:
    window = online_window(1, 2, 3, 4)

    assert window.room == 0


def test_large_items_close_the_window_by_their_size() -> None:
    window = make_window()

    window.number([Item(1, sample=True, subject="s", type="t", time_us=1, body=b"x" * 10_000)])

    assert window.room == 0


def test_an_ack_confirms_everything_up_to_its_number() -> None:
    window = online_window(1, 2, 3)
    publish(window)

    confirmed = window.on_ack("epoch-1", 2, "one", 1.0)

    assert places(confirmed) == [1, 2]
    assert places(window.on_ack("epoch-1", 3, "one", 1.0)) == [3]


def test_numbers_go_on_after_an_ack() -> None:
    window = online_window(1, 2)
    publish(window)
    window.on_ack("epoch-1", 2, "one", 1.0)

    window.number(make_items(3))

    assert publish(window) == [(3, 3)]


def test_an_old_ack_and_one_beyond_the_numbering_confirm_nothing() -> None:
    window = online_window(1, 2, 3)
    publish(window)
    window.on_ack("epoch-1", 2, "one", 1.0)

    assert window.on_ack("epoch-1", 1, "one", 1.0) == []
    assert window.on_ack("epoch-1", 99, "one", 1.0) == []


def test_an_ack_for_another_epoch_confirms_nothing() -> None:
    window = online_window(1, 2)
    publish(window)

    assert window.on_ack("epoch-0", 2, "one", 1.0) == []


def test_an_unknown_epoch_begins_a_new_one_with_all_that_is_unconfirmed() -> None:
    window = online_window(1, 2, 3)
    publish(window)
    window.on_ack("epoch-1", 1, "one", 1.0)

    window.on_unknown("epoch-1", "one")

    assert window.epoch == "epoch-2"
    assert publish(window) == [(1, 2), (2, 3)]


def test_one_new_epoch_follows_many_answers_about_the_old_one() -> None:
    window = online_window(1, 2, 3)
    publish(window)

    for _ in range(3):
        window.on_unknown("epoch-1", "one")

    assert window.epoch == "epoch-2"


def test_another_session_of_the_recorder_begins_a_new_epoch() -> None:
    window = online_window(1)
    publish(window)

    window.on_recorder("online", "session-2")

    assert (window.epoch, publish(window)) == ("epoch-2", [(1, 1)])


def test_an_ack_of_another_incarnation_confirms_nothing_and_begins_a_new_epoch() -> None:
    window = online_window(1, 2)
    publish(window)
    window.on_ack("epoch-1", 1, "one", 1.0)

    confirmed = window.on_ack("epoch-1", 2, "two", 1.0)

    assert (confirmed, window.epoch, publish(window)) == ([], "epoch-2", [(1, 2)])


def test_stalled_acks_lead_back_to_the_first_unconfirmed_item() -> None:
    window = online_window(1, 2, 3)
    publish(window, now_s=0.0)
    window.on_ack("epoch-1", 1, "one", 1.0)

    window.on_time(2.9)
    before = publish(window, now_s=2.9)
    window.on_time(3.0)

    assert before == []
    assert publish(window, now_s=3.0) == [(2, 2), (3, 3)]


def test_publishing_again_waits_twice_as_long_each_time_until_an_ack() -> None:
    window = online_window(1)
    now_s, waits = 0.0, []
    for _ in range(4):
        publish(window, now_s)
        waits.append(window.wait_s(now_s))
        now_s += waits[-1]
        window.on_time(now_s)

    assert waits == [2.0, 4.0, 8.0, 8.0]


def test_an_ack_after_going_back_spares_what_it_covers() -> None:
    window = online_window(1, 2, 3)
    publish(window, now_s=0.0)
    window.on_time(2.0)

    window.on_ack("epoch-1", 2, "one", 2.0)

    assert publish(window, now_s=2.0) == [(3, 3)]


def test_a_message_that_the_broker_refused_comes_again_after_a_while_and_before_all_later_ones() -> None:
    window = online_window(1, 2, 3)
    publish(window, now_s=0.0)

    window.on_refused("epoch-1", 2, 0.0)
    window.on_refused("epoch-1", 3, 0.0)

    assert publish(window, now_s=0.2) == []
    assert publish(window, now_s=0.25) == [(2, 2), (3, 3)]


def test_a_refusal_of_an_older_epoch_means_nothing() -> None:
    window = online_window(1)
    publish(window)
    window.on_unknown("epoch-1", "one")
    publish(window)

    window.on_refused("epoch-1", 1, 0.0)

    assert publish(window, now_s=10.0) == []


def test_a_lost_connection_waits_for_the_recorders_health_and_then_goes_back() -> None:
    window = online_window(1, 2)
    publish(window)

    window.on_disconnected()
    away = publish(window)
    window.on_recorder("online", "session-1")

    assert away == []
    assert (window.epoch, publish(window)) == ("epoch-1", [(1, 1), (2, 2)])
