"""A node beside a virtual site at several times the true time, and what was recorded against what was true.

The integrals are this module's own: trapezoids over the samples of the journal, a minute at a time. A minute
counts when no two samples around it lie further apart than `GAP_S`; what does not count is not covered.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import orjson

from bus import instants
from bus.envelope import decode
from bus.journal import JournalReader
from bus.journal_sqlite import SqliteJournalReader

GAP_S = 3.0
MINUTE_US = 60_000_000
Curve = tuple[list[int], list[float]]
"""Times in microseconds, and values."""


@dataclass(frozen=True)
class Figure:
    """A power that is recorded, and the counters that are its truth.

    Attributes:
        more, less: counters of what goes one way, and the other.
    """

    system: str
    power: str
    more: str
    less: str | None = None


FIGURES = (
    *(
        Figure(f"acuvim_{n}", "ac_power_w", "ac_energy_import_wh", "ac_energy_export_wh")
        for n in (10, 11, 12)
    ),
    Figure("rig_01", "ac_out_power_w", "ac_out_energy_import_wh", "ac_out_energy_export_wh"),
    Figure("rig_01", "ac_in_power_w", "ac_in_energy_import_wh", "ac_in_energy_export_wh"),
    Figure("rig_01", "battery_power_w", "battery_energy_charged_wh", "battery_energy_discharged_wh"),
    Figure("rig_02", "ac_out_power_w", "ac_out_energy_import_wh", "ac_out_energy_export_wh"),
    Figure("rig_02", "battery_power_w", "battery_energy_charged_wh", "battery_energy_discharged_wh"),
    Figure("fronius_21", "ac_out_power_w", "ac_out_energy_import_wh"),
)


@dataclass(frozen=True)
class Compared:
    """What a figure came to.

    Attributes:
        minutes, covered: how many there are in the truth, and how many the samples cover.
        recorded_wh, true_wh: over the covered ones; the truth is of what flowed, either way.
    """

    figure: Figure
    minutes: int
    covered: int
    recorded_wh: float
    true_wh: float
    flowed_wh: float

    @property
    def off(self) -> float:
        """Give the difference as a part of what flowed."""
        return abs(self.recorded_wh - self.true_wh) / max(self.flowed_wh, 1.0)


def curves(reader: JournalReader, figures: Sequence[Figure]) -> dict[Figure, Curve]:
    """Read the samples of figures, those of the fastest pace that has them, in order of time."""
    found: dict[tuple[Figure, int], list[tuple[int, float]]] = defaultdict(list)
    for recorded in reader.read(types={"sample.taken"}, subjects={figure.system for figure in figures}):
        data = decode(recorded.body).data
        for figure in figures:
            value = data["values"].get(figure.power) if figure.system == recorded.subject else None
            if value is not None:
                found[figure, data["interval_ms"]].append((recorded.time_us, float(value)))
    chosen: dict[Figure, Curve] = {}
    for figure in figures:
        fastest = min((pace for one, pace in found if one == figure), default=None)
        points = sorted(found[figure, fastest]) if fastest is not None else []
        chosen[figure] = [time_us for time_us, _ in points], [value for _, value in points]
    return chosen


def truth(path: Path, figure: Figure) -> list[tuple[int, float, float]]:
    """Read rows of a truth: time, net energy, and energy either way."""
    rows = []
    for line in path.read_bytes().splitlines():
        said = orjson.loads(line)
        energies = said["energies"].get(figure.system)
        if energies is None:
            continue  # it was unplugged when the row was written
        more, less = energies[figure.more], energies[figure.less] if figure.less else 0.0
        rows.append((instants.parse(said["time"]), more - less, more + less))
    return rows


def energy_wh(curve: Curve, begin_us: int, end_us: int) -> float | None:
    """Integrate from one time to another; None where the samples do not cover it."""
    times, values = curve
    first, last = bisect_right(times, begin_us) - 1, bisect_left(times, end_us)
    if first < 0 or last >= len(times):
        return None
    total = 0.0
    for n in range(first, last):
        left_us, right_us = times[n], times[n + 1]
        if right_us - left_us > GAP_S * 1e6:
            return None
        slope = (values[n + 1] - values[n]) / (right_us - left_us) if right_us > left_us else 0.0
        from_us, to_us = max(left_us, begin_us), min(right_us, end_us)
        middle = values[n] + slope * ((from_us + to_us) / 2 - left_us)
        total += middle * (to_us - from_us) / 3.6e9
    return total


def compare(reader: JournalReader, path: Path, figures: Sequence[Figure] = FIGURES) -> Iterator[Compared]:
    """Compare what was recorded with a truth, minute by minute."""
    for figure, curve in curves(reader, figures).items():
        rows = truth(path, figure)
        recorded = true = flowed = 0.0
        covered = 0
        for (begin_us, net, both), (end_us, next_net, next_both) in pairwise(rows):
            found = energy_wh(curve, begin_us, end_us) if end_us - begin_us <= 2 * MINUTE_US else None
            if found is None:
                continue
            covered += 1
            recorded += found
            true += next_net - net
            flowed += next_both - both
        yield Compared(figure, len(rows) - 1, covered, recorded, true, flowed)


def compare_node(data: Path, figures: Sequence[Figure] = FIGURES) -> list[Compared]:
    """Compare what a node recorded with its virtual site."""
    with closing(SqliteJournalReader(data / "journal")) as reader:
        return list(compare(reader, data / "simulator" / "truth.jsonl", figures))
