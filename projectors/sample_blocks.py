"""Recorded samples of one system and kind as columns, and how they become streams. Pure.

Rules that must stay true here:
- the same rows give the same columns, however they were cut into blocks;
- a row is a recorded sample: none is merged, filled or left out before streams are made of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reporter.columns import FLAGS, Columns, Flags, Floats, Instants


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one system and kind, a column a measurement.

    Attributes:
        time_us: when each was taken.
        position: its place in the journal.
        recorded_us: when it was recorded.
        interval_ms: how often its stream is sampled.
        flags: those of `FLAGS` that are set anywhere.
        values: by measurement; NaN where a row does not tell it.
    """

    time_us: Instants
    position: Instants
    recorded_us: Instants
    interval_ms: NDArray[np.int32]
    flags: Mapping[str, Flags]
    values: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.time_us)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> "Block":
        """Choose rows, by a mask, in an order, or as a stretch that shares memory."""
        return Block(
            self.time_us[chosen],
            self.position[chosen],
            self.recorded_us[chosen],
            self.interval_ms[chosen],
            {name: flag[chosen] for name, flag in self.flags.items()},
            {name: column[chosen] for name, column in self.values.items()},
        )

    def ordered(self) -> "Block":
        """Sort rows by (time, position)."""
        order = np.lexsort((self.position, self.time_us))
        return self if bool((np.diff(order) > 0).all()) else self.rows(order)


def joined(blocks: Sequence[Block]) -> Block:
    """Put blocks one behind the other; there is at least one."""
    if len(blocks) == 1:
        return blocks[0]
    ends = np.cumsum([len(block) for block in blocks])
    starts = ends - [len(block) for block in blocks]
    flags = {name: np.zeros(ends[-1], np.bool_) for name in FLAGS if any(name in b.flags for b in blocks)}
    names = sorted(frozenset[str]().union(*(block.values.keys() for block in blocks)))
    values = {name: np.full(ends[-1], np.nan) for name in names}
    for block, start, end in zip(blocks, starts, ends, strict=True):
        for name, flag in block.flags.items():
            flags[name][start:end] = flag
        for name, column in block.values.items():
            values[name][start:end] = column
    return Block(
        np.concatenate([block.time_us for block in blocks]),
        np.concatenate([block.position for block in blocks]),
        np.concatenate([block.recorded_us for block in blocks]),
        np.concatenate([block.interval_ms for block in blocks]),
        flags,
        values,
    )


def streams(kind: str, blocks: Sequence[Block]) -> Iterator[Columns]:
    """Make streams of blocks: one an interval, of two samples at one time the later recorded one.

    A measurement or flag that no row of a stream has is no column of it.
    """
    filled = [block for block in blocks if len(block)]
    if not filled:
        return
    block = joined(filled)
    for interval_ms in np.unique(block.interval_ms[np.append(True, np.diff(block.interval_ms) != 0)]):
        mine = block.interval_ms == interval_ms
        part = block if mine.all() else block.rows(mine)
        columns = Columns.ordered(
            kind, int(interval_ms), part.time_us, part.position, part.values, part.flags
        )
        yield Columns(
            kind,
            columns.interval_ms,
            columns.time_us,
            columns.position,
            {name: column for name, column in sorted(columns.values.items()) if _told(column)},
            {name: flag for name, flag in sorted(columns.flags.items()) if flag.any()},
        )


def only(block: Block, names: Collection[str] | None) -> Block:
    """Keep fewer measurements; None keeps all."""
    if names is None:
        return block
    values = {name: block.values[name] for name in block.values.keys() & set(names)}
    return Block(block.time_us, block.position, block.recorded_us, block.interval_ms, block.flags, values)


def within(block: Block, since_us: int, until_us: int, upto: int) -> Block:
    """Keep the rows in [since, until) that were recorded up to a position."""
    kept = (block.time_us >= since_us) & (block.time_us < until_us) & (block.position <= upto)
    return block if kept.all() else block.rows(kept)


def _told(column: Floats) -> bool:
    return bool(np.isfinite(column).any())
