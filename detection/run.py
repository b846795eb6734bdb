"""The detector as a process, as the command line starts it."""

from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from bus import system_ids
from bus.connection import Broker
from detection.detector import NAME, Detector, RulesOf
from detection.overrides import override
from detection.process import run, source_of
from detection.rules import CHEMISTRIES, FACTS, Rule, load
from schemas.errors import ConfigurationError, InputError
from schemas.occurrences import TABLE
from schemas.registry import Registry

_ABOUT = (*FACTS, "low_cell_v", "critical_cell_v")


def run_detector(
    data: Path,
    broker: Broker,
    *,
    node_id: str,
    rules: tuple[Path, ...] = (),
    systems: Mapping[str, Any] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Detect occurrences until SIGTERM, SIGINT or `stopped()`.

    Args:
        data: the data directory.
        broker: where to publish.
        node_id: names the site.
        rules: files of more rules.
        systems: what the site's configuration says about single systems; see `rules_of`.
        stopped: asked now and then; without it, signals end the process.

    Raises:
        ConfigurationError: the rules are wrong, or another process detects already.
    """
    source = source_of(node_id, NAME)
    detector = Detector(Registry.load(), source=source, rules_of=rules_of(load(rules), systems or {}))
    own = TABLE.occurrences.keys()
    run(data, broker, detector, source=source, own=own, doing="detecting", stopped=stopped)


def rules_of(rules: tuple[Rule, ...], systems: Mapping[str, Any]) -> RulesOf:
    """Read what the configuration says about single systems, and return what holds for each.

    A table of a system has what it could be registered with (cells, chemistry, rated_a, nominal_voltage_v …),
    and a table `rules` with changed limits by rule.

    Raises:
        ConfigurationError: it does not fit.
    """
    special: dict[str, tuple[tuple[Rule, ...], dict[str, Any]]] = {}
    for name, said in systems.items():
        where = f"detection.systems.{name}"
        try:
            system_id = system_ids.canonical(name)
        except InputError as error:
            raise ConfigurationError(f"{where}: {error.hint}") from error
        if not isinstance(said, Mapping):
            raise ConfigurationError(f"{where}: write it as a table")
        about = {key: value for key, value in said.items() if key != "rules"}
        _check(where, about)
        special[system_id] = (override(rules, said.get("rules", {}), where), about)

    @cache
    def of(system_id: str) -> tuple[tuple[Rule, ...], Mapping[str, Any]]:
        return special.get(system_id, (rules, {}))

    return of


def _check(where: str, about: Mapping[str, Any]) -> None:
    for name, value in about.items():
        if name == "chemistry":
            if value not in CHEMISTRIES:
                raise ConfigurationError(f"{where}: chemistry is one of {', '.join(CHEMISTRIES)}")
        elif name not in _ABOUT:
            known = ", ".join((*_ABOUT, "chemistry", "rules"))
            raise ConfigurationError(f"{where}: there is no {name}; there are: {known}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
            raise ConfigurationError(f"{where}: {name} must be a number above 0, got {value!r}")
