"""A file that one process holds: whoever comes second is told who came first.

The system lets go of the lock when the holder ends, however it ends.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from schemas.errors import ConfigurationError


def hold(path: Path, taken: str) -> int:
    """Hold a lock file, made if need be, until the returned descriptor is closed.

    Args:
        path: the lock file; the holder's process number stands in it.
        taken: the sentence for whoever comes second, with `{holder}` where the number belongs.

    Raises:
        ConfigurationError: another process holds it, or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be made: {error}; check the directory's owner") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise ConfigurationError(taken.replace("{holder}", holder)) from error
    with contextlib.suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
