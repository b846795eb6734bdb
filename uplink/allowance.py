"""How many bytes a second may go to the cloud, and who goes first; for several threads at once.

Rules that must stay true here:
- facts never wait for what samples have spent; samples wait for what facts have;
- over any longer time no more goes than is allowed, whoever sends it.
"""

import threading

_OVERDRAFT_S = 2.0
_SAVED_S = 1.0
_SMALLEST_BURST = 64 << 10


class Allowance:
    """Two buckets that fill with time: one for everything, and one that facts alone draw from.

    Args:
        bytes_per_s: None: as much as the link carries.
    """

    def __init__(self, bytes_per_s: float | None) -> None:
        self._per_s = bytes_per_s
        self._most = max(_SMALLEST_BURST, (bytes_per_s or 0) * _SAVED_S)
        self._left = {False: self._most, True: self._most}
        self._at_s: float | None = None
        self._lock = threading.Lock()

    def may_send(self, now_s: float, *, urgent: bool) -> bool:
        """Tell whether something may be sent now."""
        return self.wait_s(now_s, urgent=urgent) <= 0

    def spend(self, size: int, now_s: float, *, urgent: bool = False) -> None:
        """Note what was sent."""
        if self._per_s is None:
            return
        with self._lock:
            self._fill(now_s, self._per_s)
            self._left[False] -= size
            if urgent:
                self._left[True] -= size

    def wait_s(self, now_s: float, *, urgent: bool) -> float:
        """Tell how long to wait until something may be sent; facts may overdraw a little."""
        if self._per_s is None:
            return 0.0
        with self._lock:
            self._fill(now_s, self._per_s)
            lowest = -self._per_s * _OVERDRAFT_S if urgent else 0.0
            return max(0.0, (lowest - self._left[urgent]) / self._per_s)

    def _fill(self, now_s: float, per_s: float) -> None:
        if self._at_s is not None:
            more = max(0.0, now_s - self._at_s) * per_s
            self._left = {who: min(self._most, left + more) for who, left in self._left.items()}
        self._at_s = now_s
