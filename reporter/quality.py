"""How good the data behind a report are: coverage, gaps, clocks, what was lost or came late. Pure.

Rules that must stay true here: a report says what it does not know; a peak may hide in any gap, and where
the samples at an end of the window do not reach it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.coverage import Gap
from reporter.facts import Document
from reporter.figures import grade, instant
from reporter.track import Track, spans

MOST_TOLD: Final = 100
FROZEN_S: Final = 600.0
_AMBER_PCT, _RED_PCT = 1.0, 2.0
_HIDES_S: Final = 1.0


def quality(basis: Basis, found: Sequence[Gap], delta_pct: float | None, notes: Sequence[str]) -> Document:
    """Tell of the quality of the window's data; notes are words, whose texts are the catalogue's."""
    power, facts = basis.power, basis.facts
    dropped = sum(one.samples for one in facts.dropped)
    unsynced_s = _unsynced_s(basis)
    missing_s = max(0.0, power.span_s - power.covered_s)
    frozen_s = _frozen_s(power)
    longest = sorted(sorted(found, key=lambda gap: -gap.seconds)[:MOST_TOLD], key=lambda gap: gap.from_us)
    words = [
        *notes,
        *(["gaps"] if found else []),
        *(["samples_dropped"] if dropped else []),
        *(["late_samples"] if facts.late_samples else []),
        *(["clock_unsynced"] if unsynced_s else []),
        *(["frozen_value"] if frozen_s else []),
        *(_register_words(delta_pct)),
        *(["in_steps"] if basis.samples.step_s else []),
        *(["not_ended"] if not facts.ended else []),
        *(["superseded"] if facts.superseded else []),
    ]
    return {
        "coverage_pct": power.coverage_pct,
        "grade": grade(power.coverage_pct, delta_pct),
        "gaps": [
            {
                "from": instant(gap.from_us),
                "to": instant(gap.to_us),
                "duration_s": gap.seconds,
                "energy_wh": gap.energy_wh,
            }
            for gap in longest
        ],
        "gaps_count": len(found),
        "longest_gap_s": max((gap.seconds for gap in found), default=0.0),
        "missing_s": missing_s,
        "bridged_wh": _sum(found),
        "samples_count": len(power),
        "step_s": basis.samples.step_s or None,
        "clock_unsynced_s": unsynced_s,
        "dropped": dropped,
        "drops": [
            {
                "from": instant(one.from_us),
                "to": instant(one.to_us),
                "samples": one.samples,
                "reason": one.reason,
            }
            for one in facts.dropped[:MOST_TOLD]
        ],
        "late_samples": facts.late_samples,
        "peak_may_hide": bool(found) or missing_s > _HIDES_S,
        "frozen_s": frozen_s,
        "register_delta_pct": delta_pct,
        "notes": words,
    }


def _register_words(delta_pct: float | None) -> list[str]:
    if delta_pct is None or abs(delta_pct) <= _AMBER_PCT:
        return []
    return ["register_differs" if abs(delta_pct) <= _RED_PCT else "register_differs_much"]


def _sum(found: Sequence[Gap]) -> float | None:
    known = [gap.energy_wh for gap in found if gap.energy_wh is not None]
    return sum(known) if known else None


def _unsynced_s(basis: Basis) -> float:
    """Give the seconds of samples whose clock was not synchronised."""
    times = basis.samples.flagged("unsynced")
    times = times[(times >= basis.from_us) & (times < basis.to_us)]
    if not len(times) or not len(basis.power):
        return 0.0
    return float(basis.power.weight_s[np.isin(basis.power.time_us, times)].sum())


def _frozen_s(power: Track) -> float:
    """Give the longest time that the power stood still and not at zero; what is short is 0."""
    still = (np.diff(power.value) == 0) & power.joined & (power.value[:-1] != 0)
    begins, ends = spans(still)
    passed_s = np.concatenate(([0.0], np.cumsum(power.step_s)))
    longest = float((passed_s[ends] - passed_s[begins]).max(initial=0.0))
    return longest if longest >= FROZEN_S else 0.0
