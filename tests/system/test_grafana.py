"""Every dashboard query, and the seed's own, against a VictoriaMetrics that a running node fills."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bus import ids, instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.sender import Sender
from tests.dashboards import FILES, ROOT, Asked, asked, label_values, load, series
from tests.node import Node, running
from tests.services import free_port
from tests.waiting import until

SITE = f"""
without = ["projector-archive", "projector-reports", "replay", "detector"]
[metrics]
every_s = 1
[simulator]
scenario = "{ROOT / "tests" / "samples" / "dashboard_site.toml"}"
[producers.host]
interval_ms = 1000
[producers.victron]
[producers.modbus]
"""
VARIABLES = {
    "system": "rig_01",
    "event_id": "load_test",
    "__interval": "15s",
    "__rate_interval": "60s",
    "__range": "1h",
    "url": "http://127.0.0.1",
}
# As people have them in their dashboards.
SEED = (
    'ovr_event_active{system_id="rig_01"}',
    'victron_dc_voltage_v{} \n  and on(system_id) \n  ovr_event_active{event_id="load_test"} == 1',
    'victron_dc_voltage_v and on(system_id) ovr_event_active{event_id="load_test"} == 1',
    'changes(ovr_event_active{system_id="rig_01"}[1s]) != 0',
    'sum(map_tiles_month_total{provider="mapbox"})',
    'sum(map_tiles_month_total{provider="esri"})',
)
# What this node has none of: a cloud, a backup, a certificate.
ELSEWHERE = (
    "ovr_uplink_lag_seconds 40",
    "ovr_uplink_sent_bytes_total {n}000",
    'ovr_node_lag_seconds{{of="edge-01"}} 12',
    "ovr_backup_age_seconds 4000",
    'ovr_certificate_ends_seconds{{of="node.crt"}} 2000000000',
)
ODD = 'C++ "night" (1) $system a\\b'
FACTS = (
    ("window.started", {"event_id": "load_test", "location": "warehouse"}),
    *(("ups.ac_power_loss", {"stage": "confirmed", "cause": "grid_lost"}) for _ in range(3)),
    ("ups.dc_output_loss", {"stage": "confirmed"}),
    ("never.heard_of", {}),
)


@dataclass
class Filled:
    """A running node, and since when."""

    node: Node
    began_s: float
    client: httpx.Client

    def empty(self, queries: list[Asked]) -> list[str]:
        """Return which queries find nothing."""
        now_s = time.time()
        return [one.where for one in queries if not series(self.client, one, VARIABLES, self.began_s, now_s)]

    def now(self, expr: str, *, later_s: float = 0.0) -> list[dict[str, object]]:
        """Ask for what is so now, or what would be if nothing came any more."""
        one = Asked("", expr, instant=True)
        return series(self.client, one, VARIABLES, 0.0, time.time() + later_s)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    directory = tmp_path_factory.mktemp("grafana")
    (directory / "data").mkdir()
    (directory / "data" / "site.toml").write_text(SITE, encoding="utf-8")
    began_s = time.time() - 5
    with running(directory) as node, httpx.Client(base_url=node.victoria_url, timeout=30) as client:
        tell(node, directory / "alice.sqlite")
        fill(client)
        yield Filled(node, began_s, client)


def tell(node: Node, outbox: Path) -> None:
    """Say what operators and rules would say in the course of an event."""
    sender = Sender(Broker(port=node.base), client="alice", name="test", path=outbox)
    try:
        for type_, data in FACTS:
            now_us = instants.now_us()
            sender.put(Envelope(ids.uuid7(now_us), "/test/alice", type_, "rig_01", now_us, data))
        now_us, named = instants.now_us(), {"event_id": ODD, "location": "main stage"}
        sender.put(Envelope(ids.uuid7(now_us), "/test/alice", "window.started", "acuvim_13", now_us, named))
        assert sender.flush(60)
    finally:
        sender.close()


def fill(client: httpx.Client) -> None:
    """Write half a minute of figures that other nodes would have."""
    now_ms = int(time.time() * 1000)
    lines = [f"{line.format(n=n)} {now_ms - 1000 * (30 - n)}" for n in range(30) for line in ELSEWHERE]
    client.post("/api/v1/import/prometheus", content="\n".join(lines)).raise_for_status()


def panel_query(name: str, title: str) -> str:
    (found,) = (one for one in asked(path_of(name)) if one.where.startswith(f"{name}: {title} "))
    return found.filled(VARIABLES)


def path_of(name: str) -> Path:
    return next(path for path in FILES if path.stem == name)


def value(found: list[dict[str, object]]) -> float:
    (one,) = found
    said = one["value"]
    assert isinstance(said, list)
    return float(said[1])


def test_every_query_of_every_dashboard_finds_data(filled: Filled) -> None:
    left = [query for path in FILES for query in asked(path)]
    assert len(left) > 100
    until(lambda: filled.now("sum(increase(ovr_recorder_events_total[15s])) > 50"), "it flows")
    looked_s = 0.0

    def all_found() -> bool:
        nonlocal left, looked_s
        if time.monotonic() > looked_s + 1:
            empty = set(filled.empty(left))
            left = [query for query in left if query.where in empty]
            looked_s = time.monotonic()
        return not left

    try:
        until(all_found, "every query finds data")
    except AssertionError:
        pytest.fail("nothing is found by " + "; ".join(query.where for query in left))


def test_what_can_be_chosen_is_there(filled: Filled) -> None:
    for path in FILES:
        for selector, label in label_values(load(path)):
            address = f"/api/v1/label/{label}/values"

            def found(address: str = address, selector: str = selector) -> bool:
                return bool(filled.client.get(address, params={"match[]": selector}).json()["data"])

            until(found, f"{path.stem}: {label} of {selector}")


@pytest.mark.parametrize("expr", SEED)
def test_a_query_of_the_dashboards_before_works_as_printed(filled: Filled, expr: str) -> None:
    query = Asked(expr, expr, instant=False)

    until(lambda: not filled.empty([query]), expr)


def test_a_clients_dashboard_shows_its_event_whatever_it_is_called(filled: Filled, tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "grafana" / "client-dashboard"), ODD, "--to", str(tmp_path)]
    subprocess.run(script, check=True, timeout=60)
    (path,) = tmp_path.iterdir()
    queries = list(asked(path))
    at_work, *_ = (query.expr for query in queries if "Systems at work" in query.where)

    until(lambda: value(filled.now(at_work)) == 1, "its one system is seen")

    filled.empty(queries)  # each is understood
    assert not any("rig_01" in str(series) for query in queries for series in filled.now(query.expr))


def test_device_metrics_have_no_label_but_their_system(filled: Filled) -> None:
    for name in ("victron_dc_voltage_v", "acuvim_ac_power_w", "sunspec_ac_out_power_w", "host_cpu_pct"):
        (labels,) = {frozenset(one["metric"]) for one in filled.now(name)}  # type: ignore[call-overload]
        assert labels == {"__name__", "system_id"}


def test_every_process_is_asked_for_its_figures_and_answers(filled: Filled) -> None:
    wanted = {one["name"] for one in filled.node.snapshot()["processes"]} - {"mosquitto"} | {"supervisor"}

    def answering() -> set[object]:
        return {one["metric"]["process"] for one in filled.now("up == 1")}  # type: ignore[index]

    until(lambda: answering() == wanted, f"{wanted} answer")


def test_the_broker_is_seen_through_the_supervisor(filled: Filled) -> None:
    until(lambda: bool(filled.now("ovr_broker_clients_connected > 5")), "the broker tells")
    until(lambda: bool(filled.now('ovr_process_online{of="recorder"} == 1')), "it is seen")


def test_where_there_is_no_supervisor_another_process_tells_what_the_bus_tells(filled: Filled) -> None:
    port = free_port()
    command = [sys.executable, "-m", "ovr", "observe", "--data", str(filled.node.data)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OVR_METRICS_PORT": str(port)})

    def told() -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        except httpx.HTTPError:
            return ""

    try:
        until(lambda: 'ovr_process_online{of="recorder"} 1.0' in told(), "it hears the recorder")
        until(lambda: "ovr_broker_clients_connected" in told(), "it hears the broker")
        assert "ovr_head_position" in told()
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_what_is_refused_is_counted_by_its_reason(filled: Filled) -> None:
    until(lambda: bool(filled.now("ovr_recorder_refused_total > 0")), "the refusal is told")

    (one,) = filled.now("ovr_recorder_refused_total > 0")
    assert one["metric"]["reason"]  # type: ignore[index]


def test_when_nothing_comes_any_more_systems_are_silent_and_numbers_disappear(filled: Filled) -> None:
    age, silent = panel_query("system", "Age of data"), panel_query("fleet", "Silent systems")
    load_pct = panel_query("system", "Load, of the rating")
    assert value(filled.now(age)) < 60
    assert filled.now(load_pct)

    assert value(filled.now(age, later_s=200)) > 190
    until(lambda: value(filled.now(silent, later_s=200)) >= 4, "all of them are searchable")
    assert not filled.now(load_pct, later_s=200)


def test_a_system_that_was_silent_for_hours_is_still_shown_as_silent(filled: Filled) -> None:
    age, silent = panel_query("system", "Age of data"), panel_query("fleet", "Silent systems")

    assert value(filled.now(age, later_s=3 * 3600 - 10)) == 3600
    until(lambda: value(filled.now(silent, later_s=3 * 3600 - 10)) >= 4, "all of them are searchable")
    assert not filled.now(age, later_s=10 * 86_400)
