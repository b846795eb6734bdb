"""VictoriaMetrics stopped and started under a running supervisor: for rebuilt series, or other words to it.

Rules that must stay true here:
- directories change places while neither VictoriaMetrics nor the projector runs;
- the projector stops first and starts last: it would take the end of VictoriaMetrics for a fault.
"""

import logging
from enum import Enum, auto

from ovr.child import Child, State
from ovr.layout import Layout
from ovr.processes import ProcessSpec
from projectors.series_rebuild import swap

log = logging.getLogger(__name__)


class _Step(Enum):
    NONE = auto()
    STOPPING = auto()
    STARTING = auto()


class SeriesSwap:
    """Carries out requests for an exchange, a step a turn."""

    def __init__(self, layout: Layout, projector: Child | None, victoria: Child | None) -> None:
        self._layout = layout
        self._projector = projector
        self._victoria = victoria
        self._step = _Step.NONE
        self._spec: ProcessSpec | None = None

    def serve(self, spec: ProcessSpec) -> None:
        """Start VictoriaMetrics again as another process."""
        self._spec = spec

    def tend(self) -> None:
        """Do what is due."""
        children = [child for child in (self._projector, self._victoria) if child is not None]
        if self._step is _Step.NONE:
            started = all(child.state is not State.WAITING for child in children)
            if started and (self._spec is not None or self._layout.swap_request.exists()):
                log.info("stopping %s, to be started again", ", ".join(c.spec.name for c in children))
                self._step = _Step.STOPPING
        if self._step is _Step.STOPPING:
            running = next((child for child in children if not child.over), None)
            if running is not None:
                running.stop()
                return
            self._exchange()
            self._step = _Step.STARTING
            if self._victoria is not None:
                self._victoria.start()
        if self._step is _Step.STARTING:
            victoria = State.READY if self._victoria is None else self._victoria.state
            if victoria in {State.READY, State.FAILED}:
                if self._projector is not None:
                    self._projector.start()
                self._step = _Step.NONE

    def _exchange(self) -> None:
        if self._spec is not None and self._victoria is not None:
            self._victoria.spec, self._spec = self._spec, None
        if not self._layout.swap_request.exists():
            return
        try:
            swap(self._layout.data)
        except OSError as error:
            log.error("the rebuilt series could not be swapped in: %s", error)  # noqa: TRY400 - says it all
        self._layout.swap_request.unlink(missing_ok=True)
