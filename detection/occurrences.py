"""Occurrences as events: what the machines tell, with ids that the same facts always give again.

Pure. The id is a UUIDv5 (RFC 9562, section 5.5) of the type, the stage, the system, the rule and the event
that showed it, so telling it twice, by any number of processes, adds nothing to the journal.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

from bus import instants
from bus.envelope import Envelope
from detection.machine import Told
from detection.rules import Rule

_NAMESPACE = UUID("6f0d1c0e-5f0b-5a3e-9a54-6f7672000001")
_EVIDENCE = ("measurement", "measured", "threshold", "cause", "device")


def events(source: str, system_id: str, rule: Rule, told: Told) -> Iterator[Envelope]:
    """Make the event of what a rule tells of a system; none where the rule has no occurrence for it."""
    type_ = _type(rule, told)
    if type_ is None:
        return
    device = told.evidence[-1] if told.evidence else None

    def name(stage: str) -> str:
        parts = (type_, stage, system_id, rule.id, device or "", told.trigger, *_which(rule, told))
        return str(uuid5(_NAMESPACE, "\0".join(parts)))

    data: dict[str, Any] = {"stage": "confirmed" if told.confirmed else "edge", "rule": rule.id}
    data |= (
        zip(_EVIDENCE, told.evidence, strict=True) if told.begins and told.evidence else {"device": device}
    )
    data["trigger"] = told.trigger
    if told.confirmed and rule.kind == "level":
        data["edge"] = name("edge")
    if told.since_us is not None:
        data["since"] = instants.text(told.since_us)
    data["duration_s"] = told.duration_s
    said = {key: value for key, value in data.items() if value is not None}
    yield Envelope(name(data["stage"]), source, type_, system_id, told.time_us, said)


def _which(rule: Rule, told: Told) -> tuple[str, ...]:
    """Tell apart what one event shows several times: the cycles that a counter rose by at once."""
    return (str(told.evidence[_EVIDENCE.index("threshold")]),) if rule.kind == "cycles" else ()


def _type(rule: Rule, told: Told) -> str | None:
    if rule.on == "end":
        return None if told.begins else rule.raises
    return rule.raises if told.begins else rule.ends
