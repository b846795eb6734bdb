"""Counting made-up streams against limits, for tests of alerts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bus.envelope import Envelope
from detection.alerts import Alerts, Standing
from detection.limits import LimitsOf, limits_of, packaged
from detection.telling import Telling
from projectors.runner import Runner
from schemas.registry import Registry
from tests import streams
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, record

REGISTRY = Registry.load()
PACKAGED = limits_of(packaged())
SOURCE = "/edge-01/alerts"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def occurred(
    at_s: float, type_: str = "ac_power_loss", system: str = "rig_01", stage: str = "confirmed"
) -> streams.Said:
    """Let something occur."""
    return streams.Said(f"ups.{type_}", system, at_s, {"stage": stage})


def tick(at_s: float) -> streams.Said:
    """Let time pass, by a sample of another system."""
    return streams.sample("rig_99", at_s, 1.0)


def reset(at_s: float, system: str = "rig_01", *types: str) -> streams.Said:
    """Reset counters, of all types unless some are named."""
    named = {"types": [f"ups.{one}" for one in types]} if types else {}
    return streams.Said("counters.reset", system, at_s, {"reason": "test"} | named)


def limits(**of: Mapping[str, int | str]) -> LimitsOf:
    """Write limits of one type each, as `ac_power_loss={"hourly": 1}`."""
    return limits_of({f"ups.{name}": row for name, row in of.items()})


def alerts(
    path: Path,
    told: list[Envelope],
    limits_of: LimitsOf = PACKAGED,
    *,
    source: str = SOURCE,
    told_upto: int = 0,
    show: Callable[[tuple[Standing, ...]], None] = lambda _: None,
) -> Telling:
    """Make alerts that are published into a list; what is kept of them is shown."""
    fold = Alerts(REGISTRY, source=source, limits_of=limits_of)
    return Telling(
        fold,
        path,
        publish=told.append,
        told_upto=lambda: told_upto,
        kept=lambda: show(fold.standing()),
    )


def alerted(
    said: Sequence[streams.Said], limits_of: LimitsOf = PACKAGED, *, batches: Sequence[int] = ()
) -> list[Envelope]:
    """Count a stream, and return what is told; with `batches`, restart after each."""
    journal = MemoryJournal()
    record(journal, said)
    told: list[Envelope] = []
    with TemporaryDirectory() as directory:
        path, sizes = Path(directory, "memory.sqlite"), list(batches)
        more = True
        while more:
            one = alerts(path, told, limits_of)
            runner = Runner(journal, one, strict=True, batch=sizes.pop(0) if sizes else 2000)
            more = runner.turn()
            runner.flush()
            one.close()
    for event in told:
        REGISTRY.check(event.type, event.version, event.data)
    return told


def brief(told: Iterable[Envelope]) -> list[tuple[str, str, float, int]]:
    """Shorten alerts to what happens to which, seconds since the beginning of all tests, and count."""
    return [
        (
            event.type.removeprefix("alert."),
            event.data["alert"],
            (event.time_us - BASE_US) / S,
            event.data["count"],
        )
        for event in told
    ]
