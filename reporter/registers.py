"""The meter's own energy counters over a window: billing stands on them, and gaps do not hurt them. Pure.

Rules that must stay true here:
- a reading at an edge is interpolated between two readings no more than 15 minutes apart, or the counter
tells of a shorter span and says so;
- a counter that falls by more than its smallest step, or jumps by more than any load could, begins a new
segment: segments are summed, and the break is listed;
- how fine a counter counts is told by its digits, and by its steps where it stands still between them: where
each reading rises, steps follow from how often it is read;
- ends of up to a minute that no reading tells of are added as measured, and how much that was is told;
- several counters that make up one figure are counted each by itself.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from reporter.basis import Basis, cut
from reporter.columns import Floats, Instants, Samples, Series
from reporter.energy import energy
from reporter.facts import Document
from reporter.figures import grade, instant
from reporter.track import US, Track

BRIDGE_US: Final = 15 * 60 * 1_000_000
_EDGE_US: Final = 60 * 1_000_000
_VEBUS: Final = {
    "import": (
        "energy_in1_to_out_wh",
        "energy_in2_to_out_wh",
        "energy_inverter_to_out_wh",
        "energy_solar_to_out_wh",
    ),
    "export": ("energy_out_to_in1_wh", "energy_out_to_in2_wh", "energy_out_to_inverter_wh"),
}
"""What leaves and enters the output of an inverter/charger, as it counts itself."""

_JUMP: Final = 10.0
_LEAST_PEAK_W: Final = 1000.0
_NEAR_ZERO_WH: Final = 1e-6
_COARSE: Final = 0.005
_DIGITS_WH: Final = tuple(10.0**power for power in range(6, -4, -1))
_ROUNDING: Final = 2.0**-23
"""The last digit of the 32 bits in which devices tell a counter, as a share of it."""
_SHARP: Final = 1e-3
_VAGUE: Final = 0.1
_FEW: Final = 4
_ALONE: Final = 1.2
_UNEVEN: Final = 0.25
"""How often the pace changes for each rise: an even load that goes on and off does it less often."""
_ALMOST_ALL: Final = 0.9
_COUNTABLE: Final = 2.0**62


@dataclass(frozen=True, slots=True)
class Break:
    """Tell where a counter was reset or replaced: its readings before and after."""

    at_us: int
    before_wh: float
    after_wh: float
    kind: str


@dataclass(frozen=True, slots=True)
class Counter:
    """Hold one counter over a span: times, energy since its first reading there, and its breaks.

    Attributes:
        first_wh, last_wh: what it showed at the ends of the span.
        resolution_wh: how fine it counts; None where it never moved, or its digits do not tell.
        reaches: whether readings at both ends, or up to a minute off, were told or could be interpolated.
    """

    name: str
    time_us: Instants
    since_wh: Floats
    first_wh: float
    last_wh: float
    breaks: tuple[Break, ...]
    resolution_wh: float | None
    reaches: bool

    @property
    def counted_wh(self) -> float:
        """Give what it counted in the span."""
        return float(self.since_wh[-1])

    def between(self, from_us: int, to_us: int) -> float:
        """Give what it counted between two instants, interpolated."""
        edges = np.interp([from_us, to_us], self.time_us, self.since_wh)
        return float(edges[1] - edges[0])


@dataclass(frozen=True, slots=True)
class Register:
    """Hold the counters of one direction together.

    Attributes:
        ends_wh: what was measured at the ends of the span that they do not tell of.
        missing_s: how much of these ends was not measured.
    """

    direction: str
    counters: tuple[Counter, ...]
    ends_wh: float = 0.0
    missing_s: float = 0.0

    @property
    def counted_wh(self) -> float:
        """Give what they counted together; one that stepped back a little counted nothing."""
        return sum(max(0.0, counter.counted_wh) for counter in self.counters)

    @property
    def whole_wh(self) -> float:
        """Give the energy of the whole span where they reach: counted, and measured at its ends."""
        if not self.reaches:
            return self.counted_wh
        counted = (max(0.0, counter.between(self.from_us, self.to_us)) for counter in self.counters)
        return sum(counted) + self.ends_wh

    @property
    def from_us(self) -> int:
        """Give the begin of the time that all of them tell of."""
        return max(int(counter.time_us[0]) for counter in self.counters)

    @property
    def to_us(self) -> int:
        """Give the end of the time that all of them tell of."""
        return min(int(counter.time_us[-1]) for counter in self.counters)

    @property
    def reaches(self) -> bool:
        """Tell whether they tell of the whole span."""
        return all(counter.reaches for counter in self.counters)

    @property
    def coarse(self) -> bool:
        """Tell whether one step of them is much of what they counted."""
        step_wh = max((counter.resolution_wh or 0.0 for counter in self.counters), default=0.0)
        return step_wh > _COARSE * self.counted_wh

    def between(self, from_us: int, to_us: int) -> float:
        """Give what they counted between two instants."""
        return sum(counter.between(from_us, to_us) for counter in self.counters)


def register(
    samples: Samples, place: str, direction: str, from_us: int, to_us: int, highest_w: float
) -> Register | None:
    """Read the counters of a place for a direction (import or export) over a span.

    `highest_w` is the highest power seen or rated: what counts faster than ten times that was not load.
    """
    names: tuple[str, ...] = (f"{place}_energy_{direction}_wh",)
    if place == "ac_out" and not len(samples.series(names[0])):
        names = _VEBUS[direction]
    counters = [
        counter
        for name in names
        if (counter := _counter(name, samples.series(name), from_us, to_us, highest_w)) is not None
    ]
    return Register(direction, tuple(counters)) if counters else None


def completed(found: Register, power: Track) -> Register:
    """Add what was measured at the ends that counters do not tell of, up to a minute each."""
    if not found.reaches:
        return found
    ends = [cut(power, power.from_us, found.from_us), cut(power, found.to_us, power.to_us)]
    measured = [energy(end) for end in ends]
    return replace(
        found,
        ends_wh=sum(one.plus_wh if found.direction == "import" else one.minus_wh for one in measured),
        missing_s=sum(max(0.0, end.span_s - end.covered_s) for end in ends),
    )


def tell(found: Register, integrated_wh: float | None, coverage_pct: float) -> list[Document]:
    """Tell of every counter: from, to, difference, breaks; and how the integral differs from all together."""
    delta_pct = compared_pct(found, integrated_wh)
    return [
        {
            "name": counter.name,
            "direction": found.direction,
            "from": {"time": instant(int(counter.time_us[0])), "value_wh": counter.first_wh},
            "to": {"time": instant(int(counter.time_us[-1])), "value_wh": counter.last_wh},
            "difference_wh": counter.counted_wh,
            "resolution_wh": counter.resolution_wh,
            "reaches": counter.reaches,
            "resets": [
                {
                    "time": instant(one.at_us),
                    "before_wh": one.before_wh,
                    "after_wh": one.after_wh,
                    "kind": one.kind,
                }
                for one in counter.breaks
            ],
            "compared_pct": delta_pct,
            "coarse": found.coarse,
            "grade": grade(100.0 if counter.reaches else coverage_pct, None if found.coarse else delta_pct),
        }
        for counter in found.counters
    ]


def compared_pct(found: Register, integrated_wh: float | None) -> float | None:
    """Say how far the integral over the same time is from what the counters counted."""
    if integrated_wh is None or found.counted_wh <= 0:
        return None
    return 100.0 * (integrated_wh - found.counted_wh) / found.counted_wh


def highest_w(basis: Basis) -> float:
    """Give the highest power that a counter may have counted."""
    peak = float(np.abs(basis.power.value).max(initial=0.0))
    return max(peak, basis.device.rated_w or 0.0, _LEAST_PEAK_W)


def _counter(name: str, series: Series, from_us: int, to_us: int, most_w: float) -> Counter | None:
    if len(series) < 2:  # noqa: PLR2004 - one reading counts nothing
        return None
    steps = np.diff(series.value)
    rising = steps[steps > _NEAR_ZERO_WH]
    least_wh = float(rising.min()) if len(rising) else 0.0
    hours = np.diff(series.time_us) * (US / 3600.0)
    fell = steps < -(least_wh or _NEAR_ZERO_WH) * (1.0 + _COARSE)
    jumped = steps > _JUMP * most_w * hours + 2.0 * least_wh
    torn = fell | jumped
    since_wh = np.concatenate(([0.0], np.cumsum(np.where(torn, 0.0, steps))))
    begin_us, begin_reaches = _edge(series.time_us, from_us, after=True)
    end_us, end_reaches = _edge(series.time_us, to_us, after=False)
    if end_us <= begin_us:
        return None
    inside = (series.time_us > begin_us) & (series.time_us < end_us)
    edges = np.interp([begin_us, end_us], series.time_us, since_wh)
    shown = np.interp([begin_us, end_us], series.time_us, series.value)
    times = np.concatenate(([begin_us], series.time_us[inside], [end_us]))
    counted = np.concatenate(([edges[0]], since_wh[inside], [edges[1]])) - edges[0]
    broken = np.flatnonzero(torn & (series.time_us[1:] > begin_us) & (series.time_us[:-1] < end_us))
    breaks = tuple(
        Break(
            int(series.time_us[index + 1]),
            float(series.value[index]),
            float(series.value[index + 1]),
            "reset" if fell[index] else "jump",
        )
        for index in broken
    )
    return Counter(
        name,
        times,
        counted,
        float(shown[0]),
        float(shown[1]),
        breaks,
        _resolution_wh(series.value) if len(rising) else None,
        begin_reaches and end_reaches,
    )


def _resolution_wh(value: Floats) -> float | None:
    """Give the step by which readings rise; by their digits where that follows from the load, or None."""
    digit_wh = _digit_wh(value)
    steps = np.diff(value)
    vague_wh = 2.0 * float(np.abs(value).max()) * _ROUNDING
    own_wh = _own_step_wh(steps[steps > _NEAR_ZERO_WH], (digit_wh or 0.0) + vague_wh)
    if own_wh is not None and _changes(steps, own_wh) > _ALONE:
        return own_wh
    if digit_wh is None or float(np.abs(value).max()) / digit_wh >= _COUNTABLE:
        return digit_wh
    shared_wh = float(np.gcd.reduce(np.round(value / digit_wh).astype(np.int64))) * digit_wh
    return shared_wh if _changes(steps, shared_wh) > _UNEVEN else digit_wh


def _changes(steps: Floats, step_wh: float) -> float:
    """Say how often the pace changes for each rise: twice where rises stand alone; 0 where it hardly does."""
    count = int(np.count_nonzero(np.abs(np.diff(steps)) > step_wh / 2.0))
    return count / int(np.count_nonzero(steps > _NEAR_ZERO_WH)) if count >= _FEW else 0.0


def _own_step_wh(rising: Floats, rounded_wh: float) -> float | None:
    """Give the step that rises are one, two or three of, each rounded a little; None where they are not."""
    least_wh = float(rising.min())
    few = rising[rising < 3.5 * least_wh]
    step_wh = float(few[few < 1.5 * least_wh].mean())
    near_wh = rounded_wh + _SHARP * step_wh
    off_wh = float(np.abs(few - np.round(few / step_wh) * step_wh).max())
    apart = len(few) >= _ALMOST_ALL * len(rising) and step_wh > 3.0 * near_wh
    return step_wh if apart and off_wh <= near_wh else None


def _digit_wh(value: Floats) -> float | None:
    """Give the largest power of ten that all readings are whole multiples of; None where their digits end."""
    vague_wh = float(np.abs(value).max()) * _ROUNDING
    for step_wh in _DIGITS_WH:
        off_wh = float(np.abs(value - np.round(value / step_wh) * step_wh).max())
        if off_wh <= (vague_wh if vague_wh <= _VAGUE * step_wh else _SHARP * step_wh):
            return step_wh
    return None


def _edge(time_us: Instants, at_us: int, *, after: bool) -> tuple[int, bool]:
    """Give the instant nearest to an edge that readings tell of, and whether that is the edge, nearly."""
    index = int(np.searchsorted(time_us, at_us))
    if index < len(time_us) and time_us[index] == at_us:
        return at_us, True
    if 0 < index < len(time_us) and time_us[index] - time_us[index - 1] <= BRIDGE_US:
        return at_us, True
    found = index if after else index - 1
    if not 0 <= found < len(time_us):
        return at_us, False
    return int(time_us[found]), abs(int(time_us[found]) - at_us) <= _EDGE_US
