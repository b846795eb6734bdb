"""How often one address may ask: token buckets, and few wrong keys. Pure but for the clock it is given.

Rules that must stay true here:
- memory is bounded whatever addresses come;
- an address that asks too often is told when to come again;
- a wrong key counts once: a device that was forgotten sends it for ever, and others share its address.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_MOST: Final = 10_000
_BURST_S: Final = 10.0
_WRONG_PER_S: Final = 0.1
_WRONG_AT_ONCE: Final = 10.0


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Buckets:
    """One bucket an address."""

    def __init__(self, per_s: float, at_once: float) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, address: str, now_s: float) -> float:
        """Take one; return 0, or in how many seconds there will be one."""
        bucket = self._filled(address, now_s)
        if bucket.left >= 1.0:
            bucket.left -= 1.0
            return 0.0
        return (1.0 - bucket.left) / self._per_s

    def empty(self, address: str, now_s: float) -> float:
        """Return 0, or in how many seconds there will be one; take none."""
        bucket = self._filled(address, now_s)
        return 0.0 if bucket.left >= 1.0 else (1.0 - bucket.left) / self._per_s

    def _filled(self, address: str, now_s: float) -> _Bucket:
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = _Bucket(self._at_once, now_s)
            if len(self._buckets) > _MOST:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        bucket.left = min(self._at_once, bucket.left + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        return bucket


class WrongKeys:
    """How many different wrong keys an address may try."""

    def __init__(self) -> None:
        self._tries = Buckets(_WRONG_PER_S, _WRONG_AT_ONCE)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """Return 0, or in how many seconds the address may try a key again."""
        return self._tries.empty(address, now_s)

    def take(self, address: str, digest: str, now_s: float) -> None:
        """Count a wrong key, by its digest."""
        if (address, digest) not in self._known:
            self._tries.take(address, now_s)
        self._known[address, digest] = None
        self._known.move_to_end((address, digest))
        if len(self._known) > _MOST:
            self._known.popitem(last=False)


class Limits:
    """The limits of the API."""

    def __init__(self, requests_per_s: float) -> None:
        self.requests = Buckets(requests_per_s, requests_per_s * _BURST_S)
        self.wrong_keys = WrongKeys()
