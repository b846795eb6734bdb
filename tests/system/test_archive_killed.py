"""The archive's writer is killed before every single change it makes to the disk."""

import json
import subprocess
import sys
from pathlib import Path

from tests.node import ROOT
from tests.waiting import PATIENCE_S


def test_killed_between_any_two_changes_the_archive_holds_what_the_journal_holds(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.archive_killed", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert done.returncode == 0, done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    looks = [line for line in lines if "before" not in line]
    assert {line["before"] for line in lines if "before" in line} >= {
        "os.rename",
        "os.link",
        "exchange",
        "commit",
    }
    assert [look["killed"] for look in looks] == [True] * (len(looks) - 1) + [False]
    assert {look["position"] for look in looks} > {23, 46}
    for look in looks:
        assert look["archived"], "up to its checkpoint the archive has every row, once"
        assert look["once"], "no row is there twice, committed or not"
        assert look["whole"], "what was not committed came again"
        assert look["left"] == [], "nothing unfinished stays behind"
