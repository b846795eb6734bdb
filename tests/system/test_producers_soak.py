"""Producers for ten minutes: a hundred meters of which some hang and come back, and twenty GX devices."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from bench import gx, meters, producers
from bench.processes import mosquitto, ours, recording, usage, wait
from bus import instants
from bus.journal_sqlite import SqliteJournalReader

LASTS_S = float(os.environ.get("SOAK_SECONDS", "600"))
GX = 20
_MOST_GROWTH = 1.2
_MOST_MISSED = 0.001
"""Of all reads: a machine that does something else for a moment may cost one."""


def lines(data: Path) -> dict[tuple[str, int], list[int]]:
    """Give the times of the samples of each system and pace."""
    found: dict[tuple[str, int], list[int]] = {}
    for event in events(data):
        if event["type"] == "sample.taken":
            line = event["subject"], event["data"]["interval_ms"]
            found.setdefault(line, []).append(instants.parse(event["time"]))
    return found


def events(data: Path) -> Iterator[dict[str, Any]]:
    reader = SqliteJournalReader(data / "journal")
    try:
        for recorded in reader.read(0):
            yield orjson.loads(recorded.body)
    finally:
        reader.close()


def whole(times: list[int], interval_ms: int) -> bool:
    """Tell whether next to no sample of a line is missing, and they are in order."""
    gaps = [later - earlier for earlier, later in pairwise(times)]
    wide = sum(gap > 1.9 * interval_ms * 1_000 for gap in gaps)
    return min(gaps) > 0 and wide <= len(gaps) * _MOST_MISSED + 1


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_hundred_meters_are_read_punctually_whatever_ten_of_them_do(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as port, recording(tmp_path, port), ours(meters.serve, 100, tmp_path):
        wait(lambda: meters.ports(tmp_path))
        options = producers.meter_options(meters.ports(tmp_path))
        with (
            ours(producers.produce, "modbus", port, tmp_path, options) as pid,
            producers.hearing(port) as figures,
        ):
            wait(lambda: figures.now("modbus").get("connected") == 100)
            producers.settled(figures, 20)
            early = usage(pid).resident_bytes
            fine = producers.stretch(figures, "modbus", pid, LASTS_S / 3)
            meters.hang(tmp_path, 10)
            hung = producers.stretch(figures, "modbus", pid, LASTS_S / 3)
            away = frozenset(figures.away("modbus"))
            meters.hang(tmp_path, 0)
            wait(lambda: figures.now("modbus").get("connected") == 100, within_s=150)
            healed = producers.stretch(figures, "modbus", pid, LASTS_S / 3)
            late = usage(pid).resident_bytes

    assert len(away) == 10
    for told, but in ((fine, frozenset()), (hung, away), (healed, frozenset())):
        assert told.count("failed", but=but) == 0
        assert told.count("missed", but=but) <= told.count("polls", but=but) * _MOST_MISSED
    assert late < early * _MOST_GROWTH
    found = lines(tmp_path)
    assert len(found) == 200
    for (system_id, interval_ms), times in found.items():
        if f"{system_id}/acuvim" not in away:
            assert whole(times, interval_ms), system_id


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_twenty_gx_devices_are_heard_punctually(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path) as port,
        recording(tmp_path, port),
        producers.brokers_of(tmp_path, GX) as brokers,
        ours(gx.serve, brokers),
        ours(producers.produce, "victron", port, tmp_path, producers.gx_options(brokers)) as pid,
        producers.hearing(port) as figures,
    ):
        wait(lambda: figures.now("victron").get("connected", 0) >= GX)
        producers.settled(figures, 20)
        early = usage(pid).resident_bytes
        told = producers.stretch(figures, "victron", pid, LASTS_S)
        late = usage(pid).resident_bytes

    assert told.count("failed") == 0
    assert told.count("missed") <= told.count("polls") * _MOST_MISSED
    assert late < early * _MOST_GROWTH
    for (system_id, interval_ms), times in lines(tmp_path).items():
        assert whole(times, interval_ms), system_id
