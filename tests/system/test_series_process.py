"""The series projector as a process: woken by the journal, seen on the bus, stopped at once."""

import threading
from pathlib import Path

import orjson

from bus import instants
from bus.connection import Broker, Connection
from bus.journal_writer import SqliteJournal
from bus.topics import Topics
from projectors.run_series import run_series
from projectors.victoria import Victoria
from tests.series_stream import SECOND_US, entry, sample
from tests.services import start_mosquitto, start_victoria
from tests.waiting import until


def test_an_operators_fact_is_found_within_two_seconds_and_health_tells_the_place(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    heard: list[dict[str, object]] = []
    stop = threading.Event()
    with start_mosquitto(tmp_path) as mosquitto, start_victoria(tmp_path) as serving:
        broker = Broker(port=mosquitto.port)
        ear = Connection(broker, "ear")
        ear.subscribe(Topics().health("projector-series"), lambda m: heard.append(orjson.loads(m.payload)))
        process = threading.Thread(
            target=run_series, args=(tmp_path, broker, serving.url), kwargs={"stopped": stop.is_set}
        )
        process.start()
        now_us = instants.now_us()
        journal.append([sample("rig_01", now_us, dc_voltage_v=51.2)], recorded_us=now_us)
        client = Victoria(serving.url)
        until(client.names, "the first sample is there")
        started_us = instants.now_us()
        journal.append(
            [entry("window.started", "rig_01", started_us, {"event_id": "startup"})], recorded_us=started_us
        )
        until(
            lambda: client.query("ovr_event_active", started_us // 1000),
            "the window is found",
            within_s=2.0 - (instants.now_us() - started_us) / SECOND_US,
        )
        until(
            lambda: heard and heard[-1].get("position") == 2 and heard[-1]["status"] == "online",
            "health tells the place",
            turn=lambda: ear.step(0.05),
        )
        stop.set()
        process.join(5.0)
        assert not process.is_alive()
        until(lambda: heard[-1]["status"] == "stopped", "it says goodbye", turn=lambda: ear.step(0.05))
        ear.close()
        client.close()
    journal.close()
