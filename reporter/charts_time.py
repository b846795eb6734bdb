"""Charts over time: curves with their band, gaps, idle spans, alarms, notes and the peak. Pure.

Rules that must stay true here: where nothing was measured the line is broken and the ground is hatched;
merging points for a narrow picture keeps the least and the greatest; a mark never stands for two times.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from markupsafe import Markup

from reporter.charts import Frame, Style, axis, legend, picture, time_axis, value_axis
from reporter.svg import Point, area, element, hatch, path

Sample = tuple[float, float, float, float]  # seconds from the begin, least, mean, greatest
Span = tuple[float, float]  # seconds from the begin
WIDE: Final = 760
NARROW: Final = 350
_LANE: Final = 8
_BADGE: Final = 16.0
_SLIGHT: Final = 0.02  # of the greatest: what goes below zero by less gets no room of its own


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one curve; None breaks it."""

    points: Sequence[Sample | None]
    role: str = "accent"
    label: str = ""
    dash: str | None = None
    band: bool = True


@dataclass(frozen=True, slots=True)
class Words:
    """Hold what a chart says: the caption of hatched ground, of idle spans, of the lane of alarms."""

    gap: str = ""
    idle: str = ""
    alarms: str = ""
    level: str = ""
    peak: str = ""


@dataclass(frozen=True, slots=True)
class TimeChart:
    """Say what is drawn over one span; all times are seconds from its begin."""

    name: str
    title: str
    description: str
    begin: datetime
    seconds: float
    unit: str
    lines: Sequence[Line]
    words: Words = field(default_factory=Words)
    gaps: Sequence[Span] = ()
    idle: Sequence[Span] = ()
    alarms: Sequence[tuple[float, float, str, str]] = ()  # from, to, level, words
    notes: Sequence[tuple[float, int]] = ()  # time and number in the list
    peak: tuple[float, float] | None = None
    level: float | None = None
    block: tuple[float, float, float] | None = None  # from, to, value: the greatest demand
    floor: float | None = 0.0
    ceiling: float | None = None


def time_chart(style: Style, chart: TimeChart, *, width: float = WIDE, height: float = 300) -> Markup:
    """Draw curves over time."""
    shown = [
        Line(merged(line.points, width), line.role, line.label, line.dash, line.band) for line in chart.lines
    ]
    frame = _frame(chart, shown, width, height)
    return picture(
        chart.name, chart.title, chart.description, (width, height),
        *_ground(style, frame, chart),
        *value_axis(style, frame),
        *time_axis(style, frame, chart.begin, most=9 if width > NARROW else 4),
        *_level(style, frame, chart),
        *(part for line in shown for part in _curve(style, frame, line)),
        *_block(style, frame, chart),
        *_peak(style, frame, chart),
        *_notes(style, frame, chart),
        *_alarms(style, frame, chart),
        *_legend(style, frame, shown),
    )  # fmt: skip


def merged(points: Sequence[Sample | None], most: float) -> list[Sample | None]:
    """Merge neighbours until at most about `most` are left; breaks stay."""
    together = math.ceil(len(points) / most)
    if together <= 1:
        return list(points)
    out: list[Sample | None] = []
    for run in _runs(points):
        if out:
            out.append(None)
        for n in range(0, len(run), together):
            part = run[n : n + together]
            out.append(
                (
                    part[0][0],
                    min(one[1] for one in part),
                    sum(one[2] for one in part) / len(part),
                    max(one[3] for one in part),
                )
            )
    return out


def _runs(points: Iterable[Sample | None]) -> Iterator[list[Sample]]:
    run: list[Sample] = []
    for point in points:
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _frame(chart: TimeChart, lines: Sequence[Line], width: float, height: float) -> Frame:
    values = [
        value
        for line in lines
        for point in line.points
        if point
        for value in ((point[1], point[3]) if line.band else (point[2],))
    ]
    largest = max(values, default=0.0)
    values = [value for value in values if value >= 0 or -value > _SLIGHT * largest]
    if chart.level is not None and chart.level <= 1.7 * largest:
        values.append(chart.level)
    scale = axis(chart.unit, values, low=chart.floor, high=chart.ceiling)
    labels = max(len(scale.said.number(tick)) for tick in (scale.low, scale.high, scale.low + scale.step))
    top = 20 + (_BADGE if chart.notes else 0) + (16 if any(line.label for line in lines) else 0)
    bottom = height - 24 - (_LANE + 10 if chart.alarms else 0)
    left = max(14 + 6.6 * labels, 12 + 5.7 * len(chart.words.alarms) if chart.alarms else 0)
    return Frame(width, height, left, top, width - 8, bottom, chart.seconds, scale)


def _ground(style: Style, frame: Frame, chart: TimeChart) -> Iterator[Markup]:
    for spans, words, hatched in ((chart.idle, chart.words.idle, False), (chart.gaps, chart.words.gap, True)):
        for begin, end in spans:
            left, right = frame.x(max(0.0, begin)), frame.x(min(frame.extent, end))
            wide = max(right - left, 1.0)
            yield style.box(left, frame.top, wide, frame.bottom - frame.top, "wash")
            if hatched:
                lines = hatch(left, frame.top, wide, frame.bottom - frame.top)
                yield element("path", d=lines, **style.paint(None, "faint", 0.7))
            if words and wide > _BADGE:
                yield from _caption(style, frame, (left + right) / 2, wide, words)


def _caption(style: Style, frame: Frame, x: float, wide: float, words: str) -> Iterator[Markup]:
    y = (frame.top + frame.bottom) / 2
    half = 3.0 * len(words) + 6
    turned = f"rotate(-90 {x:.1f} {y:.1f})" if wide < 2 * half + 4 else None
    yield element(
        "g",
        style.box(x - half, y - 8, 2 * half, 16, "paper", round_=3),
        style.text(x, y + 4, words, anchor="middle"),
        transform=turned,
    )


def _curve(style: Style, frame: Frame, line: Line) -> Iterator[Markup]:
    bands, means = [], []
    for run in _runs(line.points):
        places = [(frame.x(at), low, mean, high) for at, low, mean, high in run]
        if len(places) == 1:
            x, low, mean, high = places[0]
            places = [(x - 0.7, low, mean, high), (x + 0.7, low, mean, high)]
        mean_line: list[Point] = [(x, frame.y(mean)) for x, _, mean, _ in places]
        means.append(path(mean_line))
        if line.band:
            upper = [(x, frame.y(high)) for x, _, _, high in places]
            lower = [(x, frame.y(low)) for x, low, _, _ in places]
            bands.append(area(upper, lower))
    if bands:
        yield element("path", d="".join(bands), fill_opacity="0.28", **style.paint(line.role))
    if means:
        yield element(
            "path", d="".join(means), stroke_dasharray=line.dash, stroke_linejoin="round",
            **style.paint(None, line.role, 1.6),
        )  # fmt: skip


def _level(style: Style, frame: Frame, chart: TimeChart) -> Iterator[Markup]:
    if chart.level is None or chart.level > frame.axis.high:
        return
    y = frame.y(chart.level)
    yield style.line([(frame.left, y), (frame.right, y)], "soft", 1.2, dash="6 4")
    yield style.text(frame.left + 5, y - 5, chart.words.level)


def _block(style: Style, frame: Frame, chart: TimeChart) -> Iterator[Markup]:
    if chart.block is None:
        return
    begin, end, value = chart.block
    y = frame.y(value)
    yield style.line([(frame.x(max(0.0, begin)), y), (frame.x(min(frame.extent, end)), y)], "ink", 3)


def _peak(style: Style, frame: Frame, chart: TimeChart) -> Iterator[Markup]:
    if chart.peak is None:
        return
    at, value = chart.peak
    x, y = frame.x(at), frame.y(value)
    half = 3.1 * len(chart.words.peak)
    centre = min(max(x, frame.left + half), frame.right - half)
    above = y - 9 if y - 20 > frame.top - 14 else y + 18
    yield element("circle", cx=x, cy=y, r=3.5, **style.paint("ink", "paper", 1.5))
    yield element(
        "text", chart.words.peak, x=centre, y=above, text_anchor="middle", font_weight="600",
        paint_order="stroke", stroke_linejoin="round", **style.paint("ink", "paper", 4),
    )  # fmt: skip
    yield style.text(centre, above, chart.words.peak, anchor="middle", role="ink", weight="600")


def _notes(style: Style, frame: Frame, chart: TimeChart) -> Iterator[Markup]:
    y = frame.top - _BADGE / 2 - 3
    for x, first, last in _together([(frame.x(at), n) for at, n in sorted(chart.notes)]):
        said = f"{first}" if first == last else f"{first}\u2013{last}"
        half = max(_BADGE / 2, 3.4 * len(said) + 3)
        centre = min(max(x, frame.left + half), frame.right - half)
        yield style.line([(x, y + _BADGE / 2), (x, frame.bottom)], "soft", 1, dash="1 3")
        yield style.box(centre - half, y - _BADGE / 2, 2 * half, _BADGE, "ink", round_=_BADGE / 2)
        yield style.text(centre, y + 3.8, said, anchor="middle", role="paper", weight="600", size=10)


def _together(places: Sequence[tuple[float, int]]) -> Iterator[tuple[float, int, int]]:
    group: list[tuple[float, int]] = []
    for place in places:
        if group and place[0] - group[0][0] > _BADGE + 4:
            yield group[0][0], group[0][1], group[-1][1]
            group = []
        group.append(place)
    if group:
        yield group[0][0], group[0][1], group[-1][1]


def _alarms(style: Style, frame: Frame, chart: TimeChart) -> Iterator[Markup]:
    if not chart.alarms:
        return
    top = frame.bottom + 24
    yield style.box(frame.left, top, frame.right - frame.left, _LANE, "wash", round_=2)
    for begin, end, level, words in chart.alarms:
        left = frame.x(min(max(0.0, begin), frame.extent))
        wide = max(frame.x(min(frame.extent, end)) - left, 3.0)
        role = "bad" if level == "alarm" else "warn"
        yield style.box(left, top, wide, _LANE, role, round_=1.5, title=words)
        yield element(
            "path", d=f"M{left:.1f} {frame.bottom - 1:.1f}l-4 -7h8z", **style.paint(role, "paper", 1)
        )  # fmt: skip
    yield style.text(frame.left - 6, top + _LANE - 0.5, chart.words.alarms, anchor="end", size=9.5)


def _legend(style: Style, frame: Frame, lines: Sequence[Line]) -> Iterator[Markup]:
    entries = [(line.role, line.label, line.dash) for line in lines if line.label]
    if entries:
        yield from legend(style, frame.left + 16, 13, entries)
