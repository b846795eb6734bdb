"""One supervised process: ready, ended, started again, given up, stopped; nothing survives its supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from ovr.child import EX_CONFIG, Child, State, end_leftovers, last_line
from ovr.process_identity import identity
from ovr.processes import Listening, ProcessSpec
from tests.waiting import until

IDLE = "import signal; print('begun', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(15, signal.SIG_IGN); print('begun', flush=True)\nwhile True: signal.pause()"
)


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        child.signal(signal.SIGKILL)
        child.stop()
        tend_until(child, partial(getattr, child, "over"))


def child_of(children: list[Child], tmp_path: Path, code: str, grace_s: float = 10.0) -> Child:
    spec = ProcessSpec("one", (sys.executable, "-c", code), 0, Listening(0), grace_s)
    child = Child(spec, tmp_path / "logs" / "one.log")
    children.append(child)
    return child


def tend_until(child: Child, condition: Callable[[], object]) -> None:
    until(condition, f"the child's state, now {child.state}", turn=child.tend)


def test_a_child_that_works_is_ready_and_one_that_stops_working_is_not(
    children: list[Child], tmp_path: Path
) -> None:
    child = child_of(children, tmp_path, IDLE)
    child.start()
    assert child.state is State.STARTING
    seen = []
    for working in (True, True, False):
        child.found(working=working)
        seen.append(child.state)
    assert seen == [State.READY, State.READY, State.STARTING]


def test_a_killed_child_is_started_again_after_a_rest(children: list[Child], tmp_path: Path) -> None:
    child = child_of(children, tmp_path, IDLE)
    child.start()
    first = child.pid
    child.signal(signal.SIGKILL)
    tend_until(child, lambda: child.state is State.RESTING)
    assert "SIGKILL" in child.message
    tend_until(child, lambda: child.pid not in {None, first})
    assert child.restarts == 1


def test_rests_grow_while_it_ends_at_once(children: list[Child], tmp_path: Path) -> None:
    child = child_of(children, tmp_path, "raise SystemExit(3)")
    child.start()
    ends: list[float] = []

    def three_ends() -> bool:
        if child.state is State.RESTING and len(ends) == child.restarts:
            ends.append(time.monotonic())
        return len(ends) > 2

    tend_until(child, three_ends)
    assert "status 3" in child.message
    assert ends[2] - ends[1] > 0.15


def test_a_child_that_a_person_must_help_is_given_up_with_its_words(
    children: list[Child], tmp_path: Path
) -> None:
    code = f"import sys; print('ovr: node_id must be text', file=sys.stderr); sys.exit({EX_CONFIG})"
    child = child_of(children, tmp_path, code)
    child.start()
    tend_until(child, lambda: child.state is State.FAILED)
    assert "node_id must be text" in child.message
    child.tend()
    assert (child.over, child.restarts) == (True, 0)


def test_a_program_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    spec = ProcessSpec("one", (str(tmp_path / "missing"),), 0, Listening(0))
    child = Child(spec, tmp_path / "one.log")
    child.start()
    assert child.state is State.RESTING
    assert "cannot be started" in child.message


def test_a_stop_is_clean_and_is_no_restart(children: list[Child], tmp_path: Path) -> None:
    child = child_of(children, tmp_path, IDLE)
    child.start()
    child.stop()
    tend_until(child, lambda: child.over)
    assert (child.state, child.restarts, child.pid) == (State.STOPPED, 0, None)


def test_one_that_does_not_stop_is_killed_after_its_grace(children: list[Child], tmp_path: Path) -> None:
    child = child_of(children, tmp_path, STUBBORN, grace_s=0.05)
    child.start()
    until(lambda: child.last_words() == "begun", "it ignores SIGTERM")
    child.stop()
    tend_until(child, lambda: child.over)
    assert child.state is State.STOPPED


def test_the_last_line_of_a_log_is_what_it_said(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    assert last_line(log) == ""
    log.write_text("first\n" + "x" * 10_000 + "\nlast\n\n")
    assert last_line(log) == "last"


def test_a_child_does_not_survive_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import signal, sys
from pathlib import Path
from ovr.child import Child
from ovr.processes import Listening, ProcessSpec
spec = ProcessSpec("one", (sys.executable, "-c", {IDLE!r}), 0, Listening(0))
child = Child(spec, Path({str(tmp_path)!r}) / "one.log")
child.start()
print(child.pid, flush=True)
signal.pause()
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    supervisor.stdout.close()
    until(lambda: not alive(pid), "the child ended")


def test_leftovers_of_an_earlier_supervisor_are_ended_and_no_others() -> None:
    left = subprocess.Popen([sys.executable, "-c", IDLE], stdout=subprocess.DEVNULL)
    name = identity(left.pid)
    assert name is not None
    assert end_leftovers([(left.pid, f"{name}1")]) == []
    assert left.poll() is None
    assert end_leftovers([(left.pid, name)]) == [left.pid]
    left.wait()
    assert identity(left.pid) is None


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
