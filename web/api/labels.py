"""QR labels as SVG: the code, and the system's name below it."""

from html import escape
from typing import Final

import segno

_SIDE: Final = 240
_MARGIN: Final = 12
_TEXT: Final = 34


def label(url: str, name: str) -> str:
    """Draw a label; the code can be read with a quarter of it dirty (level Q).

    Args:
        url: what the code opens.
        name: of the system, printed below.
    """
    code = segno.make(url, error="q", micro=False)
    modules = code.symbol_size(border=0)[0]
    body = code.svg_inline(
        scale=round((_SIDE - 2 * _MARGIN) / modules, 3),
        border=0,
        omitsize=False,
        svgclass=None,
        lineclass=None,
    )
    height = _SIDE + _TEXT
    size = 20 if len(name) <= 18 else max(8, round(360 / len(name)))  # noqa: PLR2004 - what fits the width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {height}" width="{_SIDE}" '
        f'height="{height}" role="img"><title>{escape(name)}</title>'
        f'<rect width="{_SIDE}" height="{height}" fill="#fff"/>'
        f'<g transform="translate({_MARGIN} {_MARGIN})">{body}</g>'
        f'<text x="{_SIDE / 2:g}" y="{_SIDE + 16}" font-family="sans-serif" font-weight="700" '
        f'font-size="{size}" text-anchor="middle">{escape(name)}</text></svg>'
    )
