"""What is true of a simulated site, for tests that compare what was recorded with it.

Rules that must stay true here:
- `truth.jsonl` has a row a simulated minute and one at the end: the energy counters of every system as they
  are, not as devices round them;
- `occurred.jsonl` has a row whenever something begins or ends: what holds of which system;
- a row is written whole or not at all, and a restart goes on behind the last one.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from bus import instants
from producers.simulator.engine import Phase
from producers.simulator.flow import Source
from producers.simulator.rig_readings import is_hot, is_low
from producers.simulator.tell import LiveRig, LiveSite

Happening = tuple[str, str]
"""A system, and what holds of it."""


class Rows:
    """A file of JSON lines that only grows."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if path.stat().st_size and path.read_bytes()[-1:] != b"\n":
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)  # a power cut tore the last row

    def add(self, time_us: int, row: Mapping[str, Any]) -> None:
        """Append a row."""
        os.write(self._handle, orjson.dumps({"time": instants.text(time_us), **row}) + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def energies(site: LiveSite) -> dict[str, Any]:
    """Give the row of the counters."""
    return {"scenario": site.scenario.name, "energies": site.energies()}


def holding(site: LiveSite) -> frozenset[Happening]:
    """Give all that holds now and is worth a row."""
    return frozenset(
        happening for live in site.rigs.values() for happening in (*_of_rig(live), *_faults(live))
    )


def _of_rig(live: LiveRig) -> Iterator[Happening]:
    rig, state, flow = live.wiring.rig, live.state, live.flow
    found = {
        "grid_lost": rig.has_grid and not flow.grid,
        "on_battery": flow.running and flow.source is Source.NONE,
        "shut_down": not flow.running,
        "low_battery": is_low(rig, state),
        "overheated": is_hot(state),
        "generator_running": state.engine is not None and state.engine.phase is Phase.RUNNING,
        "tank_empty": state.engine is not None and state.engine.fuel_l == 0.0,
    }
    yield from ((rig.system_id, what) for what, holds in found.items() if holds)
    for ups, charge, through in zip(live.wiring.upses, state.upses, flow.upses, strict=True):
        if not through.live:
            yield ups.system_id, "on_battery"
            if charge == 0.0:
                yield ups.system_id, "shut_down"


def _faults(live: LiveRig) -> Iterator[Happening]:
    wiring = live.wiring
    for name in wiring.systems():
        for fault in live.scenario.holding(name, live.state.time_s):
            yield name, " ".join(filter(None, (fault.what, fault.part, fault.alarm)))
