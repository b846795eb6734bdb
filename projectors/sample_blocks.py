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
    return blocks[0] if len(blocks) == 1 else _poured(list(blocks))


def streams(kind: str, blocks: list[Block]) -> Iterator[Columns]:
    """Make streams of blocks: one an interval; samples at one time become one row.

    A measurement or flag that no row of a stream has is no column of it. The list is emptied: rows are let go
    of while streams are made of them, so that nothing is in memory twice.
    """
    parts: dict[int, list[Block]] = {}
    while blocks:
        for part in by_interval(blocks.pop(0)):
            parts.setdefault(int(part.interval_ms[0]), []).append(part)
    for interval_ms in sorted(parts):
        block = _poured(parts.pop(interval_ms))
        yield Columns.ordered(kind, interval_ms, block.time_us, block.position, block.values, block.flags)


def by_interval(block: Block) -> Iterator[Block]:
    """Yield the rows of each interval, with the measurements and flags that any of them has."""
    for interval_ms in np.unique(block.interval_ms).tolist():
        mine = block.interval_ms == interval_ms
        part = block if mine.all() else block.rows(mine)
        values = {name: column for name, column in part.values.items() if _told(column)}
        flags = {name: flag for name, flag in part.flags.items() if flag.any()}
        yield Block(part.time_us, part.position, part.recorded_us, part.interval_ms, flags, values)


def _poured(blocks: list[Block]) -> Block:
    """Put blocks one behind the other, and empty the list: a column is let go of when it was copied."""
    ends = np.cumsum([len(block) for block in blocks]).tolist()
    starts = [end - len(block) for end, block in zip(ends, blocks, strict=True)]
    flags = {name: np.zeros(ends[-1], np.bool_) for name in FLAGS if any(name in b.flags for b in blocks)}
    for block, start, end in zip(blocks, starts, ends, strict=True):
        for name, flag in block.flags.items():
            flags[name][start:end] = flag
    time_us = np.concatenate([block.time_us for block in blocks])
    position = np.concatenate([block.position for block in blocks])
    recorded_us = np.concatenate([block.recorded_us for block in blocks])
    interval_ms = np.concatenate([block.interval_ms for block in blocks])
    pools = [dict(block.values) for block in blocks]
    blocks.clear()
    values = {}
    for name in sorted(frozenset[str]().union(*pools)):
        values[name] = whole = np.full(ends[-1], np.nan)
        for pool, start, end in zip(pools, starts, ends, strict=True):
            column = pool.pop(name, None)
            if column is not None:
                whole[start:end] = column
    return Block(time_us, position, recorded_us, interval_ms, flags, values)


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
