"""An event as pictures need it: systems stacked over time, and a map of system by hour. Pure.

Rules that must stay true here: null within a system's presence is not measured, and outside of it is not
taking part; a total is null where any system that took part was measured for less than half of the time.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from reporter.columns import Flags
from reporter.event_members import Member
from reporter.event_peaks import Grid, grid
from reporter.facts import Document
from reporter.figures import instant
from reporter.profile import Stretches
from reporter.track import spans

_STEPS_MIN: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440)
_MOST_STEPS: Final = 480
_MOST_NUMBERS: Final = 30_000
_LEAST_STEPS: Final = 120
_MOST_HOURS: Final = 192
_HOUR_MIN: Final = 60
_ENOUGH: Final = 0.5


def stacked(of: Sequence[Member], from_us: int, to_us: int, zone: str) -> Document:
    """Give the power of every system, and of those that count together, in steps of even length."""
    most = max(_LEAST_STEPS, min(_MOST_STEPS, _MOST_NUMBERS // max(1, len(of))))
    cut = _steps(from_us, to_us, zone, _STEPS_MIN, most)
    laid = [cut.lay(member) for member in of]
    total = np.zeros(cut.steps)
    torn = np.zeros(cut.steps, np.bool_)
    taking_part = np.zeros(cut.steps, np.bool_)
    for member, one in zip(of, laid, strict=True):
        if member.counts:
            total += np.nan_to_num(one.mean_w) * one.present_s / cut.seconds
            torn |= (one.present_s > 0) & ~_measured(one)
            taking_part |= one.present_s > 0
    known = taking_part & ~torn
    return {
        **_head(cut),
        "total_w": [watts if here else None for watts, here in zip(total.tolist(), known, strict=True)],
        "missing": _stretches(torn),
        "systems": [_row(member, one) for member, one in zip(of, laid, strict=True)],
    }


def heat(of: Sequence[Member], from_us: int, to_us: int, zone: str) -> Document:
    """Give the mean power of every system by local hour; by more hours in very long events."""
    cut = _steps(from_us, to_us, zone, [step for step in _STEPS_MIN if step >= _HOUR_MIN], _MOST_HOURS)
    return {**_head(cut), "systems": [_row(member, cut.lay(member)) for member in of]}


def _steps(from_us: int, to_us: int, zone: str, offered: Sequence[int], most: int) -> Grid:
    for minutes in offered:
        cut = grid(from_us, to_us, minutes, zone)
        if cut.steps <= most:
            return cut
    return grid(from_us, to_us, offered[-1], zone)


def _head(cut: Grid) -> Document:
    return {"from": instant(cut.begin_us(0)), "step_s": cut.seconds, "steps": cut.steps}


def _row(member: Member, laid: Stretches) -> Document:
    known = _measured(laid)
    return {
        "system_id": member.system_id,
        "counted": member.counts,
        "present": _stretches(laid.present_s > 0),
        "mean_w": [watts if here else None for watts, here in zip(laid.mean_w.tolist(), known, strict=True)],
    }


def _measured(laid: Stretches) -> Flags:
    return np.asarray((laid.covered_s > 0) & (laid.covered_s >= _ENOUGH * laid.present_s), np.bool_)


def _stretches(which: Flags) -> list[list[int]]:
    begins, ends = spans(which)
    return [[first, behind - 1] for first, behind in zip(begins.tolist(), ends.tolist(), strict=True)]
