"""Notices another process with our MQTT client id, so that the two do not disconnect each other for ever.

Rules that must stay true here:
- a broker that says "session taken over" (0x8E) is believed, and after a few times only a person can help;
- Mosquitto before 2.0.15 says nothing and just closes: connections that end soon, again and again, while the
  broker answers at the first try, are taken for the same, but then we only slow down: it is a guess.
"""

import random
from dataclasses import dataclass

_SOON_S = 120.0
_LONGEST_WAIT_S = 60.0
_TIMES_TOLD = 3
_TIMES_GUESSED = 5


@dataclass(slots=True)
class Rivalry:
    """What speaks for a rival.

    Attributes:
        retry_at_s: the monotonic second before which we should not connect again.
    """

    retry_at_s: float = 0.0
    _told: int = 0
    _guessed: int = 0
    _connected_s: float = 0.0

    @property
    def likely(self) -> bool:
        """Tell whether there seems to be a rival."""
        return self._told > 0 or self._guessed >= _TIMES_GUESSED

    @property
    def certain(self) -> bool:
        """Tell whether the broker has said so often enough to give up."""
        return self._told >= _TIMES_TOLD

    def on_connect(self, attempts: int, now_s: float) -> None:
        """Note a connection, made after so many attempts: more than one means that the broker was away."""
        self._connected_s = now_s
        if attempts > 1:
            self._guessed = 0

    def on_disconnect(self, now_s: float, *, told: bool, explained: bool) -> None:
        """Note the end of a connection.

        Args:
            now_s: the monotonic clock.
            told: the broker named a rival.
            explained: the broker had another reason, such as a message it refused.
        """
        if now_s - self._connected_s > _SOON_S:
            self._told = self._guessed = 0
        if told:
            self._told += 1
        elif not explained:
            self._guessed += 1
        times = max(self._told, self._guessed - _TIMES_GUESSED + 1)
        if times > 0:
            wait_s = min(_LONGEST_WAIT_S, 2.0**times)
            self.retry_at_s = now_s + wait_s * random.uniform(0.5, 1.5)
