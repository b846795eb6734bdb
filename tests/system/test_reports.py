"""Reports of a node: made by themselves within seconds, again when late data come, and never told twice."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import envelope, instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.sender import Sender
from projectors.report_index import Report, Reports
from projectors.report_names import directory
from tests.node import Node, check_journal, running
from tests.report_receivers import Hook, Postbox, mail_server, webhook
from tests.waiting import PATIENCE_S, until

S, MINUTE = 1_000_000, 60_000_000
HALF_S = S // 2
RIGS = ("rig_01", "rig_03")
METERED = "rig_03"
SITE = """
without = ["alerts", "detector", "projector-counters", "projector-state", "web", "replay"]
[producers.host]
interval_ms = 1000
[reports]
time_zone = "Europe/Berlin"
price_per_kwh = 0.4
"""
MINUTES = 10
JOBS = (1,)


def reading(system: str, time_us: int) -> Envelope:
    """Take a sample of a rig: three phases, 3 to 5 kW."""
    power = 4000 + 1000 * ((time_us // HALF_S % 600) / 300 - 1)
    values = {
        "ac_out_power_w": power,
        **{f"ac_out_l{n}_power_w": power / 3 for n in (1, 2, 3)},
        **{f"ac_out_l{n}_voltage_v": 230.0 + n for n in (1, 2, 3)},
        **{f"ac_out_l{n}_current_a": power / 690 for n in (1, 2, 3)},
        "soc_pct": 80.0,
    }
    if system == METERED:
        values["energy_inverter_to_out_wh"] = counted_wh(time_us)
    data = {"kind": "victron", "interval_ms": 500, "values": values}
    return Envelope(f"{system}-{time_us}", "/rigs", "sample.taken", system, time_us, data)


def counted_wh(time_us: int) -> float:
    """Count the energy of `reading` as a device does: from some day on, in whole Wh."""
    rounds, steps = divmod(time_us // HALF_S, 600)
    watt_seconds = rounds * 4000 * 300 + 0.5 * (3000 * steps + steps**2 / 0.6)
    return float(watt_seconds // 3600 % 1e6)


def fill(data: Path) -> int:
    """Write a past: one event that goes on, and one that was reported, with data that came late since.

    Return where it ends.
    """
    now_us = instants.now_us() // HALF_S * HALF_S
    first_us, before_us = now_us - MINUTES * MINUTE, now_us - 3 * MINUTES * MINUTE
    ended_us = before_us + MINUTES * MINUTE
    with closing(SqliteJournal(data / "journal")) as journal:

        def put(recorded_us: int, *said: Envelope) -> None:
            journal.append([entry(one) for one in said], recorded_us=recorded_us)

        put(before_us, fact("rig_02", before_us, "window.started", event_id="before"))
        for time_us in range(before_us, ended_us, 10 * S):
            if not before_us + 5 * MINUTE <= time_us < before_us + 8 * MINUTE:
                put(time_us, *(reading("rig_02", time_us + n * HALF_S) for n in range(20)))
        put(ended_us, fact("rig_02", ended_us, "window.ended"), reading("rig_02", ended_us))
        span = {"from": instants.text(before_us), "to": instants.text(ended_us)}
        for subject, scope in (("rig_02", "system"), ("_site", "event")):
            known = {
                "scope": scope,
                "event_id": "before",
                "revision": 1,
                "cut_position": journal.head().position,
            }
            asked = fact(subject, ended_us, "report.requested", **known, **span)
            told = {
                **known,
                "href": "x",
                "sha256": "0" * 64,
                "request": asked.id,
                "totals": {"energy_wh": 1.0},
            }
            put(ended_us, asked, fact(subject, ended_us, "report.generated", **told))
        late_us = before_us + 5 * MINUTE
        put(first_us, *(reading("rig_02", late_us + n * HALF_S) for n in range(360)))
        put(first_us, *(fact(one, first_us, "window.started", event_id="gig") for one in RIGS))
        for time_us in range(first_us, now_us, 10 * S):
            put(time_us, *(reading(one, time_us + n * HALF_S) for n in range(20) for one in RIGS))
    return now_us


def fact(subject: str, time_us: int, kind: str, **data: Any) -> Envelope:
    source = "/node/reports" if kind.startswith("report") else "/ops"
    return Envelope(f"{kind}-{subject}-{time_us}", source, kind, subject, time_us, data)


def entry(said: Envelope) -> Entry:
    stream = "victron/500" if said.type == "sample.taken" else None
    body = envelope.encode(said)
    return Entry("rigs", said.source, said.id, said.type, said.subject, said.time_us, body, stream)


class Rigs:
    """Systems that go on sending."""

    def __init__(self, node: Node, systems: tuple[str, ...], now_us: int) -> None:
        self.sender = Sender(
            Broker(port=node.base), client="rigs", name="test", path=node.data / "rigs.sqlite"
        )
        self._systems = systems
        self._next_us = now_us

    def turn(self) -> None:
        """Send what is due by now."""
        while self._next_us <= instants.now_us():
            for one in self._systems:
                self.sender.put(reading(one, self._next_us))
            self._next_us += HALF_S
        time.sleep(0.01)


def say(node: Node, system: str, kind: str, **data: Any) -> None:
    """Publish as an operator does, with the program of the broker."""
    topic, message = f"ovr/in/alice/{system}/{kind}", orjson.dumps(data).decode()
    command = ["mosquitto_pub", "-V", "mqttv5", "-p", str(node.base), "-q", "1", "-t", topic, "-m", message]
    subprocess.run(command, check=True, timeout=PATIENCE_S)


def reports(node: Node, **wanted: Any) -> list[Report]:
    return Reports(node.data).find(**wanted)


def ready(node: Node, count: int, **wanted: Any) -> Callable[[], bool]:
    return lambda: sum(one.state == "ready" for one in reports(node, **wanted)) >= count


def told(node: Node) -> list[tuple[str, str, str, int]]:
    """List what the journal holds about reports."""
    with closing(node.journal()) as reader:
        found = reader.read(types=["report.requested", "report.generated"])
        return [(one.type, one.subject, one.id, orjson.loads(one.body)["data"]["revision"]) for one in found]


def settle(node: Node, rigs: Rigs) -> None:
    """Wait until nothing is to be made."""
    until(lambda: all(one.state == "ready" for one in reports(node)), "all are made", turn=rigs.turn)


def document(node: Node, report: Report) -> dict[str, Any]:
    content = (node.data / report.directory / "data.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == report.sha256
    found = orjson.loads(content)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with webhook() as server:
        yield server


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, postbox: Postbox, hook: Hook
) -> Iterator[tuple[Node, Rigs]]:
    data = tmp_path_factory.mktemp("reports") / "data"
    data.mkdir()
    with mail_server(postbox) as port:
        mail = f'[reports.mail]\nhost = "localhost"\nport = {port}\nsecurity = "none"\n'
        mail += 'sender = "r@example.org"\n'
        to = 'recipients = ["ops@example.org"]\n[reports.events.gig]\nrecipients = ["client@example.org"]\n'
        url = f'[reports.webhook]\nurl = "{hook.url}"\nsecret = "shared"\n'
        (data / "site.toml").write_text(SITE + mail + to + url)
        now_us = fill(data)
        with running(data.parent) as node:
            rigs = Rigs(node, RIGS, now_us)
            try:
                yield node, rigs
            finally:
                rigs.sender.close()


def test_late_data_lead_to_a_revision_that_says_what_changed(site: tuple[Node, Rigs]) -> None:
    node, rigs = site
    until(ready(node, 4, event_id="before"), "both revisions are made", turn=rigs.turn)
    by_revision = {(one.scope, one.revision): one for one in reports(node, event_id="before")}
    first, second = by_revision["system", 1], by_revision["system", 2]
    assert second.reason == "late_data"
    energies = [document(node, one)["summary"]["energy_wh"] for one in (first, second)]
    assert energies[0]["coverage_pct"] == pytest.approx(70, abs=0.3)
    assert energies[1]["coverage_pct"] == pytest.approx(100, abs=0.1)
    assert document(node, second)["quality"]["late_samples"] == 360
    assert {"figure": "energy_wh", "before": 1.0, "after": energies[1]["value"]} in second.changed
    until(
        lambda: ("report.generated", "_site", 2) in [one[:2] + one[3:] for one in told(node)],
        "it is told",
        turn=rigs.turn,
    )
    assert [one[:2] + one[3:] for one in told(node)].count(("report.generated", "rig_02", 1)) == 1


def test_a_report_is_there_within_seconds_of_the_end_of_its_window(
    site: tuple[Node, Rigs], postbox: Postbox, hook: Hook
) -> None:
    node, rigs = site
    head = node.head()
    until(lambda: node.head() > head + 10, "samples flow", turn=rigs.turn)
    say(node, "all", "window.ended", event_id="gig")
    until(ready(node, 2, event_id="gig", scope="system"), "the reports are there", turn=rigs.turn)
    until(ready(node, 3, event_id="gig"), "the event's report is there", turn=rigs.turn)
    (report,) = reports(node, event_id="gig", scope="event")
    found = document(node, report)
    assert found["made_from"]["cut_position"] == report.cut_position
    assert found["settings"]["time_zone"] == "Europe/Berlin"
    hours = found["totals"]["duration_s"] / 3600
    assert found["totals"]["energy_wh"]["value"] == pytest.approx(4000 * hours, rel=0.05)
    directory = node.data / report.directory
    assert "<html" in (directory / "report.html").read_text(encoding="utf-8")
    assert (directory / "rig_03" / "report.html").exists()
    until(
        lambda: reports(node, event_id="gig", scope="event")[0].pdf == "ready",
        "there is a PDF",
        turn=rigs.turn,
    )
    until(lambda: len(postbox.taken) == 2, "it is mailed", turn=rigs.turn)
    assert sorted(to for (to,), _ in postbox.taken) == ["client@example.org", "ops@example.org"]
    until(lambda: posted(hook).count(("gig", "event", 1)) == 1, "it is posted", turn=rigs.turn)


def grown(node: Node, head: int) -> bool:
    return node.head() > head + 8


def test_three_ways_to_the_energy_of_an_event_agree(site: tuple[Node, Rigs]) -> None:
    node, rigs = site

    def compared() -> dict[str, Any]:
        done = node.ovr("verify", "report", "gig", "--json")
        found = orjson.loads(done.stdout)
        assert isinstance(found, dict)
        assert done.returncode == (0 if found["equal"] else 1)
        return found

    until(lambda: compared()["equal"], "the series agree with the reports", turn=rigs.turn)
    rows = {(one["system_id"], one["source"]): one for one in compared()["compared"]}
    assert rows["rig_01", "series"]["agrees"]
    assert abs(rows["rig_03", "series"]["difference_pct"]) < 0.5
    assert rows["rig_01", "register"]["why"] == "it has no energy register"
    assert rows[METERED, "register"]["agrees"]
    assert abs(rows[METERED, "register"]["difference_pct"]) < 0.5
    assert 2.0 <= rows[METERED, "register"]["bound_pct"] < 3.0
    assert "agrees" in node.ovr("verify", "report", "gig", "--system", "rig_01").stdout.decode()
    assert node.ovr("verify", "report", "no such event").returncode == 1


def posted(hook: Hook) -> list[tuple[str, str, int]]:
    found = (orjson.loads(body) for body, _ in hook.taken)
    return [(one["event_id"], one["scope"], one["revision"]) for one in found]


def test_killed_at_any_moment_nothing_is_asked_for_or_told_twice(site: tuple[Node, Rigs], hook: Hook) -> None:
    node, rigs = site
    for number in JOBS:
        for one in RIGS:
            say(node, one, "window.started", event_id=f"job {number}")
        head = node.head()
        until(partial(grown, node, head), "samples flow", turn=rigs.turn)
        say(node, "all", "window.ended", event_id=f"job {number}")
        until(
            partial(reports, node, event_id=f"job {number}"),
            "it is asked for",
            turn=rigs.turn,
        )
        node.kill("projector-reports")
        until(ready(node, 1, event_id=f"job {number}"), "one is made", turn=rigs.turn)
        os.kill(node.pid("projector-reports"), 9)
    until(
        lambda: all(ready(node, 3, event_id=f"job {n}")() for n in JOBS),
        "all are made",
        within_s=PATIENCE_S,
        turn=rigs.turn,
    )
    wanted = {("report.generated", subject, 1) for subject in (*RIGS, "_site")}

    def tellings(number: int) -> list[tuple[str, str, int]]:
        with closing(node.journal()) as reader:
            found = [orjson.loads(one.body) for one in reader.read(types=["report.generated"])]
        return [
            (one["type"], one["subject"], one["data"]["revision"])
            for one in found
            if one["data"]["event_id"] == f"job {number}"
        ]

    until(lambda: all(set(tellings(n)) == wanted for n in JOBS), "all are told", turn=rigs.turn)
    assert all(len(tellings(number)) == 3 for number in JOBS)
    until(
        lambda: sum(one[0].startswith("job") for one in posted(hook)) >= 3 * len(JOBS),
        "all are posted",
        turn=rigs.turn,
    )
    check_journal(node)


@pytest.mark.soak
def test_a_failure_says_why_and_can_be_tried_again(site: tuple[Node, Rigs]) -> None:
    node, rigs = site
    now_us = instants.now_us()
    data = {
        "scope": "system",
        "event_id": "gig",
        "revision": 1,
        "cut_position": node.head(),
        "reason": "operator",
    }
    asked = Envelope("in-the-way", "/ops", "report.requested", "rig_01", now_us, data)
    blocked = node.data / "reports" / directory("gig", now_us, "/ops in-the-way")
    blocked.write_text("not a directory")
    rigs.sender.put(asked)

    def stands() -> Report:
        return next(one for one in reports(node) if one.request_id == "in-the-way")

    until(
        lambda: any(one.request_id == "in-the-way" for one in reports(node)),
        "it is asked for",
        turn=rigs.turn,
    )
    until(lambda: stands().state == "failed", "it fails for good", within_s=PATIENCE_S, turn=rigs.turn)
    assert "cannot be written" in str(stands().error)
    health = orjson.loads(node.ovr("status", "--json").stdout)
    (process,) = [one for one in health["processes"] if one["name"] == "projector-reports"]
    assert "cannot be written" in orjson.dumps(process).decode()
    assert stands().revision == 2
    blocked.unlink()
    assert node.ovr("report", "retry", "gig").returncode == 0
    until(lambda: stands().state == "ready", "it is made", turn=rigs.turn)


def test_reports_are_made_listed_and_kept_by_command(site: tuple[Node, Rigs], tmp_path: Path) -> None:
    node, _ = site
    done = node.ovr("report", "gig", "--system", "rig-03", "--json")
    assert done.returncode == 0, done.stderr
    asked = orjson.loads(done.stdout)
    assert (asked["state"], asked["system_id"], asked["reason"], asked["revision"]) == (
        "ready",
        "rig_03",
        "operator",
        2,
    )
    listed = orjson.loads(node.ovr("report", "list", "gig", "--json").stdout)
    assert asked in listed
    assert "gig" in node.ovr("report", "list").stdout.decode()
    done = node.ovr("report", "gig", "-f", "json", "-o", str(tmp_path / "gig.json"))
    assert done.returncode == 0, done.stderr
    assert orjson.loads((tmp_path / "gig.json").read_bytes())["scope"] == "event"
    since, until_ = instants.text(instants.now_us() - MINUTES * MINUTE), instants.text(instants.now_us() - S)
    words = ("--system", "rig_01", "--from", since, "--to", until_, "-o", str(tmp_path / "span"))
    done = node.ovr("report", "some span", *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "span" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert node.ovr("report", "no such event", "-o", str(tmp_path / "none")).returncode == 1
    assert not (tmp_path / "none").exists()


def test_without_its_files_all_is_made_again_and_nothing_is_told(site: tuple[Node, Rigs]) -> None:
    node, rigs = site
    settle(node, rigs)
    before, sums = told(node), {one.directory: one.sha256 for one in reports(node)}
    shutil.rmtree(node.data / "reports")
    os.kill(node.pid("projector-reports"), 9)
    until(ready(node, len(sums)), "all are made again", within_s=PATIENCE_S, turn=rigs.turn)
    again = {one.directory: one.sha256 for one in reports(node)}
    assert again == sums
    verified = node.ovr("verify", "reports", "--json")
    assert verified.returncode == 0, verified.stdout
    assert told(node) == before


def test_a_rebuild_beside_a_running_node_makes_the_same_reports_and_publishes_nothing(
    site: tuple[Node, Rigs],
) -> None:
    node, rigs = site
    settle(node, rigs)
    before, made = told(node), {one.directory: one.sha256 for one in reports(node)}
    for path in (node.data / "reports").glob("event_*"):
        shutil.rmtree(path)
    done = node.ovr("rebuild", "reports")
    assert done.returncode == 0, done.stderr
    assert {one.directory: one.sha256 for one in reports(node)} == made
    for one in reports(node):
        assert document(node, one)["revision"] == one.revision
    assert told(node) == before


def test_without_a_node_and_an_index_reports_are_made_of_the_journal(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "site.toml").write_text(SITE)
    fill(data)
    command = [sys.executable, "-m", "ovr", "rebuild", "reports", "--data", str(data)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    made = Reports(data).find("before")
    assert sorted((one.scope, one.revision, one.state, one.pdf) for one in made) == [
        ("event", 1, "ready", "ready"),
        ("system", 1, "ready", "ready"),
    ]
    with closing(SqliteJournalReader(data / "journal")) as reader:
        asked = [one.id for one in reader.read(types=["report.requested", "report.generated"])]
    assert len(asked) == 4
