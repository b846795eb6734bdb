"""Which process a process id meant: kernel facts that neither a new clock nor a reused number can blur."""

from pathlib import Path

_START_TICKS = 19  # of the fields after the name, see proc(5), /proc/<pid>/stat


def identity(pid: int) -> str | None:
    """Name a process for good: the boot it belongs to and when in it the process began; None when it is gone.

    The start is in clock ticks since that boot, so setting the clock changes nothing.
    """
    try:
        said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = said.rpartition(")")[2].split()
    if state in {"Z", "X"}:
        return None
    return f"{boot.strip()}/{fields[_START_TICKS - 1]}"


def is_same(pid: object, name: object) -> bool:
    """Tell whether the process that was once named so still runs under its process id."""
    return isinstance(pid, int) and isinstance(name, str) and identity(pid) == name
