"""Workers for reports: led without waiting, replaced when they die, hang or grow."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bus.journal_writer import SqliteJournal
from projectors.report_hands import Hands
from tests.report_office import start
from tests.streams import BASE_US, S, record
from tests.waiting import until

ECHO = """
import json, sys, time, os
setup = json.loads(sys.stdin.readline())
for line in sys.stdin:
    said = json.loads(line)
    if said.get("hang"):
        time.sleep(600)
    if said.get("die"):
        os._exit(3)
    print("not for whoever leads", file=sys.stderr)
    for n in range(said.get("steps", 0)):
        print(json.dumps({"progress": [n, 3]}), flush=True)
    result = {"pid": os.getpid(), **setup, **said}
    print(json.dumps({"result": result, "rss_kib": said.get("rss_kib", 1)}), flush=True)
"""


@pytest.fixture
def hands() -> Iterator[Hands]:
    one = Hands({"kind": "echo"}, 30.0, command=(sys.executable, "-c", ECHO))
    yield one
    one.close()


def answer(hands: Hands, work: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    hands.start(work)
    assert not hands.free

    def look() -> bool:
        said = hands.look()
        if said is not None:
            found.append(said)
        return bool(found)

    until(look, "the worker answers")
    assert hands.free
    return found[0]


def test_it_tells_the_setup_once_and_then_work_after_work(hands: Hands) -> None:
    hands.warm()
    first = answer(hands, {"n": 1, "steps": 3})["result"]
    second = answer(hands, {"n": 2})["result"]
    assert (first["kind"], first["n"], second["n"]) == ("echo", 1, 2)
    assert first["pid"] == second["pid"]


def test_a_worker_that_dies_is_an_answer_and_another_one_goes_on(hands: Hands) -> None:
    assert answer(hands, {"die": True}) == {"error": "the worker ended with status 3", "for_good": False}
    assert answer(hands, {"n": 1})["result"]["n"] == 1


def test_a_worker_that_is_killed_is_an_answer(hands: Hands) -> None:
    hands.start({"hang": True})
    assert hands.pid is not None
    os.kill(hands.pid, signal.SIGKILL)
    until(lambda: hands.look() is not None, "the loss is noticed")
    assert hands.free


def test_a_worker_that_says_nothing_for_too_long_is_killed() -> None:
    now = [0.0]
    one = Hands({}, 60.0, command=(sys.executable, "-c", ECHO), clock=lambda: now[0])
    try:
        one.start({"hang": True})
        assert one.look() is None
        now[0] = 61.0
        assert one.look() == {"error": "no answer within 60 s", "for_good": False}
        assert one.pid is None
    finally:
        one.close()


def test_a_worker_that_grew_too_large_is_replaced(hands: Hands) -> None:
    first = answer(hands, {"rss_kib": 10**6})["result"]
    assert hands.pid is None
    assert answer(hands, {})["result"]["pid"] != first["pid"]


def test_without_work_there_is_no_process_after_a_while() -> None:
    now = [0.0]
    one = Hands({}, 60.0, command=(sys.executable, "-c", ECHO), clock=lambda: now[0])
    one.warm()
    assert one.look() is None
    assert one.pid is not None
    now[0] = 121.0
    assert one.look() is None
    assert one.pid is None


def test_the_real_worker_answers_for_what_it_cannot_do(tmp_path: Path) -> None:
    wishes: dict[str, object] = {"settings": {"branding": {}}, "events": {}}
    one = Hands({"kind": "make", "data": str(tmp_path), "wishes": wishes}, 60.0)
    try:
        work = {
            "from_us": None,
            "event_id": "x",
            "system_id": None,
            "revision": 1,
            "reason": "r",
            "position": 1,
        }
        said = answer(one, work)
        assert "no journal" in said["error"]
        assert not said["for_good"]
        assert answer(one, {})["error"].startswith("KeyError")
        with closing(SqliteJournal(tmp_path / "journal")) as journal:
            record(journal, [start(0)])
        span = {"from_us": BASE_US, "to_us": BASE_US + 100 * 86_400 * S, "system_id": "rig_01"}
        said = answer(one, {**work, **span, "cut": 1, "directory": "reports/x"})
        assert "at most 92 days" in said["error"]
        assert said["for_good"]
    finally:
        one.close()
