"""Waiting for conditions, never for time."""

import time
from collections.abc import Callable


def until(
    condition: Callable[[], object],
    what: str,
    *,
    within_s: float = 20.0,
    turn: Callable[[], object] | None = None,
) -> None:
    """Return once the condition holds; fail when it does not within the limit.

    Args:
        condition: checked again and again.
        what: the condition in words, for the failure.
        within_s: a limit for broken code, far above what working code needs.
        turn: work to do between two checks; a short rest when omitted.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        if turn is None:
            time.sleep(0.005)
        else:
            turn()
