"""Backups are due when they should be, a short disk gives up what it should, and doctor tells."""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bus import instants, uplink_checkpoint
from bus.disk_levels import Level
from bus.journal import Head
from ovr import backup_state, config, disk_duty
from ovr.backup_schedule import due
from ovr.backup_state import BackupAge, BackupState
from ovr.disk_duty import DiskDuty
from ovr.erasing import erasable
from ovr.findings import Grade
from ovr.keeping_checks import check_backups, check_restores, check_room
from ovr.layout import Layout
from ovr.node import Node, open_node
from ovr.processes import SERVICE, VICTORIA, Listening, ProcessSpec
from ovr.supervisor import supervising
from projectors.archive_store import ArchiveStore
from projectors.generations import Generations
from schemas.errors import ConfigurationError

HOUR_US = 3_600_000_000
NOW_US = 1_800_000_000_000_000


def node_at(data: Path, site: str = "") -> Node:
    (data / "journal").mkdir(parents=True)
    (data / "site.toml").write_text(site)
    return open_node(data, environment={})


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (BackupState(), True),
        (BackupState(made_us=NOW_US - 23 * HOUR_US), False),
        (BackupState(made_us=NOW_US - 24 * HOUR_US), True),
        (BackupState(made_us=NOW_US + 25 * HOUR_US), True),  # the clock was set back
        (BackupState(tried_us=NOW_US - HOUR_US, problem="no stick"), False),
        (BackupState(tried_us=NOW_US - 3 * HOUR_US, problem="no stick"), True),
        (BackupState(made_us=NOW_US - 30 * HOUR_US, tried_us=NOW_US - HOUR_US, problem="full"), False),
    ],
    ids=["never", "young", "old", "clock back", "failed lately", "failed", "old and failed lately"],
)
def test_a_backup_is_due_when_the_newest_is_old_and_the_last_try_not_too_near(
    state: BackupState, wanted: bool
) -> None:
    assert due(state, 24.0, NOW_US) is wanted


def test_the_age_of_the_newest_backup_is_told_and_looked_up_now_and_then(tmp_path: Path) -> None:
    now = [NOW_US]
    age = BackupAge(tmp_path / "run" / "backup.json", lambda: now[0])
    assert age.figures() == {"backup_age_s": None}
    backup_state.save(tmp_path / "run" / "backup.json", BackupState(made_us=NOW_US - 90_000_000))
    assert age.figures() == {"backup_age_s": None}
    now[0] += 30_000_000
    assert age.figures() == {"backup_age_s": 120}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[backup]\nevery_h = 0", "backup.every_h must be above 0"),
        ("[backup]\nkeep = 0", "backup.keep must be at least 1"),
        ("[backup]\nwhere = 'x'", "no key backup.where"),
        ("[disk]\nthin_mb = 5\nrefuse_mb = 6", "must not rise"),
        ("[disk]\nreserve_mb = -1", "must not be negative"),
        ("[disk]\nsamples_days = 0.0", "disk.samples_days must be above 0"),
        ("[disk]\nvictoria_retention = 'long'", "such as 30d"),
    ],
)
def test_what_cannot_be_configured_is_an_error_with_a_cure(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "site.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=problem):
        config.load(tmp_path / "site.toml", {})


def test_limits_that_are_given_hold_and_the_others_fit_the_disk(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[disk]\nrefuse_mb = 7\nsamples_days = 3.0\n")
    limits = config.load(tmp_path / "site.toml", {}).disk.limits()
    assert list(limits.of(10**9)) == [100_000_000, 80_000_000, 60_000_000, 40_000_000, 7_000_000]
    assert limits.short_days == 3.0


@dataclass
class Swap:
    """Takes the wish for another VictoriaMetrics, and grants it."""

    victoria: Any
    wishes: list[tuple[str, ...]] = field(default_factory=list)

    def serve(self, spec: ProcessSpec) -> None:
        self.wishes.append(spec.command)
        self.victoria.spec = spec


@dataclass
class Victoria:
    spec: ProcessSpec


def test_short_of_room_old_logs_go_and_victoriametrics_keeps_less_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_duty, "_LOOK_EVERY_S", 0.0)
    layout, level = Layout(tmp_path), [Level.WARNING]
    layout.logs.mkdir(parents=True)
    for name in ("web.log", "web.log.1"):
        (layout.logs / name).write_text("said")
    usual = ("victoria-metrics", "-retentionPeriod=10y", "-x")
    victoria = Victoria(ProcessSpec(VICTORIA, usual, SERVICE, Listening(1)))
    swap = Swap(victoria)
    duty = DiskDuty(layout, lambda: level[0], swap, victoria, "30d")  # type: ignore[arg-type]

    for level[0] in (Level.WARNING, Level.TIDYING, Level.ERASING, Level.WARNING, Level.GOOD, Level.GOOD):
        duty.tend()

    assert swap.wishes == [("victoria-metrics", "-retentionPeriod=30d", "-x"), usual]
    assert [path.name for path in layout.logs.iterdir()] == ["web.log"]


def archive(layout: Layout, place: Head) -> None:
    generations = Generations(layout.archive, trees=True)
    root = generations.create()
    with closing(ArchiveStore(root)) as store:
        store.commit(place)
    generations.serve(root)


def test_samples_are_erased_no_further_than_archive_and_cloud_have_them(tmp_path: Path) -> None:
    node = node_at(tmp_path / "data", '[uplink]\nhost = "cloud"\nuser = "edge"\n')
    data = node.layout.data

    def upto(**environment: str) -> int:
        return erasable(open_node(data, environment=environment).site, node.layout, "i")

    assert upto() == 0
    archive(node.layout, Head("j", "i", 100, b"h"))
    assert upto() == 0
    uplink_checkpoint.save(data, uplink_checkpoint.Checkpoint({"samples": ("i", 70)}))
    assert upto() == 70
    assert upto(OVR_DISK_ERASE_UNSENT="true") == 100
    assert upto(OVR_UPLINK_HOST="") == 70


@pytest.mark.parametrize(
    ("archived", "sent", "erase_unsent", "wanted"),
    [
        ("i", "i", False, 70),
        ("before", "i", False, 0),
        ("i", "before", False, 0),
        ("before", "before", False, 0),
        ("before", "before", True, 0),
        ("i", "before", True, 100),
    ],
)
def test_what_was_held_of_another_life_of_the_journal_lets_nothing_of_this_one_go(
    tmp_path: Path, archived: str, sent: str, erase_unsent: bool, wanted: int
) -> None:
    site = f"[uplink]\nhost = 'cloud'\nuser = 'edge'\n[disk]\nerase_unsent = {str(erase_unsent).lower()}\n"
    node = node_at(tmp_path / "data", site)
    archive(node.layout, Head("j", archived, 100, b"h"))
    uplink_checkpoint.save(node.layout.data, uplink_checkpoint.Checkpoint({"samples": (sent, 70)}))

    assert erasable(node.site, node.layout, "i") == wanted


def test_doctor_tells_of_backups_that_are_old_or_failed(tmp_path: Path) -> None:
    node = node_at(tmp_path / "data", f'[backup]\nto = "{tmp_path}"\nevery_h = 1\n')

    def told() -> list[Grade]:
        return [one.grade for one in check_backups(node)]

    assert told() == [Grade.NOTE]
    now_us = instants.now_us()
    backup_state.save(node.layout.backup_state, BackupState(made_us=now_us, name="x"))
    assert told() == [Grade.GOOD]
    old = BackupState(made_us=now_us - 3 * HOUR_US, name="x", problem="the stick is full")
    backup_state.save(node.layout.backup_state, old)
    assert told() == [Grade.BAD, Grade.NOTE]


def test_doctor_tells_of_room_and_of_what_restores_left(tmp_path: Path) -> None:
    node = node_at(tmp_path / "data", "[disk]\nwarn_mb = 1000000000\nerase_mb = 1\n")
    assert [one.grade for one in check_room(node)] == [Grade.NOTE]
    assert list(check_restores(node)) == []
    (node.layout.data / "replaced-1").mkdir()
    node.layout.restoring.mkdir()
    (node.layout.restoring / "ready.json").write_text("{}")
    assert [one.grade for one in check_restores(node)] == [Grade.BAD, Grade.NOTE]
    with pytest.raises(ConfigurationError, match="was interrupted"), supervising(node):
        pass
