"""What the system before this one kept is imported by `ovr import`, with its own times, and once."""

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from bus import instants
from bus.envelope import decode
from bus.journal_sqlite import SqliteJournalReader
from tests.services import start_mosquitto, start_victoria
from tests.system.test_sender import ROOT, RecorderProcess
from tests.unit.test_old_rows import LOG, database, logged
from tests.unit.test_old_series import RIG, line

T0_MS = instants.now_us() // 1000 // 1000 * 1000 - 86_400_000
COUNT = 600


def imported(port: int, data: Path, *words: str) -> tuple[int, Any]:
    environment = os.environ | {"OVR_BROKER_HOST": "127.0.0.1", "OVR_BROKER_PORT": str(port)}
    command = [sys.executable, "-m", "ovr", "import", *words, "--json", "--data", str(data)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=120)
    assert done.returncode in {0, 1}, done.stderr.decode()
    return done.returncode, orjson.loads(done.stdout)


def exported(tmp_path: Path) -> list[Path]:
    """Let a real VictoriaMetrics write exports of series as Telegraf named them; voltages have their own."""
    times = [T0_MS + 500 * n for n in range(COUNT)]
    lines = [
        line("victron_ac_out_power", times, [float(n) for n in range(COUNT)]),
        line("victron_dc_voltage_v", times, [51.5] * COUNT),
        line("acuvim_P", times[::2], [-2.0] * (COUNT // 2), system_id="Logger 3"),
        line("go_goroutines", times[:5], [7.0] * 5, instance="vm"),
    ]
    paths = [tmp_path / "export.jsonl", tmp_path / "voltage.jsonl"]
    with start_victoria(tmp_path) as victoria:
        for one in lines:
            urllib.request.urlopen(f"{victoria.url}/api/v1/import", data=one).close()
        urllib.request.urlopen(f"{victoria.url}/internal/force_flush").close()
        for path, of in zip(paths, ('!~".*_voltage_v"', '=~".*_voltage_v"'), strict=True):
            said = f"match[]={{__name__{of}}}&start=0&end=9000000000&max_rows_per_line=300"
            with urllib.request.urlopen(f"{victoria.url}/api/v1/export", data=said.encode()) as answer:
                path.write_bytes(answer.read() + b"{broken\n")
    return paths


def test_a_database_and_series_are_recorded_once_with_their_own_times(tmp_path: Path) -> None:
    old = database(
        tmp_path / "events.db",
        LOG,
        rows=[
            logged(1, "2026-01-15T12:00:00", "event_start", "Logger 3", "startup", "yard", "First", ""),
            logged(2, "2026-01-15T13:00:00", "event_end_all", None, "startup", None, None, ""),
            logged(3, "2026-01-15T14:00:00", "event_start", "no/good", "startup", None, None, ""),
        ],
    )
    series, data = [str(path) for path in exported(tmp_path)], tmp_path / "data"
    with start_mosquitto(tmp_path) as broker:
        recorder = RecorderProcess(data, broker.port)
        recorder.start()
        try:
            status, dry = imported(broker.port, data, str(old), *series, "--dry-run")
            assert (status, recorder.recorded()) == (1, [])
            first = imported(broker.port, data, str(old), *series)
            with closing(SqliteJournalReader(data / "journal")) as reader:
                head = reader.head()
                events = [decode(event.body) for event in reader.read()]
            again = imported(broker.port, data, str(old), *reversed(series))
        finally:
            recorder.end(signal.SIGTERM)

    assert [one["events"] for one in dry["files"]] == [one["events"] for one in first[1]["files"]]
    assert first[1]["samples"] == dry["samples"] == again[1]["samples"]
    assert first[1]["samples"]["events"] == {"sample.taken": COUNT + COUNT // 2}
    assert first[0] == again[0]
    told = first[1]["files"]
    assert told == [again[1]["files"][n] for n in (0, 2, 1)]
    assert told[0]["events"] == {"window.started": 1, "window.ended": 1}
    assert "number 3" in told[0]["problems"][0]
    assert told[1]["mapped"] == {
        "acuvim_P": "ac_power_w",
        "victron_ac_out_power": "ac_out_power_w",
    }
    assert told[2]["mapped"] == {"victron_dc_voltage_v": "dc_voltage_v"}
    assert told[1]["left_out"][0]["series"] == "go_goroutines"
    assert "is no line" in told[1]["problems"][0]
    assert first[1]["refused"] == []
    with closing(SqliteJournalReader(data / "journal")) as reader:
        assert reader.head() == head

    assert {one.source for one in events} == {"/node/import"}
    facts = [(one.type, one.subject, instants.text(one.time_us)[:16]) for one in events[:2]]
    assert facts == [
        ("window.started", "acuvim_13", "2026-01-15T12:00"),
        ("window.ended", "all", "2026-01-15T13:00"),
    ]
    samples = [one for one in events if one.type == "sample.taken"]
    assert len(samples) == COUNT + COUNT // 2
    rig = [one for one in samples if one.subject == RIG["system_id"]]
    assert [one.time_us // 1000 for one in rig] == [T0_MS + 500 * n for n in range(COUNT)]
    assert rig[7].data["values"] == {"ac_out_power_w": 7.0, "dc_voltage_v": 51.5}
    assert {one.data["interval_ms"] for one in samples if one.subject == "acuvim_13"} == {1000}
