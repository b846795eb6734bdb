"""Figures of our own processes: the table of them, what is told, and the page at /metrics."""

import gc
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from bus import measuring, metrics
from bus.measuring import OTHER, Histogram, Tally, Told
from bus.metrics_server import MetricsServer, listen, page
from ovr.config import ProducerSettings, Site
from ovr.layout import Layout
from ovr.main import app
from ovr.metrics_docs import document
from ovr.node import Node
from ovr.ports import METRICS, ROOM, Ports
from ovr.processes import Healthy, ProcessSpec
from ovr.scraping import scrape_config
from tests.services import free_port

ROOT = Path(__file__).parents[2]
_SOURCES = {"health", "outbox", "broker", "supervisor", "kernel"}


def value_of(text: str, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    (one,) = found
    return one


@pytest.mark.parametrize("metric", metrics.table(), ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_wants_it(metric: metrics.Metric) -> None:
    assert re.fullmatch(r"ovr_[a-z0-9_]+", metric.name)
    assert metric.type in metrics.TYPES
    assert metric.source in _SOURCES
    assert metric.help.endswith(".")
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.type != "histogram" or metric.name.endswith("_seconds")


def test_no_metric_takes_the_name_of_a_series_that_is_made_of_the_journal() -> None:
    names = {metric.name for metric in metrics.table()}
    assert not names & {"ovr_event_active", "ovr_series_position", "ovr_ups_events_total", "ovr_health_score"}
    assert "ovr_alert_active" not in names


def test_the_documentation_lists_the_table() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == document(), (
        "write it anew: `python -m ovr.metrics_docs`"
    )


def test_what_is_no_number_is_no_figure() -> None:
    figures = {"online": True, "head": float("nan"), "in_hand": None, "backlog": "3", "duplicates": 3}

    found = {one.metric.name: one.value for one in metrics.samples([Told("health", figures)])}

    assert found == {"ovr_online": 1.0, "ovr_recorder_duplicates_total": 3.0}


def test_a_table_of_figures_has_its_keys_as_labels_and_not_too_many() -> None:
    many = {f"reason_{number}": 1 for number in range(1000)}

    found = list(metrics.samples([Told("health", {"refused": {**many, "x" * 300: 5, "bad": "word"}})]))

    assert 200 < len(found) <= 256
    assert all(one.metric.name == "ovr_recorder_refused_total" for one in found)
    assert all(re.fullmatch(r"reason_\d+", one.labels["reason"]) for one in found)


def test_an_inner_figure_is_found() -> None:
    told = Told("health", {"disk": {"free_bytes": 5, "level": 2}})

    found = {one.metric.name: one.value for one in metrics.samples([told])}

    assert found == {"ovr_disk_free_bytes": 5.0, "ovr_disk_level": 2.0}


def test_a_figure_counts_only_for_whom_it_is_meant() -> None:
    reports = Told("health", {"failed": 2, "taken": 9})
    producer = Told("health", {"failed": 2, "polls": 9})

    assert "ovr_producer_failed_total" not in {one.metric.name for one in metrics.samples([reports])}
    assert "ovr_producer_failed_total" in {one.metric.name for one in metrics.samples([producer])}


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_counts_each_value_in_one_bucket(values: list[float]) -> None:
    histogram = Histogram((1.0, 10.0))

    for value in values:
        histogram.observe(value)

    assert histogram.counts == [
        sum(value <= 1 for value in values),
        sum(1 < value <= 10 for value in values),
        sum(value > 10 for value in values),
    ]
    assert histogram.total == pytest.approx(sum(values))


@given(st.lists(st.text(max_size=5)))
def test_a_tally_loses_nothing_and_stays_bounded_whatever_the_words(words: list[str]) -> None:
    tally = Tally()

    for word in (*words, *(f"word {number}" for number in range(100))):
        tally.add(word)

    assert sum(tally.values()) == len(words) + 100
    assert len(tally) <= 49
    assert tally[OTHER] >= 52


class _Someone:
    def told(self) -> Told:
        commits = Histogram((0.5, 1.0))
        commits.observe(0.7)
        figures = {"refused": {'a "quoted"\nword': 2}}
        return Told("health", figures, histograms={"commit": commits})


def test_the_page_is_what_prometheus_reads() -> None:
    text = page(lambda: [_Someone().told()]).decode()

    assert value_of(text, "ovr_recorder_refused_total", reason='a "quoted"\nword') == 2
    assert value_of(text, "ovr_recorder_commit_seconds_bucket", le="0.5") == 0
    assert value_of(text, "ovr_recorder_commit_seconds_bucket", le="+Inf") == 1
    assert value_of(text, "ovr_recorder_commit_seconds_sum") == 0.7
    assert value_of(text, "process_resident_memory_bytes") > 1_000_000
    assert value_of(text, "ovr_written_bytes_total") >= 0


def test_a_teller_is_asked_for_as_long_as_it_lives() -> None:
    someone = _Someone()
    measuring.tell(someone)
    assert any("commit" in told.histograms for told in measuring.told())

    del someone
    gc.collect()

    assert not any("commit" in told.histograms for told in measuring.told())


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer("127.0.0.1", free_port(), patience_s=0.5)
    made.start()
    yield made
    made.close()


def asked(server: MetricsServer, *parts: bytes) -> bytes:
    with socket.create_connection(server.socket.getsockname(), timeout=10) as client:
        for part in parts:
            client.sendall(part)
        answer = b""
        while part := client.recv(65_536):
            answer += part
    return answer


def test_the_server_answers_a_get_however_it_is_cut(server: MetricsServer) -> None:
    answer = asked(server, b"GET /metr", b"ics?x=1 HTTP/1.1\r\nHost: a\r\n", b"\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"G" * 20_000,
        b"GET /metrics HTTP/1.1\r\nHost: never ends\r\n",
    ],
)
def test_nonsense_gets_a_short_answer_or_none_and_the_next_is_served(
    server: MetricsServer, request_: bytes
) -> None:
    try:
        answer = asked(server, request_)
    except ConnectionResetError:
        answer = b""

    assert not answer or answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 200"))
    assert asked(server, b"GET /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200 OK")


def test_a_port_that_is_taken_stops_nothing(server: MetricsServer, caplog: pytest.LogCaptureFixture) -> None:
    port = server.socket.getsockname()[1]

    assert listen("127.0.0.1", port) is None
    assert f"figures are not served at 127.0.0.1:{port}" in caplog.text


def test_every_process_has_a_port_of_its_own_among_those_of_the_node() -> None:
    ports, producers = Ports(1000), [f"producer_{number}" for number in range(20)]

    given = [ports.metrics(name, producers) for name in (*METRICS, *producers)]

    known = [port for port in given if port is not None]
    assert len(set(known)) == len(known)
    assert not set(known) & set(ports.all())
    assert all(1000 < port < 1000 + ROOM for port in known)
    assert given[-1] is None
    assert ports.metrics("stranger") is None


def test_the_scrape_configuration_names_who_serves_figures_and_nobody_else(tmp_path: Path) -> None:
    specs = [
        ProcessSpec("recorder", (), 1, Healthy("recorder"), metrics_port=5011),
        ProcessSpec("mosquitto", (), 0, Healthy("mosquitto")),
        ProcessSpec("host", (), 3, Healthy("host"), metrics_port=5026),
    ]
    site = Site(node_id="edge_01", producers=(ProducerSettings("host", "host"),))

    text = scrape_config(Node(site, Layout(tmp_path), None), Ports(5000), specs)

    assert "127.0.0.1:5010" in text
    assert "127.0.0.1:5011" in text
    assert "127.0.0.1:5026" in text
    assert "process: recorder\n      node: edge_01\n" in text
    assert "mosquitto" not in text
    assert "127.0.0.1:5003" not in text


def test_containers_are_asked_by_the_name_of_their_process(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        '[broker]\nhost = "mosquitto"\n[victoria]\nurl = "http://victoria-metrics:8428"\n'
        '[metrics]\naddress = "0.0.0.0"\nport = 9464\n[producers.host]\n'
    )
    command = ["config", "broker", "--config", str(site), "--data", str(tmp_path)]

    assert CliRunner().invoke(app, command).exit_code == 0

    text = Layout(tmp_path).scrape.read_text(encoding="utf-8")
    for place in ("recorder:9464", "host:9464", "observe:9464", "web:8088", "victoria-metrics:8428"):
        assert f"- {place}\n" in text
