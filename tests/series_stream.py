"""Streams for the tests of the series projector: samples, late and corrected window facts, late aliases."""

from collections.abc import Collection
from typing import Any

from hypothesis import strategies as st

from bus import envelope, ids, system_ids
from bus.envelope import Envelope
from bus.journal import Entry
from tests.journals import MemoryJournal

BASE_US = 1_795_240_000_000_000
SECOND_US = 1_000_000
_AHEAD_S = 2 * 86_400


def entry(type_: str, subject: str, time_us: int, data: dict[str, Any], **extensions: str) -> Entry:
    """Make what the recorder would record."""
    said = Envelope(ids.uuid7(), "/test/alice", type_, subject, time_us, data, extensions=extensions)
    stream = f"{data['kind']}/{data['interval_ms']}" if type_ == "sample.taken" else None
    return Entry("alice", said.source, said.id, type_, subject, time_us, envelope.encode(said), stream)


def sample(subject: str, time_us: int, **values: float | None) -> Entry:
    """Make a sample of an inverter."""
    return entry("sample.taken", subject, time_us, {"kind": "victron", "interval_ms": 500, "values": values})


Step = tuple[int, str, str, int, dict[str, Any]]
_systems = st.sampled_from(["rig_01", "rig_01", "rig_02", "one"])
_moments = st.integers(0, 240).map(lambda half: BASE_US + half * SECOND_US // 2)
_events = st.sampled_from(["startup", "load, test=1 \\"])
_places = st.sampled_from(["yard", "main stage"])
_stages = st.sampled_from(["confirmed", "edge"])
_pauses = st.sampled_from([0, 1, 29, 31, 70])


def _step(type_: str, subject: st.SearchStrategy[str], data: st.SearchStrategy[dict[str, Any]]) -> Any:
    return st.tuples(_pauses, st.just(type_), subject, _moments, data)


steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        _step(
            "sample.taken",
            _systems,
            st.just({"kind": "victron", "interval_ms": 500, "values": {"soc_pct": 0, "dc_voltage_v": None}}),
        ),
        _step(
            "window.started",
            _systems,
            st.fixed_dictionaries({"event_id": _events}, optional={"location": _places}),
        ),
        _step(
            "window.ended",
            _systems | st.just("all"),
            st.fixed_dictionaries({}, optional={"event_id": _events}),
        ),
        _step("ups.ac_power_loss", _systems, st.fixed_dictionaries({"stage": _stages})),
        _step("ups.i2c_error", _systems, st.fixed_dictionaries({"stage": _stages})),
        _step("alert.raised", _systems, st.just({"alert": "i2c_error_daily", "severity": "warning"})),
        _step("alert.cleared", _systems, st.just({"alert": "i2c_error_daily"})),
        _step("location.set", _systems, st.fixed_dictionaries({"name": _places})),
        _step("system.registered", st.just("rig_01"), st.just({"name": "Rig", "aliases": ["One"]})),
        _step(
            "window.corrected",
            _systems,
            st.one_of(
                st.fixed_dictionaries({"corrects": st.integers(0, 30), "undo": st.just(True)}),
                st.fixed_dictionaries(
                    {"corrects": st.integers(0, 30), "time": st.just("2026-11-21T05:47:00Z")}
                ),
            ),
        ),
    ),
    min_size=1,
    max_size=25,
)


def journal_of(found: list[Step], leaps: Collection[int] = ()) -> MemoryJournal:
    """Record steps as the recorder would: aliases it knows are resolved, corrections name a fact.

    Args:
        found: what is recorded.
        leaps: the steps at which the recorder's clock is two days ahead.
    """
    journal = MemoryJournal()
    aliases: dict[str, str] = {}
    facts: list[Entry] = []
    recorded_us = BASE_US
    for number, (pause_s, type_, subject, time_us, said) in enumerate(found):
        recorded_us += pause_s * SECOND_US
        data = dict(said)
        if type_ == "sample.taken":
            data["values"] = {**data["values"], "soc_pct": time_us // 1000 % 97}
        if type_ == "window.corrected":
            if not facts:
                continue
            corrected = facts[data["corrects"] % len(facts)]
            subject, data["corrects"] = corrected.subject, corrected.id  # noqa: PLW2901 - the fact's own
        made = entry(type_, system_ids.resolve(subject, aliases), time_us, data, number=str(number))
        if type_ in {"window.started", "window.ended"}:
            facts.append(made)
        if type_ == "system.registered":
            aliases["one"] = "rig_01"
        ahead_us = (_AHEAD_S + number * 1000) * SECOND_US if number in leaps else 0
        journal.append([made], recorded_us=recorded_us + ahead_us)
    return journal
