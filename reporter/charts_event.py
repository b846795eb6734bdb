"""Charts of a whole event: systems stacked over time, and a heat map of system by hour. Pure.

Rules that must stay true here: the stack is as high as the sum; the many smallest are one layer and are
called so; a cell without measurement is hatched, never pale.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup

from reporter.charts import Frame, Style, axis, picture, time_axis, value_axis
from reporter.colours import mix
from reporter.svg import Point, area, element, hatch, isolated, path

_ROW: Final = 17.0
_LABELS: Final = 132.0


@dataclass(frozen=True, slots=True)
class Layer:
    """Hold one system of a stack: watts a step, None where it told nothing."""

    label: str
    role: str
    watts: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class StackChart:
    """Say what is stacked, from the ground up.

    `missing` are spans without a complete total; at the steps in `broken` so little was measured that the
    stack itself is broken.
    """

    name: str
    title: str
    description: str
    begin: datetime
    step_s: float
    layers: Sequence[Layer]
    missing: Sequence[tuple[float, float]] = ()
    broken: frozenset[int] = frozenset()
    peak: tuple[float, float] | None = None
    peak_words: str = ""
    gap_words: str = ""


def stack_chart(style: Style, chart: StackChart, *, width: float = 760, height: float = 320) -> Markup:
    """Draw the layers over each other."""
    steps = max((len(layer.watts) for layer in chart.layers), default=1)
    totals = [sum(max(layer.watts[n] or 0.0, 0.0) for layer in chart.layers) for n in range(steps)]
    scale = axis("w", totals)
    labels = max(len(scale.said.number(tick)) for tick in scale.ticks())
    frame = Frame(
        width, height, 14 + 6.6 * labels, 22, width - 8, height - 24, max(steps * chart.step_s, 1.0), scale
    )  # fmt: skip
    return picture(
        chart.name, chart.title, chart.description, (width, height),
        *_missing(style, frame, chart.missing),
        *value_axis(style, frame),
        *_layers(style, frame, chart, steps),
        *time_axis(style, frame, chart.begin, most=9 if width > 400 else 4),  # noqa: PLR2004 - a phone
        *_peak(style, frame, chart),
    )  # fmt: skip


def _missing(style: Style, frame: Frame, spans: Sequence[tuple[float, float]]) -> Iterator[Markup]:
    for begin, end in spans:
        left, right = frame.x(max(0.0, begin)), frame.x(min(frame.extent, end))
        d = hatch(left, frame.top, max(right - left, 1.0), frame.bottom - frame.top)
        yield element("path", d=d, **style.paint(None, "faint", 0.6))


def _layers(style: Style, frame: Frame, chart: StackChart, steps: int) -> Iterator[Markup]:
    ground = [0.0] * steps
    runs = list(_told(chart, steps))
    for layer in chart.layers:
        raised = [low + max(value or 0.0, 0.0) for low, value in zip(ground, layer.watts, strict=True)]
        shapes = "".join(
            area(_line(frame, chart.step_s, raised, run), _line(frame, chart.step_s, ground, run))
            for run in runs
        )
        paint = style.paint(layer.role, "paper", 0.4)
        yield element("path", element("title", layer.label), d=shapes, **paint)
        ground = raised


def _told(chart: StackChart, steps: int) -> Iterator[range]:
    """Give the stretches of steps in which the systems told enough."""
    first = None
    for n in range(steps + 1):
        told = (
            n < steps and n not in chart.broken and any(layer.watts[n] is not None for layer in chart.layers)
        )
        if told and first is None:
            first = n
        elif not told and first is not None:
            yield range(first, n)
            first = None


def _line(frame: Frame, step_s: float, values: Sequence[float], run: range) -> list[Point]:
    """Lead a line through the middles of steps, and level to both ends of the stretch."""
    middles = [(frame.x((n + 0.5) * step_s), frame.y(values[n])) for n in run]
    begin = (frame.x(run.start * step_s), middles[0][1])
    end = (frame.x(run.stop * step_s), middles[-1][1])
    return [begin, *middles, end]


def _peak(style: Style, frame: Frame, chart: StackChart) -> Iterator[Markup]:
    if chart.peak is None:
        return
    x, y = frame.x(chart.peak[0]), frame.y(chart.peak[1])
    half = 3.1 * len(chart.peak_words)
    centre = min(max(x, frame.left + half), frame.right - half)
    yield element("circle", cx=x, cy=y, r=3.5, **style.paint("ink", "paper", 1.5))
    above = max(y - 9, 12.0)
    yield element(
        "text", chart.peak_words, x=centre, y=above, text_anchor="middle", font_weight="600",
        stroke_linejoin="round", **style.paint("ink", "paper", 4),
    )  # fmt: skip
    yield style.text(centre, above, chart.peak_words, anchor="middle", role="ink", weight="600")


@dataclass(frozen=True, slots=True)
class HeatChart:
    """Say which cells are drawn: a row a system, with its shares (0..1 of the scale, a column a step).

    A row has the stretches (first and last step) in which its system took part: None there is not measured,
    elsewhere it is nothing to draw.
    """

    name: str
    title: str
    description: str
    begin: datetime
    step_s: float
    rows: Sequence[tuple[str, Sequence[float | None], Sequence[tuple[int, int]]]]
    values: Sequence[Sequence[str]]
    low: str = ""
    high: str = ""
    missing: str = ""


def heat_chart(style: Style, chart: HeatChart, *, width: float = 760) -> Markup:
    """Draw a heat map with its scale below."""
    steps = max((len(shares) for _, shares, _ in chart.rows), default=1)
    bottom = 6 + _ROW * len(chart.rows)
    scale = axis("w", [1.0])
    frame = Frame(width, bottom + 54, _LABELS, 6, width - 8, bottom, max(1.0, steps * chart.step_s), scale)
    cell = (frame.right - frame.left) / steps
    return picture(
        chart.name, chart.title, chart.description, (width, frame.height),
        *(part for n in range(len(chart.rows)) for part in _row(style, chart, n, frame, cell)),
        *time_axis(style, frame, chart.begin, most=9),
        *_scale(style, chart, frame),
    )  # fmt: skip


def _row(style: Style, chart: HeatChart, n: int, frame: Frame, cell: float) -> Iterator[Markup]:
    label, shares, present = chart.rows[n]
    here = {step for first, last in present for step in range(first, last + 1)}
    y = frame.top + n * _ROW
    yield style.text(
        _LABELS - 8, y + _ROW / 2 + 3.5, isolated(shortened(label, 19)), anchor="end", role="ink"
    )
    gaps = []
    for column, share in enumerate(shares):
        x = frame.left + column * cell
        if share is None:
            if column in here:
                gaps.append(hatch(x, y + 0.5, cell - 0.7, _ROW - 1.2, step=4))
            continue
        yield element(
            "rect", element("title", chart.values[n][column]), x=x, y=y + 0.5, width=max(cell - 0.7, 0.6),
            height=_ROW - 1.2, fill=heat(style, share), class_=f"h-{round(share * 10)}",
        )  # fmt: skip
    if gaps:
        yield element("path", d="".join(gaps), **style.paint(None, "faint", 0.6))


def heat(style: Style, share: float) -> str:
    """Colour a share of the scale, in eleven steps from nearly paper to dark accent."""
    tenth = round(min(max(share, 0.0), 1.0) * 10) / 10
    accent = style.palette["accent"]
    return mix(mix(style.palette["paper"], accent, 0.12), mix(accent, style.palette["ink"], 0.25), tenth)


def _scale(style: Style, chart: HeatChart, frame: Frame) -> Iterator[Markup]:
    y = frame.bottom + 30
    yield style.text(frame.left, y + 10, chart.low)
    x = frame.left + 6.2 * len(chart.low) + 8
    for n in range(11):
        yield element(
            "rect", x=x + n * 14, y=y, width=13, height=12, fill=heat(style, n / 10), class_=f"h-{n}"
        )  # fmt: skip
    yield style.text(x + 160, y + 10, chart.high)
    x += 160 + 6.2 * len(chart.high) + 24
    yield element("path", d=hatch(x, y, 26, 12, step=4), **style.paint(None, "faint", 0.6))
    yield element(
        "path",
        d=path([(x, y), (x + 26, y), (x + 26, y + 12), (x, y + 12), (x, y)]),
        **style.paint(None, "faint", 0.6),
    )
    yield style.text(x + 32, y + 10, chart.missing)


def shortened(text: str, most: int) -> str:
    """Cut a long name, with an ellipsis in place of the rest."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "\u2026"
