"""What a GX is asked, when, and whether its answers count."""

import json

import pytest

from producers.victron.vigil import SUPPRESS, SURE, UNSURE, Request, Vigil

S = 1_000_000
ECHO = "full-publish-completed-echo"


def opened() -> Vigil:
    vigil = Vigil("us")
    vigil.open(0)
    return vigil


def end(echo: str | None = None) -> bytes:
    return json.dumps({"value": 1, **({ECHO: echo} if echo else {})}).encode()


def asked(requests: list[Request]) -> str | None:
    """Give the word of a request for everything."""
    for path, payload in requests:
        if path == "keepalive" and b"echo" in payload:
            word = json.loads(payload)["keepalive-options"][0][ECHO]
            assert isinstance(word, str)
            return word
    return None


def pass_time(vigil: Vigil, from_s: int, until_s: int) -> None:
    for half in range(2 * from_s, 2 * until_s + 1):
        vigil.tick(half * S // 2)


def ready() -> Vigil:
    vigil = opened()
    vigil.completed(end(asked(vigil.tick(0))), 0)
    vigil.beat()
    vigil.heard_us = 0
    assert vigil.whole() == SURE
    return vigil


def test_everything_is_asked_for_once_and_our_own_answer_makes_it_ready() -> None:
    vigil = opened()
    word = asked(vigil.tick(0))
    assert word
    assert vigil.tick(S // 2) == []
    assert (vigil.ready, vigil.reason) == (False, "silent")

    vigil.completed(end(word), S)

    assert vigil.ready
    assert vigil.whole() == SURE
    assert vigil.whole() == 0


def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    vigil = opened()
    first = asked(vigil.tick(0))

    second = asked(vigil.tick(8 * S))

    assert second
    assert second != first
    assert vigil.begun()
    assert not vigil.begun()
    vigil.completed(end(first), 9 * S)
    assert vigil.ready, "an answer that is late is one"


def test_the_answer_to_a_request_of_before_the_silence_is_none() -> None:
    vigil = ready()
    before = asked(vigil.tick(300 * S))
    vigil.close("link_lost", "gone")
    vigil.open(310 * S)
    vigil.tick(310 * S)

    vigil.completed(end(before), 311 * S)

    assert not vigil.ready


def test_the_answer_to_somebody_else_is_not_ours() -> None:
    vigil = opened()
    vigil.tick(0)

    vigil.completed(end("theirs"), S)
    vigil.tick(3 * S)

    assert not vigil.ready


@pytest.mark.parametrize("said", [b"", b"{", b"[1]", b"null", b'"x"', b"\xff", b"7"])
def test_a_malformed_end_of_an_answer_is_none(said: bytes) -> None:
    vigil = opened()
    vigil.tick(0)

    vigil.completed(said, S)
    vigil.tick(3 * S)

    assert not vigil.ready


def test_a_gx_that_does_not_repeat_our_word_is_believed_a_moment_later() -> None:
    vigil = opened()
    vigil.tick(0)

    vigil.completed(end(), S)
    vigil.tick(S + S // 2)
    assert not vigil.ready
    vigil.tick(2 * S)

    assert vigil.ready
    assert vigil.whole() == UNSURE


def test_our_own_answer_that_comes_within_that_moment_is_the_better_one() -> None:
    vigil = opened()
    word = asked(vigil.tick(0))

    vigil.completed(end(), S)
    vigil.completed(end(word), S + 1)

    assert vigil.whole() == SURE


def test_it_is_kept_alive_every_half_minute_without_asking_for_anything() -> None:
    vigil = ready()
    told = []
    for half in range(1, 180):
        vigil.heard_us = half * S // 2
        told += [(half / 2, payload) for _, payload in vigil.tick(half * S // 2)]

    assert told == [(30.0, SUPPRESS), (60.0, SUPPRESS)]


def test_everything_is_asked_for_now_and_then_while_the_readings_go_on() -> None:
    vigil = ready()
    audits = []
    for second in range(1, 650):
        vigil.heard_us = second * S
        if word := asked(vigil.tick(second * S)):
            audits.append(second)
            vigil.completed(end(word), second * S)
            assert vigil.whole() == SURE
        assert vigil.ready

    assert audits == [300, 600]


def test_an_audit_that_is_not_answered_is_asked_for_again_and_harms_nothing() -> None:
    vigil = ready()
    audits = []
    for second in range(1, 320):
        vigil.heard_us = second * S
        audits += [second] if asked(vigil.tick(second * S)) else []

    assert audits == [300, 308, 316]
    assert vigil.ready


def test_a_heart_that_stops_ends_the_readings_and_everything_is_asked_for() -> None:
    vigil = ready()

    assert asked(vigil.tick(7 * S)) is None
    assert asked(vigil.tick(8 * S))

    assert (vigil.ready, vigil.reason) == (False, "silent")


def test_a_gx_whose_heart_nobody_ever_heard_is_given_more_time() -> None:
    vigil = opened()
    vigil.completed(end(asked(vigil.tick(0))), 0)
    vigil.heard_us = 0

    pass_time(vigil, 1, 20)
    assert vigil.ready
    pass_time(vigil, 20, 31)

    assert not vigil.ready


def test_nothing_is_asked_without_a_connection() -> None:
    vigil = ready()

    vigil.close("link_lost", "the broker is gone")

    assert vigil.tick(100 * S) == []
    assert (vigil.ready, vigil.reason, vigil.detail) == (False, "link_lost", "the broker is gone")


def test_an_old_gx_is_known_by_what_its_broker_kept_and_asked_for_each_word_again() -> None:
    vigil = opened()
    vigil.tick(0)
    vigil.pending["vebus/276/Soc"] = None

    assert vigil.tick(5 * S) == [("system/0/Serial", b"")]
    assert vigil.legacy
    vigil.heard_us = 6 * S
    assert vigil.tick(6 * S) == [("keepalive", b""), ("vebus/276/Soc", b"")]
    vigil.pending.clear()
    vigil.tick(9 * S)

    assert vigil.ready


def test_an_old_gx_that_answers_nothing_is_dead() -> None:
    vigil = opened()
    vigil.tick(0)
    vigil.pending["vebus/276/Soc"] = None

    for second in range(5, 100):
        vigil.tick(second * S)

    assert not vigil.ready


def test_an_old_gx_is_asked_for_its_serial_number_every_five_seconds() -> None:
    vigil = opened()
    vigil.tick(0)
    vigil.heard_us = 1
    asked_at = []
    for second in range(1, 40):
        vigil.heard_us = second * S
        asked_at += [second for path, _ in vigil.tick(second * S) if path == "system/0/Serial"]

    assert vigil.ready
    assert asked_at == [4, 9, 14, 19, 24, 29, 34, 39]
    pass_time(vigil, 40, 60)
    assert not vigil.ready


def test_a_heart_that_is_heard_after_all_makes_it_a_new_one() -> None:
    vigil = opened()
    vigil.tick(0)
    vigil.heard_us = 1
    vigil.tick(5 * S)
    assert vigil.legacy

    vigil.beat()

    assert not vigil.legacy
    word = asked(vigil.tick(14 * S))
    assert word


def test_time_in_which_we_did_not_listen_is_not_silence() -> None:
    vigil = ready()
    vigil.heard_us = 1
    vigil.tick(S)

    vigil.tick(60 * S)
    assert vigil.ready
    pass_time(vigil, 61, 68)

    assert not vigil.ready
