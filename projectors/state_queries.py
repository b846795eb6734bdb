"""Asking the state: as it is, as it was at a time, as it was known at a position.

Rules that must stay true here:
- at a time: what was true then by all that is known now, so late facts and corrections count;
- as of a position: only what the journal held up to there, so they do not;
- both may be combined, and a reading is never older than `LOOKBACK_US` nor newer than the time asked for.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bus.envelope import Event
from bus.instants import SECOND_US, text
from bus.journal import JournalReader
from bus.journal_sqlite import SqliteJournalReader
from projectors import state_store
from projectors.events import SAMPLE, EventReader
from projectors.fleet import Fleet, home
from projectors.generations import Generations, copy
from projectors.nodes import node_of
from projectors.rebuild import build
from projectors.state import NAME, STATE, open_model
from projectors.state_messages import event_state, fleet_state, window_state
from projectors.state_system import Stamped, Stream, System
from projectors.windows import Verdict
from schemas.errors import ConfigurationError
from schemas.registry import Registry

LOOKBACK_US = 24 * 3600 * SECOND_US
_WIDER_US = (60 * SECOND_US, 3600 * SECOND_US, LOOKBACK_US)
_AHEAD_US = 300 * SECOND_US
Newest = dict[tuple[str, Stream], Stamped]


def state_now(data: Path) -> dict[str, Any]:
    """Describe every system and event as they are in the state that serves.

    Raises:
        ConfigurationError: there is none.
    """
    with _opened(data, None) as (fleet, position):
        return _described(fleet, position)


def state_as_of(data: Path, position: int) -> dict[str, Any]:
    """Describe every system and event as they were known at a position of the journal."""
    with _opened(data, position) as (fleet, reached):
        return _described(fleet, reached)


def state_at(data: Path, time_us: int, *, as_of: int | None = None) -> dict[str, Any]:
    """Describe what was true at an instant, by all that is known now, or was known at position `as_of`.

    Raises:
        ConfigurationError: there is no state.
    """
    with _opened(data, as_of) as (fleet, position), closing(SqliteJournalReader(data / "journal")) as reader:
        readings = _readings(reader, fleet, time_us, position)
        systems = [
            {
                "system_id": system_id,
                "window": _window_at(of, time_us),
                "location": _location_at(of, time_us),
                "readings": [
                    {"kind": kind, "interval_ms": interval_ms, "time": text(said.time_us), **_values(said)}
                    for (name, (kind, interval_ms)), said in sorted(readings.items(), key=lambda r: r[0])
                    if name == system_id
                ],
            }
            for system_id, of in sorted(fleet.systems().items())
        ]
        notes = [
            {"time": text(event.time_us), "system_id": _resolved(fleet, event), **event.data}
            for event in _notes(reader, time_us, position)
        ]
    return {"time": text(time_us), "position": position, "systems": systems, "notes": notes}


@contextmanager
def _opened(data: Path, as_of: int | None) -> Iterator[tuple[Fleet, int]]:
    """Yield the state and its position: the one that serves, or one rebuilt up to a position."""
    with tempfile.TemporaryDirectory(prefix="ovr-state-") as directory:
        path = Path(directory, "state.sqlite")
        if as_of is None:
            serving = Generations(data / NAME).current()
            if serving is None:
                raise ConfigurationError(f"there is no state in {data}: run `ovr rebuild {NAME}`")
            copy(serving, path)
        else:
            with closing(SqliteJournalReader(data / "journal")) as reader:
                build(STATE, reader, path, upto=as_of)
        with closing(open_model(path)) as model:
            place = model.place()
            yield state_store.load(model.db), place.position if place else 0


def _described(fleet: Fleet, position: int) -> dict[str, Any]:
    systems = [fleet_state(name, of) for name, of in sorted(fleet.systems().items())]
    events = [event_state(event_id, parts) for event_id, parts in sorted(fleet.parts().items())]
    return {"position": position, "systems": systems, "events": events}


def _resolved(fleet: Fleet, event: Event) -> str:
    return fleet.node(node_of(event)).state.aliases.resolve(event.subject)


def _window_at(of: Mapping[str, System], time_us: int) -> dict[str, Any] | None:
    at = home(of)
    found = (of[name].windows.at(time_us) for name in sorted(of, key=lambda name: (name != at, name)))
    window = next((window for window in found if window is not None), None)
    if window is None:
        return None
    part = next(p for p in reversed(window.segments) if p.from_us <= time_us)
    return {**window_state(window), "location": part.location}


def _location_at(of: Mapping[str, System], time_us: int) -> str | None:
    """Return the place that was said last, in the order in which facts count."""
    said = [
        (outcome.time_us, position, system.facts[position].location)
        for system in of.values()
        for position, outcome in system.windows.outcomes.items()
        if outcome.verdict is not Verdict.UNDONE
        and outcome.time_us <= time_us
        and position in system.facts
        and system.facts[position].location is not None
    ]
    return max(said)[2] if said else None


def _values(sample: Stamped) -> dict[str, Any]:
    return {name: value for name, value in sample.data.items() if name not in {"kind", "interval_ms"}}


def _notes(reader: JournalReader, time_us: int, upto: int) -> Iterator[Any]:
    events = EventReader(Registry.load())
    for recorded in reader.read(upto=upto, types=["note.added"], until_us=time_us + 1):
        yield events.event(recorded)


def _readings(reader: JournalReader, fleet: Fleet, time_us: int, upto: int) -> Newest:
    """Find the newest sample of each stream up to an instant, looking further back while any is missing."""
    events = EventReader(Registry.load())
    known = {
        (name, stream)
        for name, of in fleet.systems().items()
        for system in of.values()
        for stream in system.samples
    }
    newest: Newest = {}
    until_us = time_us + 1
    for wider_us in _WIDER_US:
        since_us = time_us - wider_us
        found: Newest = {}
        after = _recorded_before(reader, since_us - _AHEAD_US, upto)
        for recorded in reader.read(after, upto=upto, types=[SAMPLE], since_us=since_us, until_us=until_us):
            event = events.event(recorded)
            key = (
                _resolved(fleet, event),
                (event.data["kind"], event.data["interval_ms"]),
            )
            said = Stamped(event.time_us, event.position, event.data)
            if said.newer(found.get(key)):
                found[key] = said
        newest = {**found, **newest}
        until_us = since_us
        if known <= newest.keys():
            break
    return newest


def _recorded_before(reader: JournalReader, time_us: int, upto: int) -> int:
    """Return a position before which nothing was recorded at that time or later; clocks only step forward."""
    low, high = 0, upto
    while low < high:
        middle = (low + high) // 2
        recorded = next(reader.read(middle, limit=1), None)
        if recorded is not None and recorded.recorded_us < time_us:
            low = middle + 1
        else:
            high = middle
    return low
