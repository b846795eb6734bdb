"""The log: a line a thing, for people or for programs, with the event it is about and without secrets."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Recorded
from bus.naming import about
from ovr import config
from ovr.child import last_line
from ovr.log_settings import LogSettings
from ovr.logs import JsonLines, TextLines, configure, hidden, name_of
from schemas.errors import ConfigurationError

EVENT = Recorded(5, 0, "alice", "/edge/alice", "019-a", "note.added", "rig_01", 0, b"{}", b"")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged; the root logger is as it was afterwards."""
    root, text = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    root.handlers = [logging.StreamHandler(text)]
    yield text
    root.handlers, root.level = handlers, level


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("bus.recorder", logging.WARNING, "a.py", 1, message, arguments, None)
    made.__dict__.update(extra)
    return made


def test_a_line_for_programs_names_time_level_process_and_event(written: io.StringIO) -> None:
    configure(LogSettings(format="json"), words=["ovr", "project", "state"])

    logging.getLogger("projectors.runner").error("cannot apply %d", 5, extra=about(EVENT))

    said = json.loads(written.getvalue())
    assert said.pop("time").endswith("Z")
    assert said == {
        "level": "error",
        "process": "projector-state",
        "logger": "projectors.runner",
        "message": "cannot apply 5",
        "event": {"position": 5, "id": "019-a", "type": "note.added", "subject": "rig_01"},
    }


def test_a_line_for_people_names_the_event_too(written: io.StringIO) -> None:
    configure(LogSettings())

    logging.getLogger("projectors.runner").error("cannot apply it", extra=about(EVENT))

    assert written.getvalue().endswith(
        " ERROR cannot apply it [position=5 id=019-a type=note.added subject=rig_01]\n"
    )


def test_the_level_is_that_of_the_configuration(written: io.StringIO) -> None:
    configure(LogSettings(level="warning"))

    logging.getLogger("a").info("not this")
    logging.getLogger("a").warning("but this")

    assert "not this" not in written.getvalue()
    assert "but this" in written.getvalue()


def test_a_trace_stays_in_its_line() -> None:
    made = record("it failed")
    try:
        int("http://alice:secret@host")
    except ValueError:
        made.exc_info = sys.exc_info()

    text = JsonLines("web").format(made)

    assert "\n" not in text
    assert "ValueError" in json.loads(text)["trace"]
    assert "secret" not in text


@given(st.text())
def test_what_others_wrote_begins_no_line_of_its_own(said: str) -> None:
    assert "\n" not in JsonLines("web").format(record("refused: %s", said))
    assert "\n" not in TextLines().format(record("refused: %s", said))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://alice:s3cret@vm:8428/write", "http://***@vm:8428/write"),
        ("amqps://token@host", "amqps://***@host"),
        ("mail to alice@example.com", "mail to alice@example.com"),
        ("http://vm:8428/a@b", "http://vm:8428/a@b"),
    ],
)
def test_users_and_passwords_in_addresses_are_blotted_out(text: str, shown: str) -> None:
    assert hidden(text) == shown


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("ovr record --data data", "recorder"),
        ("ovr project series", "projector-series"),
        ("ovr produce victron -o a=b", "victron"),
        ("ovr replay-service", "replay"),
        ("ovr up", "supervisor"),
        ("ovr web --port 1", "web"),
        ("ovr", "ovr"),
    ],
)
def test_a_process_is_named_by_the_words_that_started_it(words: str, name: str) -> None:
    assert name_of(words.split()) == name


def test_status_shows_the_message_of_a_line_for_programs(tmp_path: Path) -> None:
    log = tmp_path / "one.log"

    log.write_text(JsonLines("web").format(record("the port is taken")) + "\n")
    assert last_line(log) == "the port is taken"

    log.write_text('{"half a line\n')
    assert last_line(log) == '{"half a line'


@pytest.mark.parametrize(
    ("text", "words"),
    [('[log]\nlevel = "loud"', "log.level is one of"), ('[log]\nformat = "xml"', "log.format is one of")],
)
def test_what_cannot_be_said_of_the_log_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    site = tmp_path / "site.toml"
    site.write_text(text)

    with pytest.raises(ConfigurationError, match=words):
        config.load(site, {})


def test_the_environment_says_the_level_by_its_old_name_too() -> None:
    assert config.load(None, {"LOG_LEVEL": "DEBUG"}).log.level == "debug"
    assert config.load(None, {"LOG_LEVEL": "DEBUG", "OVR_LOG_LEVEL": "error"}).log.level == "error"
