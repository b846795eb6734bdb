"""Noise that is a function of time: smooth, seeded, the same whoever asks and however often.

Pure. A lattice of random values, one every `period_s`, with a smooth curve between them; its mean is zero,
so that over many periods it adds no energy.
"""

import zlib
from functools import lru_cache

_MASK = (1 << 64) - 1
_HALF = 1 << 63


@lru_cache(maxsize=4096)
def seed_of(*parts: object) -> int:
    """Make a seed of names and numbers, the same on every machine."""
    text = "/".join(map(str, parts)).encode()
    return zlib.crc32(text) << 32 | zlib.crc32(text[::-1])


def noise(seed: int, time_s: float, period_s: float) -> float:
    """Give the noise at a time, between -1 and 1."""
    cell, part = divmod(time_s / period_s, 1.0)
    first = _lattice(seed, int(cell))
    return first + (_lattice(seed, int(cell) + 1) - first) * part * part * (3.0 - 2.0 * part)


def mean_noise(seed: int, begin_s: float, end_s: float, period_s: float) -> float:
    """Give the noise of a stretch of time: that of its middle when short; zero, the mean, when long."""
    if end_s - begin_s > period_s:
        return 0.0
    return noise(seed, (begin_s + end_s) / 2, period_s)


def _lattice(seed: int, cell: int) -> float:
    """Hash a cell to a number between -1 and 1 (the finalizer of splitmix64)."""
    value = (seed + cell * 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return (value ^ value >> 31) / _HALF - 1.0
