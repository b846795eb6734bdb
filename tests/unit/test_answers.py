"""What the recorder says is read, and what nobody can read is as good as lost."""

from hypothesis import given
from hypothesis import strategies as st

from bus.answers import Ack, Rejection, parse_ack, parse_health, parse_rejection


def test_an_ack_names_epoch_sequence_and_incarnation() -> None:
    payload = b'{"epoch":"e1","sequence":41,"journal":"j","incarnation":"i","position":7}'

    assert parse_ack(payload) == Ack("e1", 41, "j/i")


def test_an_ack_of_an_unknown_epoch_has_no_sequence() -> None:
    payload = b'{"epoch":"e1","unknown":true,"journal":"j","incarnation":"i","position":7}'

    assert parse_ack(payload) == Ack("e1", None, "j/i")


def test_the_ack_of_a_plain_message_is_not_for_a_sender() -> None:
    assert parse_ack(b'{"id":"1","type":"note.added","subject":"rig_01","position":7}') is None


def test_a_rejection_may_lack_everything_but_its_reason() -> None:
    assert parse_rejection(b'{"reason":"size"}') == Rejection("", "", "", "", "size", "", "")


def test_health_needs_status_and_session() -> None:
    assert parse_health(b'{"status":"online","session":"s"}') == ("online", "s")
    assert parse_health(b'{"status":"online"}') is None


@given(st.binary() | st.sampled_from([b"[]", b"1", b'{"epoch":1}', b'{"reason":1}', b'{"status":[]}']))
def test_any_bytes_are_read_or_ignored(payload: bytes) -> None:
    for parse in (parse_ack, parse_rejection, parse_health):
        parse(payload)
