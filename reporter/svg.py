"""Writes SVG: elements as text, escaped, with short numbers. Pure.

Rules that must stay true here: colours stand in presentation attributes, because a PDF is drawn without the
page's style sheet; a text that came from outside is escaped and cannot turn the direction of its neighbours;
the same values give the same bytes.
"""

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

Point = tuple[float, float]
_ISOLATE = "\u2068{}\u2069"  # first strong isolate, pop: right-to-left names stay where they are


def number(value: float) -> str:
    """Write a coordinate with one decimal at most; never `-0`, never an exponent."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """Write an element; `class_` and `stroke_width` are class and stroke-width, None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>")  # noqa: S704 - escaped above


def isolated(text: str) -> str:
    """Keep a text from outside from turning what stands around it."""
    return _ISOLATE.format(text)


def path(points: Iterable[Point]) -> str:
    """Write an open line through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def area(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """Write the closed shape between two lines over the same x."""
    return path([*upper, *reversed(lower)]) + "Z"


def hatch(left: float, top: float, width: float, height: float, *, step: float = 6) -> str:
    """Write diagonal lines that fill a rectangle, each cut at its edges: not every drawer knows patterns."""
    lines = []
    for n in range(1, math.ceil((width + height) / step)):
        reach = n * step
        start = (left + max(0.0, reach - height), top + min(height, reach))
        end = (left + min(width, reach), top + max(0.0, reach - width))
        lines.append(path([start, end]))
    return "".join(lines)


def _attribute(value: str | float) -> str:
    return str(escape(value)) if isinstance(value, str) else number(value)
