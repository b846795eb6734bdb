"""Colours of reports: the palette, and a client's own colour made readable. Pure.

Rules that must stay true here: what is read as text has a contrast of 4.5 to its ground, light and dark;
lines and bars have 3; no meaning is told by colour alone.
"""

import re
from typing import Final

INK: Final = "#17202b"
SOFT: Final = "#566170"
FAINT: Final = "#8a95a3"
GRID: Final = "#e2e6eb"
PAPER: Final = "#ffffff"
NIGHT: Final = "#161c24"
ACCENT: Final = "#1d5f9e"
WARN: Final = "#9a5b00"
BAD: Final = "#b3261e"
GOOD: Final = "#1a7446"
STORE: Final = "#00795c"
PHASES: Final = {"l1": "#1d5f9e", "l2": "#c25200", "l3": "#00795c", "n": "#6b7684"}
DASHES: Final = {"l1": None, "l2": "7 3", "l3": "2 3", "n": "1 4"}
STACK: Final = (
    "#1d5f9e",
    "#d98324",
    "#2a8f6d",
    "#8f5fb0",
    "#c24a52",
    "#5aa3c7",
    "#a88b2d",
    "#6d7f2f",
    "#d07aa4",
    "#4c5f9e",
)
REST: Final = "#a9b2bd"
READABLE: Final = 4.5
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, ground: str, ratio: float = READABLE) -> str:
    """Move a colour away from its ground in small steps until it can be read there."""
    target = INK if _luminance(ground) > 0.5 else PAPER  # noqa: PLR2004 - the middle
    for step in range(21):
        mixed = mix(colour, target, step / 20)
        if contrast(mixed, ground) >= ratio:
            return mixed
    return target


def mix(one: str, other: str, share: float) -> str:
    """Mix two colours; share 0 is the first, 1 the other."""
    pairs = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def accent(wanted: object) -> str:
    """Give a client's colour where it is one (`#rrggbb`), else ours."""
    return wanted.lower() if isinstance(wanted, str) and _HEX.fullmatch(wanted) else ACCENT


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
