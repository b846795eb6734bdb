"""A file that is touched while a process works, for those who ask often: health checks of containers.

Rules that must stay true here:
- it is touched only when the broker has been told `online`, and taken away as soon as anything else is told;
- without the environment variable nothing happens, and a file that cannot be touched stops nobody.
"""

import contextlib
import os
from pathlib import Path

VARIABLE = "HEARTBEAT_FILE"


def beat(*, online: bool) -> None:
    """Touch the file that the environment names, or take it away."""
    said = os.environ.get(VARIABLE)
    if not said:
        return
    with contextlib.suppress(OSError):
        if online:
            Path(said).touch()
        else:
            Path(said).unlink(missing_ok=True)
