"""Write events as Influx line protocol, the form VictoriaMetrics takes.

Rules that must stay true here:
- a line is proven well-formed before it leaves: names and number types are checked, texts are escaped, and
  `WELL_FORMED` matches every line any function here returns (tests hold it against a real VictoriaMetrics);
- device metrics carry the label `system_id`, the `db` label of `Compatibility`, and no other;
- an absent reading is not written; nothing stands in for it.

Times are whole milliseconds, VictoriaMetrics' own resolution: post with `precision=ms`.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from schemas.errors import InputError

EVENT_METRIC = "ovr_event_active"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,4095}")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_NUMBERS = {int, float}
_READINGS = {int, float, type(None)}
_TAG = rb"(?:[^\\ ,=\x00-\x1f\x7f]|\\[\\ ,=])+"
_NUMBER = rb"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?"
_WORD = rb"[A-Za-z][A-Za-z0-9_]*"
# No possessive repetition: Python 3.11.2, Debian 12's, lets it match what it must not.
WELL_FORMED = re.compile(
    rb"%b(?:,%b=%b)* %b=%b(?:,%b=%b)* -?[0-9]{1,16}" % (_WORD, _WORD, _TAG, _WORD, _NUMBER, _WORD, _NUMBER)
)
_ESCAPES = str.maketrans({"\\": "\\\\", " ": "\\ ", ",": "\\,", "=": "\\="})
_FIELDS = bytes.maketrans(b":", b"=")
_CACHED = 100_000


@dataclass(frozen=True, slots=True)
class Compatibility:
    """What dashboards made before `ovr` expect.

    Attributes:
        database: the value of the `db` label on device metrics; None adds no label.
        fields: per kind, (legacy field, our measurement) pairs that are written as well.
    """

    database: str | None = None
    fields: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


def load_compatibility(database: str | None = "telegraf", path: Path | None = None) -> Compatibility:
    """Read the table of legacy names; the packaged one unless `path` names another."""
    source = path or Path(__file__).with_name("compatibility.toml")
    table = tomllib.loads(source.read_text())
    return Compatibility(database, {kind: tuple(names.items()) for kind, names in table.items()})


class SampleLines:
    """Writes samples; keeps what it has proven about kinds, systems and names."""

    def __init__(self, compatibility: Compatibility | None = None) -> None:
        self._compatibility = compatibility or Compatibility()
        self._heads: dict[tuple[str, str], bytes] = {}
        self._proven: set[str] = set()

    def line(self, system_id: str, time_us: int, data: Mapping[str, Any]) -> bytes | None:
        """Write one `sample.taken`; None when every reading is absent.

        Raises:
            InputError: a name or value is none that line protocol can hold.
        """
        kind, values = data["kind"], data["values"]
        head = self._heads.get((kind, system_id)) or self._head(kind, system_id)
        if not _NUMBERS.issuperset(map(type, values.values())):
            values = _present(values)
        if not self._proven.issuperset(values):
            self._prove(values)
        if legacy := self._compatibility.fields.get(kind):
            values = {**values, **{old: values[name] for old, name in legacy if name in values}}
        if not values:
            return None
        # {"a":1.5,"b":2} becomes a=1.5,b=2: proven names and numbers hold no quote, colon or brace.
        fields = orjson.dumps(values).translate(_FIELDS, b'"{}')
        if b"=null" in fields:
            raise InputError("value", "data.values", "a reading is a finite number or null")
        return b"%b%b %d" % (head, fields, time_us // 1000)

    def _head(self, kind: str, system_id: str) -> bytes:
        tags = {"system_id": system_id}
        if self._compatibility.database is not None:
            tags["db"] = self._compatibility.database
        head = series(kind, tags) + b" "
        if len(self._heads) >= _CACHED:
            self._heads.clear()
        self._heads[kind, system_id] = head
        return head

    def _prove(self, names: Iterable[str]) -> None:
        if len(self._proven) >= _CACHED:
            self._proven.clear()
        self._proven.update(map(word, names))


def point(head: bytes, name: str, value: int, time_ms: int) -> bytes:
    """Write one whole number as field `name` of the series that `series` wrote."""
    return b"%b %b=%d %d" % (head, word(name).encode(), value, time_ms)


def series(measurement: str, tags: Mapping[str, str]) -> bytes:
    """Write a measurement and its tags, escaped; empty tags are left out, as VictoriaMetrics would.

    Raises:
        InputError: a name is no word, or a text cannot stand in a line.
    """
    parts = (f",{word(name)}={_escaped(name, value)}" for name, value in tags.items() if value)
    return (word(measurement) + "".join(parts)).encode()


def word(name: str) -> str:
    """Check that a text can be part of a metric's name.

    Raises:
        InputError: it cannot.
    """
    if _NAME.fullmatch(name) is None:
        raise InputError("name", "data", f"use a-z, 0-9 and _, a letter first, not {name!r:.60}")
    return name


def selector(name: str = "", /, **labels: str) -> str:
    """Write a series selector that matches these labels exactly, whatever they hold."""
    quoted = (f"{label}={orjson.dumps(value).decode()}" for label, value in labels.items())
    return f"{name}{{{','.join(quoted)}}}"


def _escaped(name: str, value: str) -> str:
    if _CONTROL.search(value) is not None:
        raise InputError("label", name, f"use one line without control characters: {value!r:.60}")
    return value.translate(_ESCAPES)


def _present(values: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _READINGS.issuperset(map(type, values.values())):
        raise InputError("value", "data.values", "a reading is a finite number or null")
    return {name: value for name, value in values.items() if value is not None}
