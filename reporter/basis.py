"""What all sections of a system's report stand on: samples, facts, what it is, and two spans. Pure.

Rules that must stay true here: the window is what was asked; the counted part is the window without its
idle ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from reporter.columns import Instants, Samples, Series, gap_guard_us
from reporter.device import Device
from reporter.facts import ReportSettings, SystemFacts
from reporter.track import Track, alike, track


@dataclass(frozen=True, slots=True)
class Basis:
    """Hold what every section needs.

    Attributes:
        power: the power that the report is about, over the whole window; empty where nothing tells one.
        power_method: the method that gives it.
        power_names: the measurements that it is made of.
        counted_from_us, counted_to_us: the window without its idle ends.
        times: one track of each series of times, so that others at the same times need not be cut anew.
    """

    samples: Samples
    facts: SystemFacts
    settings: ReportSettings
    device: Device
    power: Track
    power_method: str | None
    counted_from_us: int
    counted_to_us: int
    power_names: tuple[str, ...] = ()
    times: dict[tuple[int, bool], tuple[Instants, Track]] = field(default_factory=dict, repr=False)

    @property
    def from_us(self) -> int:
        """Give the begin of the window."""
        return self.facts.from_us

    @property
    def to_us(self) -> int:
        """Give the end of the window."""
        return self.facts.to_us

    @property
    def place(self) -> str:
        """Give the place of the power: what the names of its measurements begin with."""
        return self.device.place or "ac"

    @property
    def counted_power(self) -> Track:
        """Give the power of the counted part."""
        return cut(self.power, self.counted_from_us, self.counted_to_us)

    def has(self, name: str) -> bool:
        """Tell whether a measurement has a value anywhere."""
        return len(self.samples.series(name)) > 0

    def track(self, name: str, *, counted: bool = False) -> Track:
        """Give one measurement over the window or its counted part; empty where there is none."""
        return self.over(self.samples.series(name), counted=counted)

    def tracks(self, names: Sequence[str], *, counted: bool = False) -> tuple[Track, ...]:
        """Give several measurements at the same times."""
        return tuple(self.over(series, counted=counted) for series in self.samples.together(names))

    def over(self, series: Series, *, counted: bool = False) -> Track:
        """Cut a series to the window or its counted part."""
        known = self.times.get((id(series.time_us), counted))
        if known is not None and known[0] is series.time_us:
            return alike(known[1], series.time_us, series.value)
        begin_us, end_us = self.from_us, self.to_us
        if counted:
            begin_us, end_us = self.counted_from_us, self.counted_to_us
        made = track(series, begin_us, end_us, guard(series, self.settings))
        if len(made):
            self.times[id(series.time_us), counted] = (series.time_us, made)
        return made


def guard(series: Series, settings: ReportSettings) -> int:
    """Say how far two samples of a series may lie apart, in microseconds: at least two intervals or 1 s."""
    if settings.max_gap_s is None:
        return gap_guard_us(series.interval_ms, series.time_us)
    return max(int(settings.max_gap_s * 1e6), 2 * 1000 * series.interval_ms, 1_000_000)


def cut(of: Track, from_us: int, to_us: int) -> Track:
    """Cut a track to a part of its span whose edges are at samples or on lines between them."""
    if (from_us, to_us) == (of.from_us, of.to_us):
        return of
    longest_us = int((of.time_us[1:] - of.time_us[:-1])[of.joined].max(initial=0))
    return track(Series(of.time_us, of.value), from_us, to_us, longest_us)
