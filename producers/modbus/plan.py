"""Which requests read which points: the cheapest blocks that a device can answer.

Rules that must stay true here:
- every point lies wholly in one block: no value is ever put together from two answers;
- no block is longer than the device answers, or touches a hole that is not readable;
- a gap is read through when that costs less than a request of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from producers.modbus.points import Hole, Layout, Point, Poll
from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Block:
    """One request, and the points that its answer holds.

    Attributes:
        unit: another unit than the device's own.
    """

    unit: int | None
    function: int
    address: int
    count: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class _Span:
    """Points that take the same registers."""

    address: int
    end: int
    points: tuple[Point, ...]


def of_poll(points: Sequence[Point], poll: Poll) -> tuple[Point, ...]:
    """Give the points of one poll, and those that their scales are made of."""
    own = [point for point in points if point.poll == poll]
    needed = {id_ for point in own for id_ in point.needs} - {point.id for point in own}
    return (*own, *(point for point in points if point.id in needed and point.id))


def plan_poll(layout: Layout, poll: Poll) -> tuple[Block, ...]:
    """Plan the requests of one poll."""
    return plan(
        of_poll(layout.points, poll),
        holes=layout.holes,
        max_registers=layout.max_registers,
        bridge=layout.bridge,
    )


def plan(
    points: Iterable[Point], *, holes: Sequence[Hole] = (), max_registers: int = 125, bridge: int = 24
) -> tuple[Block, ...]:
    """Plan the requests that read all points, with as few requests and registers as can be.

    Args:
        points: what to read.
        holes: what must not be read, and what may.
        max_registers: the longest answer.
        bridge: how many registers cost as much as one more request.

    Raises:
        ConfigurationError: a point is longer than the longest answer.
    """
    ordered = sorted(points, key=lambda point: (_space(point), point.address, point.end))
    blocks: list[Block] = []
    for (unit, function), members in groupby(ordered, key=_space):
        own = [hole for hole in holes if hole.function == function]
        runs = _cheapest(_spans(members), own, max_registers, bridge)
        blocks += [_block(None if unit < 0 else unit, function, run) for run in runs]
    return tuple(blocks)


def split(block: Block) -> tuple[Block, ...]:
    """Cut a block that was refused: at its gaps, or, when it has none, in the middle; nothing when it is one.

    What is cut off may still be refused, and is then cut again.
    """
    spans = _spans(block.points)
    runs: list[list[_Span]] = [[spans[0]]]
    for span in spans[1:]:
        if span.address > max(each.end for each in runs[-1]):
            runs.append([])
        runs[-1].append(span)
    if len(runs) == 1:
        middle = len(spans) // 2
        runs = [spans[:middle], spans[middle:]] if middle else []
    return tuple(_block(block.unit, block.function, run) for run in runs)


def join(blocks: Sequence[Block], max_registers: int) -> tuple[Block, ...]:
    """Put blocks together that follow one another: what was cut to find out what is refused."""
    joined: list[Block] = []
    for block in blocks:
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.unit, last.function, last.address + last.count)
            == (block.unit, block.function, block.address)
            and last.count + block.count <= max_registers
        ):
            points = (*last.points, *block.points)
            joined[-1] = replace(last, count=last.count + block.count, points=points)
        else:
            joined.append(block)
    return tuple(joined)


def _space(point: Point) -> tuple[int, int]:
    return -1 if point.unit is None else point.unit, point.function


def _spans(points: Iterable[Point]) -> list[_Span]:
    return [
        _Span(address, end, tuple(members))
        for (address, end), members in groupby(points, key=lambda point: (point.address, point.end))
    ]


def _block(unit: int | None, function: int, run: Sequence[_Span]) -> Block:
    first, last = run[0].address, max(span.end for span in run)
    return Block(unit, function, first, last - first, tuple(point for span in run for point in span.points))


def _cheapest(
    spans: Sequence[_Span], holes: Sequence[Hole], max_registers: int, bridge: int
) -> list[list[_Span]]:
    """Cut the spans into runs; `best[i]` is the cost of the first i spans, and where the last run begins."""
    best: list[tuple[int, int]] = [(0, 0)]
    for last in range(len(spans)):
        choices: list[tuple[int, int]] = []
        cost, end = bridge, spans[last].end
        for first in range(last, -1, -1):
            span = spans[first]
            end = max(end, span.end)
            if first < last:
                gap = range(span.end, spans[first + 1].address)
                if _forbidden(gap, holes):
                    break
                cost += _unread(gap, holes)
            if end - span.address > max_registers:
                break
            cost += span.end - span.address
            choices.append((best[first][0] + cost, first))
        if not choices:
            point = spans[last].points[0]
            raise ConfigurationError(f"{point.label} takes more than the {max_registers} registers of a read")
        best.append(min(choices))
    runs: list[list[_Span]] = []
    last = len(spans)
    while last:
        first = best[last][1]
        runs.append(list(spans[first:last]))
        last = first
    return runs[::-1]


def _forbidden(gap: range, holes: Sequence[Hole]) -> bool:
    return any(not hole.readable and hole.first < gap.stop and hole.last >= gap.start for hole in holes)


def _unread(gap: range, holes: Sequence[Hole]) -> int:
    """Count the registers of a gap that are not known to be readable."""
    free = sum(
        max(0, min(gap.stop, hole.last + 1) - max(gap.start, hole.first)) for hole in holes if hole.readable
    )
    return max(0, len(gap) - free)
