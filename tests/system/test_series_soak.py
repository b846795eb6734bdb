"""The series under kills that forget a part: long enough that VictoriaMetrics has some of it on disk."""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bus import instants
from bus.journal_writer import SqliteJournal
from tests.series_stream import SECOND_US, entry, sample
from tests.services import start_victoria
from tests.system.test_series import QUICK, content, live, rebuilt

_LASTS_S = 120.0


def facts(number: int) -> Iterator[tuple[str, dict[str, object]]]:
    if number % 40 == 3:
        yield "window.started", {"event_id": f"e{number % 7}"}
    if number % 40 == 23:
        yield "window.ended", {}
    if number % 50 == 11:
        yield "location.set", {"name": random.choice(["yard", "stage"])}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_any_kills_end_with_what_a_rebuild_has(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    settings = replace(QUICK, trail_s=30.0, pulse_s=1.0, mark_every_s=1.0)
    until = time.monotonic() + _LASTS_S
    kill_at, number, kills = time.monotonic() + 25, 0, 0
    with (
        start_victoria(tmp_path) as serving,
        live(journal, tmp_path / "series", serving.url, settings) as made,
    ):
        while time.monotonic() < until:
            now_us = instants.now_us()
            batch = [sample(f"rig_{system}", now_us, soc_pct=number, x_b=1.5) for system in range(40)]
            late_us = now_us - random.randrange(60) * SECOND_US
            batch += [entry(type_, "rig_1", late_us, data) for type_, data in facts(number)]
            journal.append(batch, recorded_us=now_us)
            number += 1
            made.turn()
            time.sleep(0.1)
            if time.monotonic() > kill_at:
                serving.kill()
                serving.start()
                kills += 1
                kill_at = time.monotonic() + random.uniform(0.5, 25)
        made.catch_up()
        found = content(serving.url)
        assert made.projector.rewinds
        (tmp_path / "fresh").mkdir()
        with start_victoria(tmp_path / "fresh") as fresh:
            assert found == rebuilt(journal, fresh, tmp_path)
    assert kills > 1
