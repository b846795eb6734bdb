"""What all charts share: frame, axes, paint, legend, and the words for those who cannot see them. Pure.

Rules that must stay true here: every chart has a title and a description; an axis has its unit; colours are
presentation attributes with a class beside them, so that a page may repaint them and a PDF need not; what is
not known leaves paper, never a line on zero.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from reporter.colours import Palette
from reporter.moments import Clock
from reporter.quantities import Scale, scale
from reporter.svg import Point, element, number, path

FONT = (
    "Inter,Liberation Sans,DejaVu Sans,sans-serif"  # no blanks: a PDF's drawer takes them as part of a name
)
SIZE = 11.0
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Style:
    """Say how charts are drawn: whose colours, whose clock; `name` makes ids unique on a page."""

    palette: Palette
    clock: Clock

    def paint(
        self, fill: str | None = None, stroke: str | None = None, width: float | None = None
    ) -> dict[str, str | float | None]:
        """Give fill and stroke of two roles: as attributes, and as classes for the page."""
        classes = [f"{kind}-{role}" for kind, role in (("f", fill), ("s", stroke)) if role]
        return {
            "fill": self.palette[fill] if fill else "none",
            "stroke": self.palette[stroke] if stroke else None,
            "stroke_width": width,
            "class_": " ".join(classes),
        }

    def text(
        self,
        x: float,
        y: float,
        said: str,
        *,
        role: str = "soft",
        anchor: str | None = None,
        weight: str | None = None,
        size: float | None = None,
    ) -> Markup:
        """Write a text; `anchor` is middle or end, else it begins at x."""
        return element(
            "text", said, x=x, y=y, text_anchor=anchor, font_weight=weight, font_size=size, **self.paint(role)
        )  # fmt: skip

    def line(self, points: Sequence[Point], role: str, width: float, *, dash: str | None = None) -> Markup:
        """Draw a line in one role's colour."""
        return element("path", d=path(points), stroke_dasharray=dash, **self.paint(None, role, width))

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        role: str,
        *,
        round_: float | None = None,
        title: str | None = None,
    ) -> Markup:
        """Draw a filled box; `title` is what a pointer on it is told."""
        told = element("title", title) if title else ""
        return element("rect", told, x=x, y=y, width=width, height=height, rx=round_, **self.paint(role))


@dataclass(frozen=True, slots=True)
class Axis:
    """Say which values an axis shows: round numbers from low to high."""

    low: float
    high: float
    step: float
    said: Scale

    def ticks(self) -> Iterator[float]:
        """Give the values that are labelled."""
        for n in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + n * self.step
            yield 0.0 if abs(value) < self.step / 1e6 else value


@dataclass(frozen=True, slots=True)
class Frame:
    """Place values in a picture: x runs from 0 to `extent`, y from axis.low to axis.high."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float
    extent: float
    axis: Axis

    def x(self, at: float) -> float:
        """Place along."""
        return self.left + (self.right - self.left) * at / self.extent

    def y(self, value: float) -> float:
        """Place up; what the axis does not hold lies on its edge."""
        held = min(max(value, self.axis.low), self.axis.high)
        share = (held - self.axis.low) / (self.axis.high - self.axis.low)
        return self.bottom - (self.bottom - self.top) * share


def axis(
    unit: str, values: Iterable[float], *, most: int = 5, low: float | None = 0.0, high: float | None = None
) -> Axis:
    """Choose an axis that holds all values; `low` and `high` are held too, None: where the values are."""
    known = [value for value in values if math.isfinite(value)]
    bottom = min([*known, low] if low is not None else known, default=0.0)
    top = max([*known, high] if high is not None else known, default=1.0)
    if top <= bottom:
        bottom, top = (bottom - 1, top + 1) if low is None else (bottom, bottom + 1)
    step = nice_step((top - bottom) / most)
    first, last = math.floor(bottom / step + 1e-9), math.ceil(top / step - 1e-9)
    said = scale(unit, [first * step, last * step])
    decimals = max(0, -math.floor(math.log10(step / said.divisor) + 1e-9))
    if round(step / said.divisor, decimals) != round(step / said.divisor, decimals + 2):
        decimals += 1
    return Axis(first * step, last * step, step, Scale(said.unit, said.divisor, decimals))


def nice_step(rough: float) -> float:
    """Round a distance up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in _NICE if power * nice >= rough * (1 - 1e-9))


def picture(name: str, title: str, description: str, frame_size: tuple[float, float], *parts: str) -> Markup:
    """Make the chart: scaled to its place, and told in words."""
    width, height = frame_size
    return element(
        "svg",
        element("title", title, id=f"{name}-t"),
        element("desc", description, id=f"{name}-d"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        class_="chart",
        aria_labelledby=f"{name}-t {name}-d",
        font_family=FONT,
        font_size=SIZE,
    )


def value_axis(style: Style, frame: Frame, *, unit: bool = True) -> Iterator[Markup]:
    """Draw the rules across with their values left of them; the unit stands at the topmost."""
    ticks = list(frame.axis.ticks())
    for value in ticks:
        y = frame.y(value)
        yield style.line([(frame.left, y), (frame.right, y)], "grid" if value else "faint", 1)
        said = frame.axis.said.number(value)
        yield style.text(frame.left - 6, y + 4, said, anchor="end")
    if unit:
        yield style.text(frame.left - 6, frame.top - 8, frame.axis.said.unit, anchor="end", role="soft")


def time_axis(style: Style, frame: Frame, begin: datetime, *, most: int) -> Iterator[Markup]:
    """Draw round local times below; a day's beginning has its date and a rule through the picture."""
    end = begin + timedelta(seconds=frame.extent)
    last = -math.inf
    for at, label, day in style.clock.ticks(begin, end, most):
        x = frame.x((at - begin).total_seconds())
        if day:
            yield style.line([(x, frame.top), (x, frame.bottom)], "grid", 1)
        yield style.line([(x, frame.bottom), (x, frame.bottom + 4)], "faint", 1)
        half = 3.1 * len(label)
        centre = min(max(x, frame.left - 10 + half), frame.width - half)
        if centre - half > last:
            last = centre + half + 4
            yield style.text(
                centre, frame.bottom + 16, label, anchor="middle",
                role="ink" if day else "soft", weight="600" if day else None,
            )  # fmt: skip


def legend(
    style: Style, x: float, y: float, entries: Sequence[tuple[str, str, str | None]]
) -> Iterator[Markup]:
    """Draw what the lines mean, in a row: (role, words, dash)."""
    for role, words, dash in entries:
        yield style.line([(x, y - 4), (x + 18, y - 4)], role, 2.5, dash=dash)
        yield style.text(x + 23, y, words)
        x += 23 + 6.2 * len(words) + 16
