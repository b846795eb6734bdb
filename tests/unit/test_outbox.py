"""The outbox keeps order over its two tiers, keeps facts for ever and samples while there is room."""

import itertools
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from bus.envelope import Envelope
from bus.outbox import Outbox, OutboxFull
from bus.outbox_items import DROPPED, Item, OutboxLimits
from schemas.errors import ConfigurationError, InputError, TransientError

ALL = 1_000_000


def sample(number: int, subject: str = "rig_01") -> Envelope:
    data = {"kind": "victron", "interval_ms": 500, "values": {"soc_pct": 81.5}}
    return Envelope(f"s{number}", "/edge/victron", "sample.taken", subject, number * 1_000_000, data)


def fact(number: int) -> Envelope:
    return Envelope(f"f{number}", "/edge/alice", "note.added", "rig_01", number, {"text": "hello"})


def ids(items: Sequence[Item]) -> list[str]:
    return [orjson.loads(item.body)["id"] for item in items]


def take_all(outbox: Outbox) -> list[Item]:
    return list(itertools.chain.from_iterable(iter(lambda: outbox.take(3, ALL), [])))


def put_all(outbox: Outbox, *events: Envelope, now_s: float = 0.0) -> None:
    for event in events:
        outbox.put(event, now_s)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox" / "victron.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    outbox = Outbox(path)
    yield outbox
    outbox.close()


def stored(path: Path) -> list[int]:
    database = sqlite3.connect(path)
    try:
        return [n for (n,) in database.execute("SELECT n FROM item ORDER BY n")]
    finally:
        database.close()


def crash(outbox: Outbox) -> None:
    """Leave as `kill -9` does: memory is gone, the file is as it is, the lock is free."""
    outbox._file.close()
    outbox.closed = True


def test_a_sample_stays_in_memory_while_it_is_young(outbox: Outbox, path: Path) -> None:
    outbox.put(sample(1), 0.0)
    outbox.tick(1.9)

    assert stored(path) == []


def test_samples_unconfirmed_for_two_seconds_go_to_the_file_all_at_once(outbox: Outbox, path: Path) -> None:
    outbox.put(sample(1), 0.0)
    outbox.put(sample(2), 1.9)

    outbox.tick(2.0)

    assert stored(path) == [1, 2]


def test_confirmed_samples_never_touch_the_file(outbox: Outbox, path: Path) -> None:
    put_all(outbox, sample(1), sample(2))
    outbox.confirm(outbox.take(10, ALL))

    outbox.tick(60.0)

    assert (stored(path), outbox.pending) == ([], 0)


def test_a_fact_is_in_the_file_with_everything_older_before_put_returns(outbox: Outbox, path: Path) -> None:
    put_all(outbox, sample(1), sample(2))

    outbox.put(fact(3), 0.0)

    assert stored(path) == [1, 2, 3]


def test_events_that_come_together_keep_their_order_and_are_on_the_disk_with_any_fact(
    outbox: Outbox, path: Path
) -> None:
    outbox.put(sample(1), 0.0)

    young = outbox.put_all([sample(2), sample(3)], 0.0)
    before = stored(path)
    last = outbox.put_all([sample(4), fact(5), sample(6)], 0.0)

    assert (young, before) == (3, [])
    assert (last, stored(path)) == (6, [1, 2, 3, 4, 5, 6])
    assert ids(take_all(outbox)) == ["s1", "s2", "s3", "s4", "f5", "s6"]


def test_of_events_that_come_together_none_is_taken_when_one_cannot_be_sent(
    outbox: Outbox, path: Path
) -> None:
    outbox.put_all([], 0.0)

    with pytest.raises(InputError):
        outbox.put_all([fact(1), Envelope("1", "/edge/a", "note.added", "rig/01", 0, {}), sample(2)], 0.0)

    assert (outbox.pending, stored(path)) == (0, [])
    assert outbox.put(sample(3), 0.0) == 1


def test_facts_that_come_together_count_against_the_bound_together(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(events=5))
    outbox.put_all([fact(number) for number in range(1, 9)], 0.0)

    with pytest.raises(OutboxFull):
        outbox.put_all([fact(9), sample(10), fact(11), fact(12)], 0.0)
    outbox.put_all([fact(13), fact(14)], 0.0)

    assert ids(take_all(outbox))[8:] == ["f13", "f14"]
    outbox.close()


def test_items_are_handed_out_once_and_in_order_across_both_tiers(outbox: Outbox) -> None:
    put_all(outbox, sample(1), fact(2), sample(3), fact(4), sample(5))

    assert ids(take_all(outbox)) == ["s1", "f2", "s3", "f4", "s5"]


def test_a_take_stops_at_its_size_but_never_before_the_first_item(outbox: Outbox) -> None:
    put_all(outbox, fact(1), fact(2), sample(3), sample(4))

    assert [len(outbox.take(10, 1)) for _ in range(4)] == [1, 1, 1, 1]


def test_what_was_handed_out_of_memory_is_not_handed_out_again_after_it_went_to_the_file(
    outbox: Outbox,
) -> None:
    put_all(outbox, sample(1), sample(2), sample(3))
    first = outbox.take(2, ALL)

    outbox.put(fact(4), 0.0)

    assert ids(first) + ids(take_all(outbox)) == ["s1", "s2", "s3", "f4"]


def test_pending_counts_both_tiers_until_they_are_confirmed(outbox: Outbox) -> None:
    put_all(outbox, sample(1), fact(2), sample(3))
    before = outbox.pending

    outbox.confirm(take_all(outbox))

    assert (before, outbox.pending, outbox.confirmed) == (3, 0, 3)


def test_a_crash_keeps_the_file_and_loses_only_memory(path: Path) -> None:
    before = Outbox(path)
    put_all(before, sample(1), fact(2), sample(3))
    crash(before)

    after = Outbox(path)

    assert ids(take_all(after)) == ["s1", "f2"]
    after.close()


def test_a_clean_close_keeps_everything(path: Path) -> None:
    before = Outbox(path)
    put_all(before, sample(1), fact(2), sample(3))
    before.confirm(before.take(1, ALL))
    before.close()

    after = Outbox(path)

    assert (ids(take_all(after)), after.pending) == (["f2", "s3"], 2)
    after.close()


def test_places_go_on_where_the_file_ends(path: Path) -> None:
    before = Outbox(path)
    put_all(before, fact(1), fact(2))
    before.close()

    after = Outbox(path)

    assert after.put(fact(3), 0.0) == 3
    after.close()


def test_confirmed_rows_leave_the_file_at_most_once_a_second(outbox: Outbox, path: Path) -> None:
    put_all(outbox, fact(1), fact(2), fact(3))
    outbox.confirm(outbox.take(1, ALL))
    outbox.tick(10.0)
    first = stored(path)
    outbox.confirm(outbox.take(1, ALL))
    outbox.tick(10.5)
    second = stored(path)
    outbox.tick(11.0)

    assert (first, second, stored(path)) == ([2, 3], [2, 3], [3])


def test_a_full_outbox_drops_its_oldest_samples_and_says_so_in_their_place(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(events=20, memory_events=1_000))
    put_all(outbox, *(sample(number, f"rig_{number % 2}") for number in range(1, 21)), fact(21))

    notices = [item for item in take_all(outbox) if item.type == DROPPED]
    data = [orjson.loads(item.body)["data"] for item in notices]

    assert [(item.n, item.subject) for item in notices] == [(2, "rig_0"), (3, "rig_1")]
    assert data == [
        {
            "count": 1,
            "from": "1970-01-01T00:00:02.000000Z",
            "to": "1970-01-01T00:00:02.000000Z",
            "reason": "outbox_full",
        },
        {
            "count": 2,
            "from": "1970-01-01T00:00:01.000000Z",
            "to": "1970-01-01T00:00:03.000000Z",
            "reason": "outbox_full",
        },
    ]
    assert outbox.dropped == 3
    outbox.close()


def test_a_later_drop_takes_over_an_account_that_nobody_has_seen(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(events=10))
    for number in range(1, 101):
        outbox.put(sample(number), 0.0)
        outbox.tick(number * 10.0)

    items = take_all(outbox)
    counts = [orjson.loads(item.body)["data"]["count"] for item in items if item.type == DROPPED]
    kept = [item for item in items if item.sample]

    assert len(counts) == 1
    assert counts[0] + len(kept) == 100
    assert items[0].type == DROPPED
    outbox.close()


def test_an_account_that_was_handed_out_is_never_changed(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(events=10))
    put_all(outbox, *(sample(number) for number in range(1, 12)))
    outbox.tick(10.0)
    (notice,) = outbox.take(1, ALL)

    put_all(outbox, *(sample(number) for number in range(12, 16)))
    outbox.tick(20.0)
    rest = take_all(outbox)

    assert [item.type for item in (notice, *rest)].count(DROPPED) == 2
    assert (
        sum(orjson.loads(i.body)["data"]["count"] for i in (notice, *rest) if i.type == DROPPED)
        == outbox.dropped
    )
    outbox.close()


def test_what_was_handed_out_is_never_dropped(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(events=10))
    put_all(outbox, *(sample(number) for number in range(1, 6)))
    first = outbox.take(5, ALL)

    put_all(outbox, *(sample(number) for number in range(6, 31)))
    outbox.tick(10.0)

    assert set(stored(path)) >= {item.n for item in first}
    outbox.close()


@pytest.mark.parametrize("spilled_before", [True, False])
def test_what_was_handed_out_is_not_dropped_by_a_later_process_either(
    path: Path, spilled_before: bool
) -> None:
    limits = OutboxLimits(events=10)
    before = Outbox(path, limits)
    put_all(before, *(sample(number) for number in range(1, 6)))
    if spilled_before:
        before.tick(10.0)
    before.take(5, ALL)
    before.tick(10.0)
    crash(before)

    after = Outbox(path, limits)
    put_all(after, *(sample(number) for number in range(6, 31)))
    after.tick(10.0)

    assert set(stored(path)) >= {1, 2, 3, 4, 5}
    assert after.dropped > 0
    after.close()


def test_facts_are_kept_when_only_facts_are_left_and_then_refused_with_a_hint(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(events=5))
    put_all(outbox, *(fact(number) for number in range(1, 11)))

    with pytest.raises(OutboxFull, match="bring the recorder back"):
        outbox.put(fact(11), 0.0)

    assert (outbox.pending, outbox.dropped) == (10, 0)
    outbox.close()


def test_samples_beyond_the_byte_bound_are_dropped(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(file_bytes=10_000))

    put_all(outbox, *(sample(number) for number in range(1, 101)), fact(101))

    assert outbox._file.size <= 10_000
    outbox.close()


def test_memory_above_its_bound_goes_to_the_file_at_once(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(memory_events=10))

    put_all(outbox, *(sample(number) for number in range(1, 12)))

    assert len(stored(path)) == 11
    outbox.close()


def test_a_second_process_on_one_outbox_is_told_who_has_it(outbox: Outbox, path: Path) -> None:
    script = "import sys; from pathlib import Path; from bus.outbox import Outbox; Outbox(Path(sys.argv[1]))"

    second = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, check=False, text=True
    )

    assert f"ConfigurationError: the outbox {path} is in use by process {os.getpid()}" in second.stderr
    outbox.put(fact(1), 0.0)


def test_the_outbox_can_be_opened_again_after_it_was_closed(path: Path) -> None:
    Outbox(path).close()

    Outbox(path).close()


def test_a_damaged_file_is_moved_aside_with_a_message_and_the_outbox_goes_on(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, however long one looks at it" * 100)

    with caplog.at_level(logging.ERROR):
        outbox = Outbox(path)
    outbox.put(fact(1), 0.0)

    assert ids(take_all(outbox)) == ["f1"]
    assert [aside.read_bytes()[:10] for aside in path.parent.glob("*.damaged-*")] == [b"this is no"]
    assert "was moved to" in caplog.text
    outbox.close()


def test_damage_that_shows_while_running_is_moved_aside_and_counts_stay_true(path: Path) -> None:
    outbox = Outbox(path)
    put_all(outbox, *(fact(number) for number in range(1, 4)))
    in_flight = outbox.take(3, ALL)
    outbox._file._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._file._database.execute("PRAGMA cache_size=0")
    with path.open("r+b") as file:
        file.seek(0)
        file.write(b"\xff" * path.stat().st_size)

    outbox.put(fact(4), 0.0)
    outbox.confirm(in_flight)

    assert (ids(take_all(outbox)), outbox.pending) == (["f4"], 1)
    assert len(list(path.parent.glob("*.damaged-*"))) >= 1
    outbox.close()


def test_an_older_copy_of_the_file_is_only_sent_again(path: Path, tmp_path: Path) -> None:
    first = Outbox(path)
    put_all(first, fact(1), fact(2))
    first.close()
    shutil.copy(path, tmp_path / "copy")
    second = Outbox(path)
    second.confirm(take_all(second))
    second.close()

    shutil.copy(tmp_path / "copy", path)
    third = Outbox(path)

    assert ids(take_all(third)) == ["f1", "f2"]
    third.close()


def test_a_file_of_another_format_is_a_configuration_error(path: Path) -> None:
    Outbox(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()

    with pytest.raises(ConfigurationError, match="format 99"):
        Outbox(path)


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="cannot be made"):
        Outbox(tmp_path / "file" / "victron.sqlite")


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (Envelope("1", "/edge/a", "note.added", "rig/01", 0, {}), "subject"),
        (Envelope("1", "/edge/a", "note.added", "rig+01", 0, {}), "subject"),
        (Envelope("1", "/edge/a", "note.added", "", 0, {}), "subject"),
        (Envelope("1", "/edge/a", "note/added", "rig_01", 0, {}), "type"),
        (Envelope("1", "/edge/a", "note.added", "rig_01", 0, {"text": object()}), "data"),
        (Envelope("1", "/edge/a", "note.added", "rig_01", 0, {"text": "x" * 1_000_000}), ""),
    ],
)
def test_what_no_broker_would_carry_is_refused_at_once(outbox: Outbox, event: Envelope, field: str) -> None:
    with pytest.raises(InputError) as refused:
        outbox.put(event, 0.0)

    assert (refused.value.field, outbox.pending) == (field, 0)


def test_a_closed_outbox_takes_nothing(path: Path) -> None:
    outbox = Outbox(path)
    outbox.close()

    with pytest.raises(TransientError, match="closed"):
        outbox.put(sample(1), 0.0)


def fill_disk(outbox: Outbox) -> None:
    """Let SQLite answer as it does on a full disk: no page may be added."""
    database = outbox._file._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count={pages}").fetchall()


def empty_disk(outbox: Outbox) -> None:
    outbox._file._database.execute("PRAGMA max_page_count=1000000").fetchall()


def big(number: int) -> Envelope:
    return Envelope(f"s{number}", "/edge/victron", "sample.taken", "rig_01", number, {"pad": "x" * 5_000})


def test_a_full_disk_leaves_samples_in_memory_until_there_is_space(path: Path) -> None:
    outbox = Outbox(path)
    fill_disk(outbox)
    outbox.put(big(1), 0.0)
    outbox.tick(2.0)
    full = (outbox.fault, stored(path), outbox.pending)

    empty_disk(outbox)
    outbox.tick(4.0)

    assert full == (f"the disk of the outbox {path} is full: free some space", [], 1)
    assert (outbox.fault, stored(path)) == (None, [1])
    outbox.close()


def test_a_full_disk_refuses_a_fact_and_says_why(path: Path) -> None:
    outbox = Outbox(path)
    fill_disk(outbox)
    outbox.put(big(1), 0.0)

    with pytest.raises(TransientError, match="is full: free some space"):
        outbox.put(fact(2), 0.0)

    assert ids(take_all(outbox)) == ["s1"]
    empty_disk(outbox)
    outbox.close()


def test_a_full_disk_and_full_memory_drop_the_oldest_samples_and_count_them(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(memory_events=10))
    fill_disk(outbox)

    put_all(outbox, *(big(number) for number in range(1, 31)))
    items = take_all(outbox)

    counts = [orjson.loads(item.body)["data"]["count"] for item in items if item.type == DROPPED]
    assert len(items) <= 11
    assert counts == [outbox.dropped]
    assert outbox.dropped + sum(item.sample for item in items) == 30
    assert [item.n for item in items] == sorted(item.n for item in items)
    empty_disk(outbox)
    outbox.close()
