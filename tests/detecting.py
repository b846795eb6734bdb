"""Judging made-up streams by the rules, for tests of detection."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bus.envelope import Envelope
from detection.detector import Detector
from detection.rules import load
from detection.run import rules_of
from detection.telling import Telling
from projectors.runner import Runner
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record

REGISTRY = Registry.load()
RULES = load()
BATTERY = {"chemistry": "lifepo4", "cells": 16, "capacity_wh": 10_000, "usable_pct": 80}
REGISTERED = {"name": "Rig 1", "rated_w": 10_000, "rated_a": 50, "nominal_voltage_v": 230, "battery": BATTERY}


@dataclass(frozen=True)
class Stream:
    """Samples of one system at one pace, written as times and values."""

    kind: str = "victron"
    interval_ms: int = 1000
    system: str = "rig_01"

    def at(self, at_s: float, **values: float | None) -> Said:
        """Take a sample."""
        data = {"kind": self.kind, "interval_ms": self.interval_ms, "values": values}
        return Said("sample.taken", self.system, at_s, data)

    def steady(self, from_s: int, to_s: int, **values: float | None) -> list[Said]:
        """Take a sample of the same values every second."""
        return [self.at(at_s, **values) for at_s in range(from_s, to_s)]


def registered(at_s: float = 0, **more: Any) -> Said:
    """Register rig_01 with a battery of 16 cells and its ratings."""
    return Said("system.registered", "rig_01", at_s, {**REGISTERED, **more})


def detector(
    path: Path,
    told: list[Envelope],
    systems: Mapping[str, Any] | None = None,
    source: str = "/edge-01/detector",
) -> Telling:
    """Make a detector that publishes into a list."""
    fold = Detector(REGISTRY, source=source, rules_of=rules_of(RULES, systems or {}))
    return Telling(fold, path, publish=told.append, told_upto=lambda: 0)


def detected(
    said: Sequence[Said],
    *,
    systems: Mapping[str, Any] | None = None,
    batch: int = 2000,
    recorded_s: float | None = None,
) -> list[Envelope]:
    """Judge a stream, and return what is told; see `record`."""
    journal = MemoryJournal()
    record(journal, said, recorded_s=recorded_s)
    told: list[Envelope] = []
    with TemporaryDirectory() as directory:
        one = detector(Path(directory, "memory.sqlite"), told, systems)
        Runner(journal, one, strict=True, batch=batch).finish()
        one.close()
    for event in told:
        REGISTRY.check(event.type, event.version, event.data)
    return told


def brief(told: Iterable[Envelope]) -> list[tuple[str, str, float]]:
    """Shorten events to type, stage and seconds since the beginning of all tests."""
    return [
        (event.type.removeprefix("ups."), event.data["stage"], (event.time_us - BASE_US) / S)
        for event in told
    ]


def confirmed(told: Iterable[Envelope]) -> list[tuple[str, float]]:
    """Keep what counts: type and time."""
    return [(type_, at_s) for type_, stage, at_s in brief(told) if stage == "confirmed"]
