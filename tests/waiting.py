"""Waiting for conditions, never for time."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 300.0
"""How long anything may take on the slowest machine, far above what working code needs anywhere."""


def until(
    condition: Callable[[], object],
    what: str,
    *,
    within_s: float = PATIENCE_S,
    turn: Callable[[], object] | None = None,
) -> None:
    """Return once the condition holds; fail when it does not within the limit.

    Args:
        condition: checked again and again.
        what: the condition in words, for the failure.
        within_s: a limit for broken code.
        turn: work to do between two checks; a short rest when omitted.
    """
    began = time.monotonic()
    while not condition():
        waited_s = time.monotonic() - began
        assert waited_s < within_s, f"not within {within_s} s: {what}"
        if turn is None:
            time.sleep(rest_s(waited_s))
        else:
            turn()


def rest_s(waited_s: float) -> float:
    """Return how long to rest before looking again: asking is work too, for whoever has waited for long."""
    return min(max(waited_s / 20, 0.005), 0.1)
