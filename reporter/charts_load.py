"""Charts of the load: time and energy in bands, duration curve, phases side by side, sparkline. Pure.

Rules that must stay true here: a bar's length is its share and its number stands beside it; a bar of
nothing is not drawn; what was not measured is said in words.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from reporter.charts import Axis, Frame, Style, axis, picture, value_axis
from reporter.quantities import Scale
from reporter.svg import area, element, path

HALF: Final = 372
_ROW: Final = 30
_FULL: Final = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Hold one row of bars: its label, and for each bar its share (0..1, None: not known) and number."""

    label: str
    shares: Sequence[float | None]
    numbers: Sequence[str]
    role: str | None = None


@dataclass(frozen=True, slots=True)
class BarChart:
    """Say what is compared: rows of one or two bars."""

    name: str
    title: str
    description: str
    bars: Sequence[Bar]
    roles: Sequence[str] = ("accent", "faint")
    legend: Sequence[str] = ()
    label_width: float = 74.0
    number_width: float = 86.0


def bar_chart(style: Style, chart: BarChart, *, width: float = HALF) -> Markup:
    """Draw rows of bars from the left, the number at the end of each."""
    top = 20.0 if chart.legend else 4.0
    many = max((len(bar.shares) for bar in chart.bars), default=1)
    row = _ROW if many == 1 else 12.0 * many + 14
    height = top + row * len(chart.bars) + 4
    return picture(
        chart.name, chart.title, chart.description, (width, height),
        *_bar_legend(style, chart),
        *(
            part
            for n, bar in enumerate(chart.bars)
            for part in _bar(style, chart, bar, top + n * row, row, width)
        ),
    )  # fmt: skip


def _bar_legend(style: Style, chart: BarChart) -> Iterator[Markup]:
    x = chart.label_width
    for role, words in zip(chart.roles, chart.legend, strict=False):
        yield style.box(x, 3, 10, 10, role, round_=2)
        yield style.text(x + 15, 12, words)
        x += 15 + 6.2 * len(words) + 14


def _bar(style: Style, chart: BarChart, bar: Bar, top: float, row: float, width: float) -> Iterator[Markup]:
    room = width - chart.label_width - chart.number_width
    thick = 16.0 if len(bar.shares) == 1 else 12.0
    first = top + (row - thick * len(bar.shares)) / 2
    yield style.text(chart.label_width - 8, top + row / 2 + 4, bar.label, anchor="end", role="ink")
    for n, (share, number) in enumerate(zip(bar.shares, bar.numbers, strict=True)):
        y = first + n * thick
        role = bar.role or chart.roles[n]
        yield style.line([(chart.label_width, y - 1), (chart.label_width, y + thick)], "faint", 1)
        wide = room * share if share else 0.0
        if wide > 0:
            yield style.box(chart.label_width, y, max(wide, 0.8), thick - 2, role)
        said = "soft" if share is None else "ink"
        yield style.text(chart.label_width + wide + 6, y + thick / 2 + 3, number, role=said)


@dataclass(frozen=True, slots=True)
class DurationChart:
    """Say how long the load was above what: points (percent of the time, watts), falling."""

    name: str
    title: str
    description: str
    points: Sequence[tuple[float, float]]
    across: str
    marks: Sequence[tuple[float, float, str]] = ()


def duration_chart(style: Style, chart: DurationChart, *, width: float = HALF, height: float = 236) -> Markup:
    """Draw a load duration curve."""
    values = [value for _, value in chart.points]
    scale: Axis = axis("w", values)
    labels = max(len(scale.said.number(tick)) for tick in scale.ticks())
    frame = Frame(width, height, 14 + 6.6 * labels, 20, width - 12, height - 36, _FULL, scale)
    line = [(frame.x(share), frame.y(value)) for share, value in chart.points]
    ground = [(x, frame.y(0.0)) for x, _ in line]
    return picture(
        chart.name, chart.title, chart.description, (width, height),
        *value_axis(style, frame),
        element("path", d=area(line, ground), fill_opacity="0.16", **style.paint("accent")) if line else "",
        element("path", d=path(line), **style.paint(None, "accent", 2)) if line else "",
        *_percent_axis(style, frame, chart.across),
        *_duration_marks(style, frame, chart.marks),
    )  # fmt: skip


def _percent_axis(style: Style, frame: Frame, words: str) -> Iterator[Markup]:
    for share in (0, 25, 50, 75, 100):
        x = frame.x(share)
        yield style.line([(x, frame.bottom), (x, frame.bottom + 4)], "faint", 1)
        anchor = "start" if share == 0 else "end" if share == 100 else "middle"  # noqa: PLR2004 - both ends
        yield style.text(x, frame.bottom + 16, f"{share}\u202f%", anchor=anchor)
    yield style.text((frame.left + frame.right) / 2, frame.bottom + 31, words, anchor="middle")


def _duration_marks(
    style: Style, frame: Frame, marks: Iterable[tuple[float, float, str]]
) -> Iterator[Markup]:
    for share, value, words in marks:
        x, y = frame.x(share), frame.y(value)
        yield style.line([(x, y), (x, frame.bottom)], "soft", 1, dash="2 3")
        yield element("circle", cx=x, cy=y, r=3, **style.paint("accent", "paper", 1.5))
        late = x + 8 + 6.2 * len(words) > frame.right
        yield style.text(x - 6 if late else x + 6, y - 7, words, anchor="end" if late else None, role="ink")


def sparkline(
    style: Style,
    name: str,
    words: str,
    values: Sequence[float | None],
    *,
    width: float = 120,
    height: float = 26,
) -> Markup:
    """Draw a small curve without axes; None breaks it."""
    known = [value for value in values if value is not None]
    scale = (
        Axis(min(0.0, *known, 0.0), max(1.0, *known), 1.0, Scale("", 1, 0))
        if known
        else Axis(0, 1, 1, Scale("", 1, 0))
    )
    frame = Frame(width, height, 1, 2, width - 1, height - 2, max(1, len(values) - 1), scale)
    line, runs = [], []
    for n, value in enumerate([*values, None]):
        if value is not None:
            line.append((frame.x(n), frame.y(value)))
        elif line:
            runs.append(path(line if len(line) > 1 else [line[0], (line[0][0] + 1, line[0][1])]))
            line = []
    drawn = element("path", d="".join(runs), **style.paint(None, "accent", 1.4)) if runs else ""
    return picture(name, words, words, (width, height), drawn)
