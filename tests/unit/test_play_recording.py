"""Reading recordings: good lines become rows, bad ones an error that names the line."""

from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.connection import Broker
from producers.play import check, play_file
from producers.recording import Row, rows
from schemas.errors import ConfigurationError, InputError

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings"
GOOD = b'{"t": 0.5, "topic": "N/c0ffee000001/vebus/257/Soc", "payload": "{\\"value\\": 81.5}"}'


def test_a_line_is_a_row_and_snapshot_rows_are_due_at_once() -> None:
    lines = [b'{"t": -1, "topic": "N/1/a", "payload": ""}\n', b"\n", GOOD + b"\n"]

    snapshot, row = rows(lines)

    assert snapshot == Row(-1.0, "N/1/a", b"")
    assert snapshot.due_s == 0
    assert row == Row(0.5, "N/c0ffee000001/vebus/257/Soc", b'{"value": 81.5}')
    assert row.due_s == 0.5


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[1]", "not_an_object"),
        (b"{}", "t"),
        (b'{"t": true, "topic": "N/1", "payload": ""}', "t"),
        (b'{"t": "1", "topic": "N/1", "payload": ""}', "t"),
        (b'{"t": 1, "topic": "N/1", "payload": {"value": 1}}', "payload"),
        (b'{"t": 1, "topic": "N/1"}', "payload"),
        (b'{"t": 1, "topic": "", "payload": ""}', "topic"),
        (b'{"t": 1, "topic": "N/#", "payload": ""}', "topic"),
        (b'{"t": 1, "topic": "$SYS/x", "payload": ""}', "topic"),
        (b'{"t": 1, "topic": 5, "payload": ""}', "topic"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(GOOD + b"\n\n" + line + b"\n")

    with pytest.raises(InputError, match=r"broken\.jsonl line 3") as caught:
        check(path)

    assert caught.value.reason == reason
    assert caught.value.hint


def test_a_missing_file_and_a_negative_speed_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        play_file(tmp_path / "none.jsonl", Broker())
    with pytest.raises(ConfigurationError, match="speed"):
        play_file(tmp_path / "none.jsonl", Broker(), speed=-1)


@given(st.binary(max_size=80))
def test_any_bytes_give_rows_or_a_reason(line: bytes) -> None:
    read: list[Row] = []
    with suppress(InputError):
        read += rows([line])

    assert all(row.topic and isinstance(row.payload, bytes) for row in read)


@given(st.floats(-1e6, 1e6), st.text(st.characters(codec="utf-8")))
def test_what_was_recorded_is_what_is_played(t_s: float, payload: str) -> None:
    line = orjson.dumps({"t": t_s, "topic": "N/1/x", "payload": payload})

    assert list(rows([line])) == [Row(t_s, "N/1/x", payload.encode())]


@pytest.mark.parametrize(
    ("name", "messages"), [("venus-docker-bct.jsonl", 21_204), ("dbus-recorder-demo.jsonl", 3_065)]
)
def test_the_real_recordings_are_read_whole(name: str, messages: int) -> None:
    if not (RECORDINGS / name).exists():
        pytest.skip(f"{name} is not here")

    assert check(RECORDINGS / name) == messages
