"""Registers of meters for tests, in words."""

import struct
from collections.abc import Sequence


def f32(*values: float) -> list[int]:
    """Give 32-bit floats, high word first."""
    return list(struct.unpack(f">{2 * len(values)}H", struct.pack(f">{len(values)}f", *values)))


def u32(*values: int) -> list[int]:
    """Give 32-bit numbers, high word first."""
    return [word for value in values for word in divmod(value & 0xFFFFFFFF, 0x10000)]


def text(said: str, registers: int) -> list[int]:
    """Give a text."""
    raw = said.encode().ljust(2 * registers, b"\0")
    return list(struct.unpack(f">{registers}H", raw))


def acuvim_ii(
    *,
    volts: float = 230.0,
    amperes: float = 10.0,
    unit_w: float = 1.0,
    mode: int = 1,
    ratios: Sequence[int] = (4000, 4000, 100, 5),
    demand: bool = True,
) -> dict[int, list[int]]:
    """Give an Acuvim II with the same load on all phases; `unit_w` is what its power registers count in."""
    watts, pt1, pt2, ct1, ct2 = volts * amperes / unit_w, *ratios
    registers = {
        0x1003: [0, 0, *u32(pt1), pt2, ct1, ct2],
        0x1019: [0],
        0x101D: [mode],
        0x4000: f32(
            *(50.0, volts, volts, volts, volts),
            *(volts * 3**0.5,) * 4,
            *(amperes, amperes, amperes, amperes, 0.0),
            *(watts, watts, watts, 3 * watts),
            *(0.0, 0.0, 0.0, 0.0),
            *(watts, watts, watts, 3 * watts),
            *(1.0, 1.0, 1.0, 1.0),
            *(0.01, 0.02, 76.0, 3 * watts, 0.0, 3 * watts),
        ),
        0x4048: u32(178_077_833, 0, 0, 0, 178_077_833, -5, 0, 0, 0),
        0x405A: [225] * 8,
        0xF000: text("IIW", 2),
        0xF040: text("AH15090001", 6),
    }
    if demand:
        registers[0x4600] = f32(amperes, amperes, amperes)
        registers[0x4620] = u32(*range(1, 16))
    return registers


def acuvim_l_fast(volts: float = 230.0, amperes: float = 10.0) -> dict[int, list[int]]:
    """Give an Acuvim L in Fast Read mode."""
    watts, lines = volts * amperes, (volts * 3**0.5,) * 3
    phases = (volts,) * 3
    return {
        0x3000: f32(
            *(50.0, *phases, volts, *lines, lines[0], *(amperes,) * 4, 0.0, watts, watts, watts, 3 * watts),
            *(0.0,) * 4,
            *(watts, watts, watts, 3 * watts),
            *(1.0,) * 4,
        ),
        0x3400: f32(*phases, *lines, *(amperes,) * 3, 3 * watts, 0.0, 50.0, 0.0, 0.0, 0.0),
    }
