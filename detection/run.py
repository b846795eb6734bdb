"""The detector as a process, as the command line starts it."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bus import system_ids
from bus.connection import Broker
from bus.journal import JournalReader
from bus.sender import Sender
from detection.detector import NAME, VERSION, Detector, RulesOf
from detection.rules import CHEMISTRIES, FACTS, Rule, load, override
from projectors.following import follow
from projectors.generations import Generations
from projectors.live import Live, stop_signals
from projectors.run import wait_for_journal
from projectors.runner import Runner
from schemas.errors import ConfigurationError, InputError
from schemas.occurrences import TABLE
from schemas.registry import Registry

_ABOUT = (*FACTS, "low_cell_v", "critical_cell_v")
_LAST_WORDS_S = 2.0


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
    stopped = stopped or stop_signals()
    chosen = rules_of(load(rules), systems or {})
    source = f"/{node_id}/{NAME}"
    directory = data / NAME
    memory = directory / "memory.sqlite"
    with Generations(directory).only("detecting"):
        reader = wait_for_journal(data, stopped)
        if reader is None:
            return
        sender = Sender(broker, client=NAME, name=NAME, path=data / "outbox" / f"{NAME}.sqlite")
        detector = Detector(
            memory,
            Registry.load(),
            source=source,
            rules_of=chosen,
            publish=sender.put,
            told_upto=lambda: newest_own(reader, source),
        )

        def live() -> Live:
            return Live(Runner(reader, detector), detector, broker, process=NAME)

        try:
            follow(live, reader, memory, NAME, VERSION, stopped)
            sender.flush(_LAST_WORDS_S)
        finally:
            sender.close()
            reader.close()


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


def newest_own(reader: JournalReader, source: str) -> int:
    """Return the position of the newest event of a source among the occurrences; 0 when there is none."""
    found = reader.read(types=TABLE.occurrences.keys())
    return max((recorded.position for recorded in found if recorded.source == source), default=0)


def _check(where: str, about: Mapping[str, Any]) -> None:
    for name, value in about.items():
        if name == "chemistry":
            if value not in CHEMISTRIES:
                raise ConfigurationError(f"{where}: chemistry is one of {', '.join(CHEMISTRIES)}")
        elif name not in _ABOUT:
            known = ", ".join((*_ABOUT, "chemistry", "rules"))
            raise ConfigurationError(f"{where}: there is no {name}; there are: {known}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ConfigurationError(f"{where}: {name} must be a number above 0, got {value!r}")
