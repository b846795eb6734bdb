"""What the supervisor does when the disk is short of room: old logs go, VictoriaMetrics keeps less.

Rules that must stay true here:
- the recorder says how short it is; here is only what others than the recorder can give up;
- nothing goes that is not made again: logs have been written to be read soon, series can be rebuilt.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from bus.disk_levels import Level
from ovr.child import Child
from ovr.layout import Layout
from ovr.series_swap import SeriesSwap

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_RETENTION = "-retentionPeriod="


class DiskDuty:
    """Does it for one node."""

    def __init__(
        self,
        layout: Layout,
        level: Callable[[], int],
        swap: SeriesSwap,
        victoria: Child | None,
        retention: str | None,
    ) -> None:
        """Prepare.

        Args:
            layout: the node's files.
            level: how short of room the disk is, as the recorder says.
            swap: restarts VictoriaMetrics and who feeds it, in order.
            victoria: the process; None when somebody else runs it.
            retention: what it keeps while there is little room; None: what it keeps anyway.
        """
        self._layout = layout
        self._level = level
        self._swap = swap
        self._usual = None if victoria is None else victoria.spec
        self._victoria = victoria
        self._retention = retention
        self._look_at = 0.0

    def tend(self) -> None:
        """Look now and then."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        level = self._level()
        if level >= Level.TIDYING:
            self._remove_logs()
        if level >= Level.TIDYING or level == Level.GOOD:
            self._keep(short=level >= Level.TIDYING)

    def _remove_logs(self) -> None:
        for path in self._layout.logs.glob("*.log.1"):
            with contextlib.suppress(OSError):
                path.unlink()
                log.info("removed %s to make room", path)

    def _keep(self, *, short: bool) -> None:
        """Let VictoriaMetrics keep less, or as much as ever."""
        if self._victoria is None or self._usual is None or self._retention is None:
            return
        words = self._usual.command
        if short:
            words = tuple(
                f"{_RETENTION}{self._retention}" if word.startswith(_RETENTION) else word for word in words
            )
        if words != self._victoria.spec.command:
            self._swap.serve(replace(self._usual, command=words))
