"""Exports: everything that was asked for, once, in every format, however far the archive is."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from bus.envelope import Recorded
from bus.journal_writer import SqliteJournal
from ovr.main import app
from projectors.archive_export import Span, export
from projectors.archive_formats import Format
from projectors.archive_reader import ArchiveReader
from projectors.generations import Generations
from tests.archives import archive, rows, telling
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record, sample

DAY_S = 86_400
EVER = (0, 2**62)
STORY = [
    Said("window.started", "rig_01", 1, {"event_id": "festival"}),
    sample("rig_01", 1, 1),
    telling("rig_01", 2, {"soc_pct": 80, "ac_out_power_w": None}, late=True),
    sample("rig_02", 2, 3),
    telling("rig_01", 2.5, {"cpu_pct": 7.5}, kind="host"),
    sample("rig_01", DAY_S, 4),
    sample("rig_01", 1.5, 5),
    sample("old_name", 0.5, 6),
    Said("system.registered", "rig_01", 3, {"aliases": ["Old-Name"]}),
    Said("window.ended", "rig_01", 2.2, {"event_id": "festival"}),
]


@pytest.fixture
def journal() -> MemoryJournal:
    made = MemoryJournal()
    record(made, STORY)
    return made


def exported(
    journal: MemoryJournal, directory: Path, *spans: Span, form: Format = Format.PARQUET
) -> pa.Table:
    stream = io.BytesIO()
    export(journal, ArchiveReader(directory), spans, stream, form)
    stream.seek(0)
    if form is Format.CSV:
        return pa.csv.read_csv(stream)
    return pq.read_table(stream) if form is Format.PARQUET else pa.ipc.open_file(stream).read_all()


def archived(journal: MemoryJournal, directory: Path, upto: int) -> None:
    generations = Generations(directory, trees=True)
    generations.serve(root := generations.create())
    archive(journal, root, upto=upto)


@pytest.mark.parametrize("upto", [0, 3, 6, 10])
def test_an_export_is_the_same_however_far_the_archive_is(
    journal: MemoryJournal, tmp_path: Path, upto: int
) -> None:
    archived(journal, tmp_path, upto)

    table = exported(journal, tmp_path, Span("rig_01", *EVER))

    assert table.select(["kind", "position"]).to_pylist() == [
        {"kind": kind, "position": position}
        for kind, position in [
            ("host", 5),
            ("victron", 8),
            ("victron", 2),
            ("victron", 7),
            ("victron", 3),
            ("victron", 6),
        ]
    ]
    assert set(table["system_id"].to_pylist()) == {"rig_01"}
    assert table["soc_pct"].to_pylist() == [None, None, None, None, 80.0, None]


@pytest.mark.parametrize("form", list(Format))
def test_every_format_tells_the_same(journal: MemoryJournal, tmp_path: Path, form: Format) -> None:
    wanted = exported(journal, tmp_path, Span("rig_01", *EVER), Span("rig_02", *EVER)).to_pylist()

    found = exported(journal, tmp_path, Span("rig_01", *EVER), Span("rig_02", *EVER), form=form).to_pylist()

    assert found == wanted


def test_a_span_ends_before_its_end(journal: MemoryJournal, tmp_path: Path) -> None:
    archived(journal, tmp_path, 6)

    table = exported(journal, tmp_path, Span("rig_01", BASE_US + S, BASE_US + 2 * S))

    assert table["position"].to_pylist() == [2, 7]


def test_only_the_measurements_that_are_wanted(journal: MemoryJournal, tmp_path: Path) -> None:
    stream = io.BytesIO()

    found = export(
        journal,
        ArchiveReader(tmp_path),
        [Span("rig_01", *EVER)],
        stream,
        Format.PARQUET,
        names=["soc_pct", "no_w"],
    )

    assert pq.read_schema(stream).names[-1:] == ["soc_pct"]
    assert found.rows == 6


def test_what_is_archived_meanwhile_is_not_told_twice(
    journal: MemoryJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(journal, tmp_path, 3)
    real, stream = journal.read, io.BytesIO()

    def read(after: int = 0, **filters: Any) -> Iterator[Recorded]:
        yield from real(after, **filters)
        if after == 3 and filters.get("subjects"):
            monkeypatch.undo()
            archive(journal, tmp_path / "000001", compacted=True)

    monkeypatch.setattr(journal, "read", read)
    found = export(journal, ArchiveReader(tmp_path), [Span("rig_01", *EVER)], stream, Format.PARQUET)

    assert len(rows(tmp_path / "000001")) == 7
    assert found.rows == 6
    assert sorted(pq.read_table(stream)["position"].to_pylist()) == [2, 3, 5, 6, 7, 8]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    journal = SqliteJournal(tmp_path / "data" / "journal")
    record(journal, STORY)
    journal.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_the_command_names_its_file_by_what_is_in_it(data: Path) -> None:
    words = ["export", "Rig-01", "--from", "2026-11-18T00:00:00Z", "--data", str(data), "--json"]
    done = CliRunner().invoke(app, words)

    assert done.exit_code == 0, done.stderr
    assert '"rows":6' in done.stdout
    assert pq.read_table(data.parent / "rig_01_20261118T000000Z_.parquet").num_rows == 6


def test_the_command_writes_an_event_in_its_windows(data: Path) -> None:
    done = CliRunner().invoke(app, ["export", "--event", "festival", "-f", "csv", "--data", str(data)])

    assert done.exit_code == 0, done.stderr
    lines = (data.parent / "event_festival.csv").read_text().splitlines()
    assert [line.split(",")[3] for line in lines[1:]] == ["2", "7", "3"]
    assert lines[1].startswith(
        "rig_01,victron,2026-11-18T11:06:41.000000Z,2,2026-11-18T11:06:42.000000Z,500,false"
    )


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "name a system"),
        (["rig_01", "--from", "2026-11-19T00:00:00Z", "--to", "2026-11-18T00:00:00Z"], 2, "must be before"),
        (["rig_01", "--from", "yesterday"], 2, "--from"),
        (["rig_09"], 1, "no samples of rig_09"),
        (["--event", "../../etc"], 1, "there are festival"),
        (["rig_02", "--event", "festival"], 1, "rig_02 had no part"),
        (["rig_01", "-o", "data/site.toml"], 78, "exists"),
        (["rig_01", "-o", "nowhere/rig.csv"], 78, "cannot be written"),
        (["rig_01", "-f", "xlsx"], 2, "xlsx"),
    ],
)
def test_the_command_says_what_is_wrong_and_leaves_nothing(
    data: Path, words: list[str], status: int, said: str
) -> None:
    (data / "site.toml").write_text("")
    before = sorted(data.parent.rglob("*"))

    done = CliRunner().invoke(app, ["export", *words, "--data", str(data)])

    assert done.exit_code == status, done.stderr
    assert said in done.stderr
    assert sorted(data.parent.rglob("*")) == before
