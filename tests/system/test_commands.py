"""The commands on a running node: what they answer, and their exit status."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from bus import instants
from ovr.main import COMMANDS, app
from tests.node import SMALL_SITE, Node, running
from tests.waiting import until

OK, REFUSED, USAGE, LATER, CONFIGURATION = 0, 1, 2, 75, 78
GROUPS = {
    "journal": ["head", "verify", "export", "import", "backup", "restore", "dead-letters"],
    "user": ["add", "remove", "list"],
}
WINDOW = '{"event_id":"startup","location":"warehouse"}'


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    unseen = ("alerts", "detector", "projector-archive", "projector-reports", "web")
    directory = tmp_path_factory.mktemp("commands")
    with running(directory, "--scenario", str(SMALL_SITE), without=unseen) as node:
        done = node.ovr("publish", "rig_01", "window.started", WINDOW)
        assert done.returncode == OK, done.stderr
        yield node


def said(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == OK, done.stderr.decode()
    document = orjson.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    assert done.returncode == OK, done.stderr.decode()
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def started(node: Node) -> int:
    (event, *_) = lines(node.ovr("replay", "--type", "window.started"))
    return int(event["position"])


@pytest.mark.parametrize(
    "words",
    [[name] for name in COMMANDS] + [[group, one] for group, names in GROUPS.items() for one in names],
)
def test_every_command_explains_itself_with_an_example(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == OK
    assert "Example" in done.output or "Commands" in done.output


def test_publishing_tells_the_position_of_the_event(node: Node) -> None:
    answer = said(node.ovr("publish", "Rig 01", "note.added", '{"text":"all is well"}', "--json"))
    (event,) = lines(node.ovr("replay", "--from", str(answer["position"]), "--limit", "1"))
    assert (event["id"], event["subject"]) == (answer["id"], "rig_01")


def test_a_refused_event_is_explained(node: Node) -> None:
    done = node.ovr("publish", "rig_01", "window.started", '{"event_id":""}')
    assert done.returncode == REFUSED
    assert b"data.event_id" in done.stderr
    letters = lines(node.ovr("journal", "dead-letters", "--json"))
    assert letters[0]["field"] == "data.event_id"


def test_data_that_is_no_json_is_wrong_usage(node: Node) -> None:
    assert node.ovr("publish", "rig_01", "note.added", "{text").returncode == USAGE


def test_the_tail_shows_what_is_recorded_from_now_on(node: Node) -> None:
    text = node.ovr("tail", "--system", "rig_01", "--type", "sample.taken", "--limit", "2").stdout.decode()
    assert len(text.splitlines()) == 2
    assert all("rig_01" in line and "sample.taken" in line for line in text.splitlines())
    events = lines(node.ovr("tail", "--limit", "3", "--json"))
    positions = [int(event["position"]) for event in events]
    assert positions == sorted(positions)


def test_a_replay_keeps_to_its_bounds(node: Node) -> None:
    until(lambda: node.head() > 40, "there is something to replay")
    events = lines(node.ovr("replay", "--from", "11", "--to", "30"))
    assert [int(event["position"]) for event in events] == list(range(11, 31))
    time = next(event["time"] for event in events if int(event["position"]) == 20)
    later = lines(node.ovr("replay", "--from", time, "--to", "30"))
    wanted = [e for e in events if instants.parse(e["time"]) >= instants.parse(time)]
    assert [event for event in later if int(event["position"]) > 10] == wanted


def test_a_remote_replay_is_the_local_one(node: Node) -> None:
    bounds = ("--from", "1", "--to", "60", "--system", "rig_01")
    until(lambda: node.head() >= 60, "there is something to replay")
    assert lines(node.ovr("replay", *bounds, "--remote")) == lines(node.ovr("replay", *bounds))


def test_a_replay_into_a_topic_is_heard_there(node: Node) -> None:
    retained = "ovr/state/_events/startup"
    topics = ["-t", retained, "-t", "ovr/replay/again/#"]
    command = ["mosquitto_sub", "-p", str(node.base), "-V", "5", "-q", "1", "-C", "6", "-W", "120", *topics]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None
        assert b"startup" in listener.stdout.readline(), "it listens"
        done = node.ovr("replay", "--to", "5", "--topic", "again")
        positions = [orjson.loads(line)["position"] for line in listener.stdout]
    assert done.returncode == OK, done.stderr
    assert b"played 5 events" in done.stderr
    assert positions == ["1", "2", "3", "4", "5"]


def test_times_without_an_offset_are_wrong_usage(node: Node) -> None:
    assert node.ovr("replay", "--from", "2026-11-21T05:00:00").returncode == USAGE
    assert node.ovr("state", "--at", "yesterday").returncode == USAGE


def test_the_journal_proves_itself_and_an_anchor(node: Node) -> None:
    head = said(node.ovr("journal", "head", "--json"))
    anchor = f"{head['position']}:{head['hash']}"
    assert said(node.ovr("journal", "verify", "--json", "--anchor", anchor))["ok"] is True
    wrong = node.ovr("journal", "verify", "--anchor", f"{head['position']}:{'0' * 64}")
    assert wrong.returncode == REFUSED
    assert b"anchor" in wrong.stderr


def test_an_export_makes_the_same_journal_elsewhere(node: Node, tmp_path: Path) -> None:
    file, copy = tmp_path / "site.jsonl.zst", tmp_path / "copy"
    written = said(node.ovr("journal", "export", str(file), "--json"))
    elsewhere = Node(copy, node.base, node.process)
    read = said(elsewhere.ovr("journal", "import", str(file), "--json"))
    assert read["new"] == written["events"]
    (last,) = lines(elsewhere.ovr("replay", "--from", str(read["position"])))
    assert last == lines(node.ovr("replay", "--from", str(read["position"]), "--limit", "1"))[0]
    assert said(elsewhere.ovr("journal", "verify", "--json"))["hash"] == read["hash"]
    again = said(elsewhere.ovr("journal", "import", str(file), "--json"))
    assert (again["new"], again["known"]) == (0, written["events"])


def test_a_journal_that_is_written_is_not_imported_into(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "site.jsonl.zst"
    said(node.ovr("journal", "export", str(file), "--to", "5", "--json"))
    assert node.ovr("journal", "import", str(file)).returncode == CONFIGURATION


def test_a_backup_is_a_journal(node: Node, tmp_path: Path) -> None:
    (tmp_path / "restored" / "journal").mkdir(parents=True)
    file = tmp_path / "restored" / "journal" / "journal.sqlite"
    copied = said(node.ovr("journal", "backup", str(file), "--json"))
    assert node.ovr("journal", "backup", str(file)).returncode == CONFIGURATION
    restored = Node(tmp_path / "restored", node.base, node.process)
    assert said(restored.ovr("journal", "head", "--json"))["hash"] == copied["hash"]
    assert said(restored.ovr("journal", "verify", "--json"))["ok"] is True


def test_the_state_is_now_then_and_as_it_was_known(node: Node) -> None:
    position = started(node)

    def window(*words: str) -> Any:
        (system,) = said(node.ovr("state", "Rig 01", *words, "--json"))["systems"]
        return system["window"]

    until(lambda: window() is not None, "the state holds the window")
    assert window()["event_id"] == "startup"
    assert window("--as-of", str(position))["event_id"] == "startup"
    (before, *_) = lines(node.ovr("replay", "--type", "window.started"))
    at = instants.text(instants.parse(before["time"]) - 1)
    assert window("--at", at) is None
    assert b"rig_01" in node.ovr("state").stdout


def test_a_system_nobody_knows_is_said_to_be_unknown(node: Node) -> None:
    done = node.ovr("state", "nobody")
    assert done.returncode == REFUSED
    assert b"rig_01" in done.stderr


def test_a_rebuilt_state_equals_the_live_one(node: Node) -> None:
    rebuilt = said(node.ovr("rebuild", "state", "--json"))
    assert rebuilt["position"] > 0
    verified = said(node.ovr("verify", "state", "--json"))
    assert verified["equal"] is True
    assert verified["compared"] > 0


def test_a_model_nobody_knows_is_wrong_usage(node: Node) -> None:
    assert node.ovr("rebuild", "nothing").returncode == USAGE


def test_the_doctor_finds_a_running_node_well(node: Node) -> None:
    done = node.ovr("doctor", "--json")
    findings = orjson.loads(done.stdout)
    assert [one for one in findings if one["grade"] == "bad"] == []
    assert {"broker", "victoria-metrics", "journal", "disk", "clock"} <= {one["what"] for one in findings}
    assert done.returncode == OK


def test_a_recording_is_played_onto_the_broker(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "gx.jsonl"
    file.write_text('{"t": 0.0, "topic": "N/c0/system/0/Serial", "payload": "{}"}\n' * 3)
    done = node.ovr("play", str(file), "--speed", "0", "--json")
    assert said(done)["messages"] == 3
    assert node.ovr("play", str(tmp_path / "none.jsonl")).returncode == CONFIGURATION


def test_a_directory_without_a_node_is_a_configuration_error(node: Node, tmp_path: Path) -> None:
    nowhere = Node(tmp_path, node.base, node.process)
    for words in (["journal", "head"], ["rebuild", "state"], ["publish", "rig_01", "note.added", "text=x"]):
        done = nowhere.ovr(*words)
        assert done.returncode == CONFIGURATION, words
        assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_series_are_rebuilt_under_the_running_node(node: Node) -> None:
    assert said(node.ovr("rebuild", "series", "--json"))["position"] > 0
    until(node.ready, "everything runs again")
