"""The process of the series projector, as the command line starts it."""

import logging
from collections.abc import Callable
from pathlib import Path

from bus.connection import Broker
from projectors.generations import Generations
from projectors.live import Live, stop_signals
from projectors.run import wait_for_journal
from projectors.runner import BATCH, Runner
from projectors.series import VERSION
from projectors.series_projector import SeriesProjector, Settings
from projectors.series_store import SeriesStore

log = logging.getLogger(__name__)


def run_series(
    data: Path,
    broker: Broker,
    victoria_url: str,
    *,
    settings: Settings | None = None,
    batch: int = BATCH,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Keep the series in VictoriaMetrics up to date until SIGTERM, SIGINT or `stopped()`.

    Raises:
        ConfigurationError: VictoriaMetrics holds another journal's series, another version made them, or
            another process keeps them already.
    """
    stopped = stopped or stop_signals()
    directory = data / "series"
    with Generations(directory).only("projecting"):
        reader = wait_for_journal(data, stopped)
        if reader is None:
            return
        store = SeriesStore(directory, VERSION)
        try:
            projector = SeriesProjector(reader, store, victoria_url, settings)
            Live(Runner(reader, projector, batch=batch), projector, broker).run(stopped)
        finally:
            store.close()
            reader.close()
