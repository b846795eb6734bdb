"""What a probe found out about a device, told to people, to programs, and as an entry of site.toml. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from producers.adapter import AlarmSeen, Description
from schemas.measurements import MEASUREMENTS


@dataclass(frozen=True, slots=True)
class Discovered:
    """One device that answers.

    Attributes:
        producer: which table of site.toml it belongs in.
        address: where it answers.
        name: of its map, or the producer's.
        values: what it reads now, by measurement.
        texts: what else it reads, that has no place among the measurements, in words.
        notes: what a person should look at.
        entry: what site.toml should say, as a table of it; empty when that cannot be proposed.
        alternative: the same device in other words, and less likely: take one of the two.
    """

    producer: str
    address: str
    name: str
    description: Description | None = None
    values: Mapping[str, float | None] = field(default_factory=dict)
    alarms: Sequence[AlarmSeen] = ()
    texts: Sequence[str] = ()
    notes: Sequence[str] = ()
    entry: str = ""
    alternative: bool = False

    @property
    def title(self) -> str:
        """Name it in one line."""
        said = self.description or Description()
        what = " ".join(part for part in (said.maker, said.model) if part) or self.name
        serial = f", serial {said.serial}" if said.serial else ""
        firmware = f", firmware {said.firmware}" if said.firmware else ""
        return f"{self.address}: {what}{serial}{firmware} ({self.name})"

    def json(self) -> dict[str, Any]:
        """Give it to programs."""
        described = asdict(self.description) if self.description else {}
        return {
            "producer": self.producer,
            "address": self.address,
            "map": self.name,
            "description": {name: value for name, value in described.items() if value is not None},
            "values": dict(self.values),
            "alarms": [
                {"alarm": one.alarm, "level": one.level, "phase": one.phase, "text": one.text}
                for one in self.alarms
                if one.level is not None
            ],
            "texts": list(self.texts),
            "notes": list(self.notes),
            "entry": self.entry,
            "alternative": self.alternative,
        }

    def lines(self) -> Iterator[str]:
        """Tell it to people, with every reading that has a value."""
        yield self.title
        told = {name: value for name, value in self.values.items() if value is not None}
        width = max(map(len, told), default=0)
        for name, value in told.items():
            yield f"  {name:<{width}}  {shown(name, value)}"
        if silent := len(self.values) - len(told):
            yield f"  {silent} more have no value now"
        for alarm in self.alarms:
            if alarm.level is not None:
                words = " ".join(part for part in (alarm.alarm, alarm.phase, alarm.text) if part)
                yield f"  {alarm.level}: {words}"
        yield from (f"  {text}" for text in self.texts)
        yield from (f"  note: {note}" for note in self.notes)


def for_site(devices: Sequence[Discovered]) -> str:
    """Write all entries, what is less likely as remarks."""
    parts = []
    for one in devices:
        lines = one.entry.strip().splitlines()
        if one.alternative and lines:
            lines = ["# or, for the same device:", *(f"# {line}" for line in lines)]
        if lines:
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def toml(table: str, entry: Mapping[str, Any]) -> str:
    """Write one table of an array."""
    lines = [f"[[{table}]]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in entry.items()]
    return "\n".join(lines) + "\n"


def shown(name: str, value: float) -> str:
    """Write a reading with its unit, or the word that a code stands for."""
    known = MEASUREMENTS.get(name)
    if known is None or known.unit == "code":
        word = known.codes.get(int(value), "") if known is not None and float(value).is_integer() else ""
        return f"{value:g} ({word})" if word else f"{value:g}"
    unit = "" if known.unit in {"1", "count"} else f" {known.unit}"
    return f"{value:,.6g}{unit}" if abs(value) < 1e6 else f"{value:,.0f}{unit}"  # noqa: PLR2004 - digits


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(one) for one in value)}]"
    return repr(value)


def _key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "")
    return key if plain.isascii() and plain.isalnum() else _value(key)
