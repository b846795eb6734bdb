"""Kill an archive's writer before every change that it makes to the disk, and look at what is left.

`python -m tests.archive_killed DIRECTORY` prints lines of JSON: what was about to happen, what was found.
Each kill is a SIGKILL of a process of its own; what is left is looked at by another.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bus.journal import Head
from projectors.archive import ArchiveProjector
from projectors.archive_place import place_of
from projectors.exchange import exchange
from projectors.runner import Runner
from projectors.sqlite_model import SqliteModel
from tests.archives import archive, rows
from tests.journals import MemoryJournal
from tests.streams import record, sample

EVENTS = 46
CHANGES = {"os.rename", "os.link", "os.remove", "os.rmdir"}


def main(directory: Path) -> None:
    """Kill at every change in turn, until a run ends before it is killed."""
    patch("projectors.archive_merge._FAN", 2).start()
    journal = MemoryJournal()
    record(journal, [sample("rig_1", n * 1_100, n) for n in range(EVENTS)])
    before = directory / "before"
    archive(journal, before, upto=23)
    for kill_at in range(1000):
        root = directory / "archive" / "000001"
        shutil.rmtree(root.parent, ignore_errors=True)
        shutil.copytree(before, root)
        status = _forked(lambda at=kill_at, root=root: _work(journal, root, at))  # type: ignore[misc]
        killed = os.WIFSIGNALED(status)
        if _forked(lambda killed=killed, root=root: _look(journal, root, killed)) != 0:  # type: ignore[misc]
            sys.exit(1)
        if not killed:
            return


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            if error := sys.exception():
                sys.excepthook(type(error), error, error.__traceback__)
                os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _work(journal: MemoryJournal, root: Path, kill_at: int) -> None:
    count = 0

    def change(what: str) -> None:
        nonlocal count
        if count == kill_at:
            _say({"before": what})
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES and "/" in str(arguments[0]) and str(root.parent) in str(arguments[0]):
            change(event)

    saved = SqliteModel.save_place

    def exchanging(one: Path, other: Path) -> None:
        change("exchange")
        exchange(one, other)

    def saving(model: SqliteModel, place: Head) -> None:
        change("commit")
        saved(model, place)

    patch("projectors.archive_store.exchange", exchanging).start()
    patch.object(SqliteModel, "save_place", saving).start()
    sys.addaudithook(hook)
    projector = ArchiveProjector(root, every_s=0.0)
    runner = Runner(journal, projector, batch=5)
    while runner.turn():
        projector.compact()
    projector.finish()
    projector.close()


def _look(journal: MemoryJournal, root: Path, killed: bool) -> None:
    """Look at the files as anyone would, and then go on."""
    place = place_of(root)
    assert place is not None
    found = [row["position"] for row in rows(root)]
    archived = [position for position in found if position <= place.position]
    begun = len(set(found)) == len(found)
    archive(journal, root)
    whole = [row["position"] for row in rows(root)]
    said = {
        "killed": killed,
        "position": place.position,
        "archived": archived == list(range(1, place.position + 1)),
        "once": begun,
        "whole": whole == list(range(1, EVENTS + 1)),
        "left": [str(path) for path in root.parent.rglob("*") if path.name.startswith((".", "_0"))],
    }
    _say(said)


def _say(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
