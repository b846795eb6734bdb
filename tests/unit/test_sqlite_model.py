"""Transactions of a read model's file: all or nothing, alone and inside another."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from projectors.sqlite_model import SqliteModel
from schemas.errors import TransientError

TABLES = "CREATE TABLE IF NOT EXISTS said (word TEXT) STRICT;"


class RefusedError(Exception):
    """What goes wrong inside."""


@pytest.fixture
def model(tmp_path: Path) -> Iterator[SqliteModel]:
    opened = SqliteModel(tmp_path / "model.sqlite", "test", 1, TABLES)
    yield opened
    opened.close()


def say(model: SqliteModel, word: str) -> None:
    model.db.execute("INSERT INTO said VALUES (?)", (word,))


def said(model: SqliteModel) -> list[str]:
    other = sqlite3.connect(model.path)
    found = [word for (word,) in other.execute("SELECT word FROM said ORDER BY rowid")]
    other.close()
    return found


def test_nothing_is_seen_before_the_end(model: SqliteModel) -> None:
    with model.transaction():
        say(model, "one")
        assert said(model) == []
    assert said(model) == ["one"]
    assert model.count("said") == 1


def test_a_failure_undoes_all_that_is_inside(model: SqliteModel) -> None:
    with suppress(RefusedError), model.transaction():
        say(model, "one")
        raise RefusedError
    assert said(model) == []
    with model.transaction():
        say(model, "two")
    assert said(model) == ["two"]


def test_a_part_fails_alone_and_the_whole_takes_its_parts_along(model: SqliteModel) -> None:
    with model.transaction():
        say(model, "before")
        with suppress(RefusedError), model.transaction():
            say(model, "part")
            raise RefusedError
        with model.transaction():
            say(model, "after")
    assert said(model) == ["before", "after"]

    with suppress(RefusedError), model.transaction():
        with model.transaction():
            say(model, "part")
        raise RefusedError
    assert said(model) == ["before", "after"]


def test_another_writer_makes_it_wait_and_then_say_so(model: SqliteModel) -> None:
    model.db.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(model.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="cannot be used now"), model.transaction():
        pass
    other.execute("ROLLBACK")
    other.close()
    with model.transaction():
        say(model, "one")
    assert said(model) == ["one"]


def test_a_build_is_whole_when_it_is_finished_and_goes_on_as_any_file(model: SqliteModel) -> None:
    model.fill(lambda: say(model, "rest"))
    for word in ("one", "two"):
        with model.transaction():
            say(model, word)
    model.finish()

    assert said(model) == ["one", "two", "rest"]
    assert model.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with suppress(RefusedError), model.transaction():
        say(model, "undone")
        raise RefusedError
    assert said(model) == ["one", "two", "rest"]
