"""Names of report directories: safe whatever the ids are."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projectors.report_names import LONGEST, directory, folder, safe

HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    " ",
    "CON",
    "nul",
    "lpt1",
    "com9.txt",
    "a" * 10_000,
    "🎪🎛️⚡",
    "مهرجان الصيف",
    "\u202eevil\u202c",
    "Summer Festival 2026",
    "summer festival 2026",
    "SUMMER FESTIVAL 2026",
    "é",
    "e\u0301",
    "a/b",
    "a\\b",
    "a:b",
    'a"b<c>|d?e*',
    "name\x00with nul",
    "line\nbreak",
    "$(reboot)",
    "-rf",
    "~",
    "data.json",
    "report.html",
    "\ud800",
]
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@pytest.mark.parametrize("name", ["festival", "rig_01", "acuvim_13", "day-2b", "x"])
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert safe(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_one_harmless_directory(name: str, tmp_path: Path) -> None:
    made = safe(name)
    assert NAME.fullmatch(made)
    assert len(made) <= LONGEST
    path = tmp_path / directory(name, 1_795_000_000_000_000, "r1") / folder(name, 2)
    path.mkdir(parents=True)
    assert path.resolve().parent.parent == tmp_path.resolve()


def test_names_that_differ_differ_even_without_capitals() -> None:
    assert len({safe(name) for name in HOSTILE}) == len(HOSTILE)


def test_what_is_legible_stays() -> None:
    assert safe("Summer Festival 2026").startswith("summer_festival_2026-")
    assert safe("Fête à Genève").startswith("fete_a_geneve-")


def test_a_windows_device_is_no_name() -> None:
    assert safe("con") != "con"
    assert safe("com1") != "com1"


def test_a_name_that_looks_like_a_marked_one_is_marked_itself() -> None:
    marked = safe("Festival")
    assert safe(marked) != marked


def test_a_second_window_is_no_other_system() -> None:
    assert folder("rig_01", 2) == "rig_01-2"
    assert folder("rig_01", 2) != folder("rig_01_2")
    assert folder("rig_01-2") != folder("rig_01", 2)


def test_a_directory_says_when_it_was_asked_for() -> None:
    made = directory("festival", 1_795_000_000_000_000, "r1")
    assert re.fullmatch(r"event_festival_20261118T110640Z-[0-9a-f]{8}", made)
    assert made == directory("festival", 1_795_000_000_000_000, "r1")
    assert made != directory("festival", 1_795_000_000_000_000, "r2")


@given(st.text(), st.text())
@example("Abc", "abc-" + "0" * 12)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    assert (safe(one) == safe(other)) == (one == other)
    assert NAME.fullmatch(safe(one))
    assert len(safe(one)) <= LONGEST
