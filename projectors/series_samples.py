"""Write recorded samples as lines. Pure.

Rules that must stay true here:
- which of several samples at one millisecond is written depends on the order of the stream alone.
"""

import orjson

from bus import envelope
from bus.envelope import Recorded
from projectors.events import SAMPLE
from projectors.lines import Compatibility, SampleLines
from schemas.registry import Registry


class SampleWriter:
    """Writes the samples of a stream, one after the other."""

    def __init__(self, registry: Registry, compatibility: Compatibility) -> None:
        self._registry = registry
        self._lines = SampleLines(compatibility)
        self._newest = f"ovr:{SAMPLE}:{registry.newest(SAMPLE)}"
        self._claimed: dict[tuple[str, str, int | None], int] = {}

    def line(self, recorded: Recorded, system_id: str) -> bytes | None:
        """Write one sample of a system; None when there is nothing to write.

        Raises:
            InputError: it cannot be written.
        """
        document = orjson.loads(recorded.body)
        data = document["data"]
        if document.get("dataschema") != self._newest:
            data = self._registry.upcast(SAMPLE, envelope.parse(document).version, data)
        if "claimedtime" in document:
            # Samples with an impossible time stand at `recordedat`, many at once when a backlog arrives.
            # Of two values at one time VictoriaMetrics would keep either; the first counts.
            stream, time_ms = (system_id, data["kind"], data.get("interval_ms")), recorded.time_us // 1000
            if self._claimed.get(stream) == time_ms:
                return None
            self._claimed[stream] = time_ms
        return self._lines.line(system_id, recorded.time_us, data)
