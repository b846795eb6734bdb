"""Recorded samples, gathered row by row until they are wanted as columns. Pure.

Rules that must stay true here:
- on the hot path a sample costs one JSON parse and one append: rows of the same measurements lie behind each
  other as plain doubles, and become columns only at the end;
- a sample that this software cannot read is refused with a reason, and nothing of it is kept.
"""

from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from bus import envelope
from bus.envelope import Recorded
from projectors.events import SAMPLE
from projectors.sample_blocks import Block, joined
from reporter.columns import FLAGS
from schemas.errors import InputError
from schemas.registry import Registry

_FIXED = 5
_MOST_NAMES = 1024
_NOTHING = float("nan")


class SampleReader:
    """Decodes recorded samples to their data in the newest version."""

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry or Registry.load()
        self._newest = f"ovr:{SAMPLE}:{self._registry.newest(SAMPLE)}"

    def data(self, recorded: Recorded) -> Mapping[str, Any]:
        """Return the payload of a sample.

        Raises:
            InputError: its version is not known here, as after a step back to older software.
        """
        document = orjson.loads(recorded.body)
        data: Mapping[str, Any] = document["data"]
        if document.get("dataschema") != self._newest:
            data = self._registry.upcast(SAMPLE, envelope.parse(document).version, data)
        return data


class SampleRows:
    """Rows of one system and kind.

    Attributes:
        rows: how many.
        cells: how many numbers they hold; each takes eight bytes, and as much again as a column.
    """

    __slots__ = ("_shapes", "cells", "rows")

    def __init__(self) -> None:
        self.rows = self.cells = 0
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def add(self, recorded: Recorded, data: Mapping[str, Any]) -> None:
        """Take one sample.

        Raises:
            InputError: a value is no number.
        """
        values = data["values"]
        names = tuple(values)
        shape = self._shapes.get(names)
        if shape is None:
            shape = self._shapes[names] = _Shape(names)
        shape.add(recorded, data, list(values.values()))
        self.rows += 1
        self.cells += len(names) + _FIXED

    def blocks(self) -> Iterator[Block]:
        """Yield the rows as columns, sorted by (time, position).

        It is one block, unless there are so many measurements that most of it would be empty.
        """
        together: list[_Shape] = []
        names: set[str] = set()
        for shape in self._shapes.values():
            if together and len(names.union(shape.names)) > _MOST_NAMES:
                yield joined([one.block() for one in together]).ordered()
                together, names = [], set()
            together.append(shape)
            names.update(shape.names)
        if together:
            yield joined([one.block() for one in together]).ordered()


class GatheredSamples:
    """Rows of many systems and kinds.

    Attributes:
        rows: how many.
        cells: how many numbers they hold.
    """

    def __init__(self, reader: SampleReader | None = None) -> None:
        self.rows = self.cells = 0
        self._reader = reader or SampleReader()
        self._of: dict[tuple[str, str], SampleRows] = {}

    def add(self, recorded: Recorded) -> None:
        """Take one sample.

        Raises:
            InputError: it cannot be read.
        """
        data = self._reader.data(recorded)
        key = (recorded.subject, data["kind"])
        rows = self._of.get(key)
        if rows is None:
            rows = self._of[key] = SampleRows()
        before = rows.cells
        rows.add(recorded, data)
        self.rows += 1
        self.cells += rows.cells - before

    def blocks(self) -> Iterator[tuple[str, str, Block]]:
        """Yield system, kind and rows, and let go of them one after the other."""
        for system_id, kind in sorted(self._of):
            rows = self._of.pop((system_id, kind))
            for block in rows.blocks():
                yield system_id, kind, block
        self.rows = self.cells = 0

    def clear(self) -> None:
        """Let go of everything."""
        self._of.clear()
        self.rows = self.cells = 0


class _Shape:
    """Rows that tell the same measurements in the same order."""

    __slots__ = ("flags", "interval_ms", "names", "position", "recorded_us", "time_us", "values")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.time_us, self.position, self.recorded_us = array("q"), array("q"), array("q")
        self.interval_ms, self.flags, self.values = array("i"), array("B"), array("d")

    def add(self, recorded: Recorded, data: Mapping[str, Any], values: list[float | None]) -> None:
        try:
            self.values.fromlist(values)  # type: ignore[arg-type]  # all or nothing, and None is the exception
        except TypeError:
            self.values.fromlist([_number(value) for value in values])
        self.time_us.append(recorded.time_us)
        self.position.append(recorded.position)
        self.recorded_us.append(recorded.recorded_us)
        self.interval_ms.append(data.get("interval_ms", 0))
        self.flags.append(
            sum(1 << bit for bit, name in enumerate(FLAGS) if data.get(name))
            if len(data) > len(_PLAIN)
            else 0
        )

    def block(self) -> Block:
        table = np.frombuffer(self.values, np.float64).reshape(len(self.time_us), len(self.names))
        flags = np.frombuffer(self.flags, np.uint8)
        return Block(
            np.array(self.time_us, np.int64),
            np.array(self.position, np.int64),
            np.array(self.recorded_us, np.int64),
            np.array(self.interval_ms, np.int32),
            {name: (flags >> bit & 1).astype(np.bool_) for bit, name in enumerate(FLAGS) if flags.any()},
            {name: table[:, column].copy() for column, name in enumerate(self.names)},
        )


_PLAIN = ("kind", "interval_ms", "values")


def _number(value: float | None) -> float:
    if value is None:
        return _NOTHING
    if isinstance(value, int | float):
        return value
    raise InputError("value", "data.values", f"readings are numbers or null, not {value!r}")
