"""What a simulated site keeps between two lives, and the devices file that it writes for producers.

Rules that must stay true here:
- files are replaced whole; one of another scenario, or too old, is as good as none.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from producers.simulator.faces import Entry
from producers.simulator.scenario import Scenario

log = logging.getLogger(__name__)

_LONGEST_GAP_US = 7 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """How far a site had come.

    Attributes:
        origin_us: the time at which the scenario's clock showed zero.
        time_s: the scenario's clock.
        rigs: as `LiveSite.dump` wrote them.
        ports: of the servers.
        holding: what was last told to hold.
    """

    origin_us: int
    time_s: float
    rigs: Mapping[str, Any] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    holding: frozenset[tuple[str, str]] = frozenset()


def load(path: Path, scenario: Scenario, now_us: int) -> Kept | None:
    """Read what was kept of this scenario."""
    try:
        said = orjson.loads(path.read_bytes())
        kept = Kept(
            origin_us=int(said["origin_us"]),
            time_s=float(said["time_s"]),
            rigs=dict(said["rigs"]),
            ports={str(name): int(port) for name, port in said["ports"].items()},
            holding=frozenset((str(one), str(what)) for one, what in said["holding"]),
        )
        fits = (said["scenario"], said["seed"]) == (scenario.name, scenario.seed)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read, the scenario begins anew: %s", path, error)
        return None
    age_us = now_us - kept.origin_us - round(kept.time_s * 1e6)
    return kept if fits and 0 <= age_us <= _LONGEST_GAP_US else None


def save(path: Path, scenario: Scenario, kept: Kept) -> None:
    """Write down how far a site has come."""
    document = {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "origin_us": kept.origin_us,
        "time_s": kept.time_s,
        "rigs": kept.rigs,
        "ports": kept.ports,
        "holding": sorted(kept.holding),
    }
    _replace(path, orjson.dumps(document))


def write_devices(path: Path, scenario: Scenario, entries: Iterable[Entry]) -> None:
    """Write the devices file, unless it says so already: producers look at it when it changes."""
    text = f"# The devices of the simulated site {scenario.name}; written by `ovr simulate`.\n"
    text += "".join(_table(name, entry) for name, entry in entries)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        _replace(path, text.encode())


def _table(name: str, entry: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in entry.items()]
    return "\n".join(("", f"[[{name}]]", *lines, ""))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return orjson.dumps(value).decode()  # texts, numbers and flags look alike in JSON and TOML


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.touch(mode=0o600)
    part.write_bytes(content)
    part.replace(path)
