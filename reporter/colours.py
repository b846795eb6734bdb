"""Colours of reports: the palette, and a client's own colour made readable. Pure.

Rules that must stay true here: what is read as text has a contrast of 4.5 to its ground, light and dark;
lines and bars have 3; no meaning is told by colour alone.
"""

import re
from collections.abc import Mapping
from typing import Final

Palette = Mapping[str, str]  # role -> colour
ACCENT: Final = "#1d5f9e"
LIGHT: Final[Palette] = {
    "ink": "#17202b",
    "soft": "#566170",
    "faint": "#8a95a3",
    "grid": "#e2e6eb",
    "paper": "#ffffff",
    "page": "#f3f5f7",
    "wash": "#f0f3f6",
    "warn": "#8f5400",
    "bad": "#b3261e",
    "good": "#1a7446",
    "store": "#00795c",
    "l1": "#1d5f9e",
    "l2": "#c25200",
    "l3": "#00795c",
    "n": "#6b7684",
    "s0": "#1d5f9e",
    "s1": "#d98324",
    "s2": "#2a8f6d",
    "s3": "#8f5fb0",
    "s4": "#c24a52",
    "s5": "#5aa3c7",
    "s6": "#a88b2d",
    "s7": "#d07aa4",
    "rest": "#a9b2bd",
}
DARK: Final[Palette] = {
    "ink": "#e9edf2",
    "soft": "#a3afbc",
    "faint": "#768290",
    "grid": "#2d3742",
    "paper": "#171d25",
    "page": "#0f1419",
    "wash": "#1f2731",
    "warn": "#e3ae4c",
    "bad": "#f58d85",
    "good": "#62cf97",
    "store": "#3cc79f",
    "l1": "#6fb1ea",
    "l2": "#f0924a",
    "l3": "#3cc79f",
    "n": "#93a0ae",
    "s0": "#5d9fdb",
    "s1": "#e39a47",
    "s2": "#48b08d",
    "s3": "#b088cf",
    "s4": "#e0757c",
    "s5": "#7cc0e0",
    "s6": "#c9ad50",
    "s7": "#e39abf",
    "rest": "#6f7a87",
}
STACK: Final = tuple(f"s{n}" for n in range(8))
DASHES: Final[Mapping[str, str | None]] = {"l1": None, "l2": "7 3", "l3": "2 3", "n": "1 4"}
READABLE: Final = 4.5
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, ground: str, ratio: float = READABLE) -> str:
    """Move a colour away from its ground in small steps until it can be read there."""
    target = LIGHT["ink"] if _luminance(ground) > 0.5 else LIGHT["paper"]  # noqa: PLR2004 - the middle
    for step in range(21):
        mixed = mix(colour, target, step / 20)
        if contrast(mixed, ground) >= ratio:
            return mixed
    return target


def mix(one: str, other: str, share: float) -> str:
    """Mix two colours; share 0 is the first, 1 the other."""
    pairs = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def palettes(wanted: object) -> tuple[Palette, Palette]:
    """Give the light and the dark palette with a client's colour (`#rrggbb`) as accent, else ours."""
    accent = wanted.lower() if isinstance(wanted, str) and _HEX.fullmatch(wanted) else ACCENT
    return (
        {**LIGHT, "accent": readable(accent, LIGHT["paper"])},
        {**DARK, "accent": readable(accent, DARK["paper"])},
    )


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
