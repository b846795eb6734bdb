"""What the parts of a device file say about each other.

Rules that must stay true here:
- every point has one role, and shares all of its registers with another point, or none.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from producers.modbus.device_file import DeviceFile
from producers.modbus.points import Hole, Point
from producers.modbus.table import Table

LAST_ADDRESS: Final = 0xFFFF
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def check(table: Table, found: DeviceFile) -> None:
    """Check what one part of a file says about another.

    Raises:
        ConfigurationError: it does not fit.
    """
    ids = {point.id for point in found.points if point.id}
    own = {"pt_ratio", "ct_ratio"} if found.transformers else set()
    for point in found.points:
        for wanted in (*point.needs, *point.parameters):
            if wanted not in (ids if wanted in point.needs else found.parameters.keys() | own):
                raise table.fault("scale", f"of {point.label}: there is no {wanted}")
    if found.transformers is not None:
        for wanted in (found.transformers.mode, *found.transformers.pt, *found.transformers.ct):
            if wanted not in ids:
                raise table.fault("transformers", f"name the point {wanted}, which there is not")
    _check_twice(table, "name", [point.name for point in found.points if not point.merge])
    _check_merged(table, found.points)
    _check_twice(table, "id", [point.id for point in found.points])
    _check_overlaps(table, found.points)
    _check_holes(table, found.points, found.holes)


def _check_holes(table: Table, points: Sequence[Point], holes: Sequence[Hole]) -> None:
    for point in points:
        for hole in holes:
            if point.function == hole.function and point.address <= hole.last and point.end > hole.first:
                raise table.fault("hole", f"{hole.first} to {hole.last} holds the point {point.label}")


def _check_twice(table: Table, key: str, said: Sequence[str]) -> None:
    if twice := [each for each, count in Counter(said).items() if each and count > 1]:
        raise table.fault(key, f"{twice[0]} is given twice")


def _check_merged(table: Table, points: Sequence[Point]) -> None:
    """What several points make together is made by them in one way, in one poll."""
    ways = {(point.name, point.merge, point.poll) for point in points}
    names = {name for name, merge, _ in ways if merge}
    _check_twice(table, "merge", [name for name, _, _ in ways if name in names])


def _check_overlaps(table: Table, points: Sequence[Point]) -> None:
    """Points may share their registers, as bits do; none may take a part of another's."""
    ordered = sorted(points, key=lambda point: (point.unit or 0, point.function, point.address, point.end))
    for one, next_ in pairwise(ordered):
        apart = (one.unit, one.function) != (next_.unit, next_.function) or next_.address >= one.end
        if not apart and (one.address, one.end) != (next_.address, next_.end):
            raise table.fault("address", f"{next_.address} of {next_.label} lies within {one.label}")


def check_point(table: Table, point: Point) -> None:
    """Check what one key of a point says about another.

    Raises:
        ConfigurationError: it does not fit.
    """
    if sum(map(bool, (point.name, point.alarm, point.identity))) > 1:
        raise table.fault("name", "and alarm and identity exclude each other: write a point for each")
    if not (point.name or point.alarm or point.identity or point.id):
        raise table.fault("name", "is missing: a point has a name, an alarm, an identity or an id")
    if point.end > LAST_ADDRESS + 1:
        raise table.fault("address", "is too high for the type")
    if point.type.startswith("str:") and not point.identity and not point.id:
        raise table.fault("type", "is text, and only an identity can be text")
    if point.bit is not None and point.type[0] in "fs":
        raise table.fault("bit", f"cannot be taken of {point.type}")
    if bool(point.expect) != bool(point.warning):
        raise table.fault("expect", "and warning go together")
    if point.merge and not point.name:
        raise table.fault("name", "is missing: merge is a measurement's")
    if point.alarm and not _WORD.fullmatch(point.alarm):
        raise table.fault("alarm", f"must be a word of a-z, 0-9 and _, got {point.alarm!r}")
    if (point.level or point.phase or point.when) and not point.alarm:
        raise table.fault("alarm", "is missing: level, phase and when are an alarm's")
