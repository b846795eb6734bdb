"""A read model that is open keeps its write-ahead log, whoever else opens and closes the file."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from bus.journal import Head
from projectors.generations import Generations
from projectors.state import StateProjector
from schemas.registry import Registry

LOOK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("SELECT * FROM checkpoint")
db.close()
"""


def test_another_process_that_closes_a_new_model_leaves_its_log_alone(tmp_path: Path) -> None:
    generations = Generations(tmp_path / "state")
    projector = StateProjector(generations, Registry.load())
    projector.open()
    path = generations.current()
    assert path is not None

    subprocess.run([sys.executable, "-c", LOOK, str(path)], check=True)
    projector.save(Head("j", "i", 7, bytes(32)))

    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT position FROM checkpoint").fetchall() == [(7,)]
    projector.close()
