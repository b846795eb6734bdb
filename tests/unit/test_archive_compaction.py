"""Days of the archive become few files, when nothing is lost by it."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from projectors.archive import ArchiveProjector
from projectors.runner import Runner
from tests.archives import files, rows, telling
from tests.journals import MemoryJournal
from tests.streams import record, sample

DAY_S = 86_400
REST_OF_DAY_S = 46_400  # after the beginning of all tests


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def projector(tmp_path: Path) -> Iterator[ArchiveProjector]:
    root = tmp_path / "archive" / "000001"
    root.mkdir(parents=True)
    made = ArchiveProjector(root, every_s=0.0)
    yield made
    made.close()


class Site:
    """A journal that grows and its archive, minute by minute of a process's life."""

    def __init__(self, journal: MemoryJournal, projector: ArchiveProjector, root: Path) -> None:
        self.root = root
        self._journal = journal
        self._projector = projector
        self._runner = Runner(journal, projector)
        self._now_s = 0.0

    def taken(
        self, *at_s: float, recorded_s: float | None = None, values: dict[str, float | None] | None = None
    ) -> None:
        """Record samples, and archive them as one file a day."""
        said = [sample("rig_01", at, at) if values is None else telling("rig_01", at, values) for at in at_s]
        record(self._journal, said, recorded_s=recorded_s)
        while self._runner.turn():
            pass

    def minutes(self, count: int = 30) -> None:
        """Let time pass in which nothing comes."""
        for _ in range(count):
            self._now_s += 60
            list(self._projector.messages(self._now_s))

    def sizes(self) -> list[int]:
        return [pq.read_metadata(self.root / name).num_rows for name in files(self.root)]


@pytest.fixture
def site(journal: MemoryJournal, projector: ArchiveProjector, tmp_path: Path) -> Site:
    return Site(journal, projector, tmp_path / "archive" / "000001")


def test_small_files_of_today_become_larger_ones(site: Site) -> None:
    for n in range(12):
        site.taken(n)
        site.minutes(2)

    assert sorted(site.sizes()) == [1, 1, 1, 1, 8]


def test_a_day_becomes_one_file_an_hour_after_it_is_over(site: Site) -> None:
    site.taken(1)
    site.taken(2)
    site.taken(REST_OF_DAY_S + 3500)
    site.minutes()
    early = site.sizes()

    site.taken(REST_OF_DAY_S + 3600)
    site.minutes()

    assert early == [1, 1, 1]
    assert site.sizes() == [2, 1, 1]
    assert files(site.root)[0].endswith("/1-2.parquet")


def test_late_samples_join_their_day_once_it_has_been_quiet_for_an_hour(site: Site) -> None:
    site.taken(1, 2, 3)
    site.taken(DAY_S * 2, DAY_S * 2 + 1)
    site.minutes()
    site.taken(2.5, recorded_s=DAY_S * 2 + 3600)
    site.minutes()
    waiting = site.sizes()

    site.taken(DAY_S * 2 + 7300)
    site.minutes()

    assert waiting == [3, 1, 2]
    assert site.sizes()[0] == 4
    found = pq.read_table(site.root / files(site.root)[0])
    assert found["position"].to_pylist() == [1, 2, 6, 3]


def test_a_restart_goes_on_with_days_of_several_files(site: Site, projector: ArchiveProjector) -> None:
    site.taken(1)
    site.taken(2)
    projector.close()

    site.taken(DAY_S * 2)
    site.minutes()

    assert site.sizes() == [2, 1]


def test_a_measurement_that_appears_is_in_the_file_of_the_day(site: Site) -> None:
    site.taken(1)
    site.taken(2, values={"x_new_c": 4.0})
    site.taken(DAY_S * 2)
    site.minutes()

    assert [(row.get("ac_out_power_w"), row.get("x_new_c")) for row in rows(site.root)][:2] == [
        (1, None),
        (None, 4),
    ]
    assert site.sizes() == [2, 1]


def test_where_directories_cannot_be_exchanged_days_stay_many_files(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(one: Path, other: Path) -> None:
        raise OSError(22, "Invalid argument", str(one), None, str(other))

    monkeypatch.setattr("projectors.archive_store.exchange", cannot)
    site.taken(1)
    site.taken(2)
    site.taken(DAY_S * 2)
    site.minutes()

    assert site.sizes() == [1, 1, 1]


def test_a_damaged_file_stops_the_work_on_its_day_only(site: Site) -> None:
    site.taken(1)
    site.taken(2)
    site.taken(DAY_S, DAY_S + 1)
    site.taken(DAY_S + 2)
    damaged = site.root / files(site.root)[0]
    damaged.write_bytes(b"no Parquet")
    site.taken(DAY_S * 3)
    site.minutes()

    assert [pq.read_metadata(site.root / name).num_rows for name in files(site.root)[2:]] == [3, 1]
    assert damaged.read_bytes() == b"no Parquet"


def test_a_full_disk_leaves_the_day_as_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.taken(1)
    site.taken(2)
    site.taken(DAY_S * 2)
    with monkeypatch.context() as patch:
        patch.setattr("projectors.archive_merge.Writer.finish", _full)
        site.minutes()
    assert site.sizes() == [1, 1, 1]

    site.taken(2.5, recorded_s=DAY_S * 2 + 1)
    site.taken(DAY_S * 2 + 7300)
    site.minutes()

    assert site.sizes()[0] == 3


def _full(_: object) -> None:
    raise OSError(28, "No space left on device")
