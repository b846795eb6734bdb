"""Which reset concerns a counter. Pure but for reading the table.

Rule that must stay true here: a reset that names a system concerns it wherever it was; one of all systems
concerns those of its own node.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from bus import system_ids
from projectors.counter_periods import EVER_US
from projectors.nodes import plain, qualified

NEVER_US = -EVER_US


@dataclass(frozen=True, slots=True)
class Reset:
    """Somebody began counting anew.

    Attributes:
        system_id: qualified, or `all`.
        types: empty for all of them.
    """

    system_id: str
    types: frozenset[str]
    time_us: int


def resets(db: sqlite3.Connection) -> list[Reset]:
    """Read all of them."""
    rows = db.execute("SELECT system_id, types, time_us FROM resets").fetchall()
    return [Reset(system_id, frozenset(orjson.loads(types)), time_us) for system_id, types, time_us in rows]


def newest_reset(found: Iterable[Reset], system_id: str, type_: str) -> int:
    """Return the time of the newest reset that concerns a type of a system; `NEVER_US` without one."""
    name, node = plain(system_id)
    every = qualified(system_ids.ALL, node)
    times = (
        one.time_us
        for one in found
        if (plain(one.system_id)[0] == name or one.system_id == every)
        and (not one.types or type_ in one.types)
    )
    return max(times, default=NEVER_US)
