"""Running an uplink: a thread a lane, one for photos, and health on the node's own bus."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bus import instants
from bus.connection import Broker
from bus.intake import SAMPLE
from bus.pulse import Pulse
from bus.uplink_batch import LANES
from schemas.registry import Registry
from uplink.forwarding import Forwarding
from uplink.photos import Photos
from uplink.shared import Settings, Shared

PROCESS: Final = "uplink"
_LOOK_S: Final = 0.2


def run_uplink(data: Path, broker: Broker, settings: Settings, stopped: Callable[[], bool]) -> None:
    """Send the journal in `data` to the cloud until `stopped()`; `broker` is the node's own."""
    shared = Shared(data, settings)
    photos = Photos(shared)
    facts = tuple(type_ for type_ in Registry.load().types() if type_ != SAMPLE)
    over = threading.Event()
    workers = [Forwarding(lane, shared, photos, facts).run for lane in LANES]
    threads = [
        threading.Thread(target=worker, args=(over.is_set,), name=PROCESS, daemon=True)
        for worker in (*workers, photos.run)
    ]
    for thread in threads:
        thread.start()

    def figures() -> dict[str, Any]:
        said = shared.figures(instants.now_us())
        return {**said, "photos_waiting": photos.waiting, "photos_problem": photos.problem}

    pulse = Pulse(broker, PROCESS, figures)
    while not stopped() and all(thread.is_alive() for thread in threads):
        time.sleep(_LOOK_S)
    died = not stopped()
    over.set()
    for thread in threads[: len(LANES)]:
        thread.join(5.0)
    shared.save(now=True)
    pulse.close()
    if died:
        raise RuntimeError("a thread of the uplink ended by an error of ours: see the log")
