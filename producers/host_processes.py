"""The node's own processes, as one sum: those of the data directory's supervisor, or found by their commands.

Rules that must stay true here:
- a process id that the supervisor wrote down counts only while it is still the same process;
- a process that ends while it is read, or that another user owns, takes nothing away from the others.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from producers.host_readings import Readings

_SEARCH_EVERY_S = 60.0
_START_TICKS = 19  # of the fields after the name, see proc(5), /proc/<pid>/stat


class OwnProcesses:
    """Reads the node's processes.

    Args:
        data: the data directory.
    """

    def __init__(self, data: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._data = data
        self._clock = clock
        self._known: dict[int, psutil.Process] = {}
        self._searched: list[int] = []
        self._searched_at = -_SEARCH_EVERY_S

    def read(self) -> Readings:
        """Read them all; empty when none runs."""
        said = self._supervised()
        pids = list(_running(said)) if said else self._found()
        before = self._known
        self._known = {
            pid: before[pid] if before.get(pid) == process else process for pid, process in _opened(pids)
        }
        if not self._known:
            return {}
        cpu_pct, memory, files = 0.0, 0, 0
        for process in self._known.values():
            try:
                with process.oneshot():
                    cpu_pct += process.cpu_percent()
                    memory += process.memory_info().rss
                    files += process.num_fds()
            except psutil.Error:
                continue
        values: Readings = {
            "ovr_processes_count": float(len(self._known)),
            "ovr_cpu_pct": round(cpu_pct, 1),
            "ovr_memory_bytes": float(memory),
            "ovr_files_count": float(files),
        }
        return values | _lives(said)

    def _supervised(self) -> list[Mapping[str, Any]]:
        try:
            said = json.loads((self._data / "run" / "supervisor.json").read_text(encoding="utf-8"))
            listed = [one for one in said["processes"] if isinstance(one, dict)]
            return [said, *listed] if _is_same(said.get("pid"), said.get("identity")) else []
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def _found(self) -> list[int]:
        """Search for our programs on this data directory: in containers there is no supervisor of ours."""
        if self._clock() - self._searched_at >= _SEARCH_EVERY_S:
            self._searched_at = self._clock()
            self._searched = [
                process.pid
                for process in psutil.process_iter(["cmdline"])
                if _is_ours(process.info["cmdline"] or [], str(self._data))
            ]
        return self._searched


def _opened(pids: list[int]) -> Iterator[tuple[int, psutil.Process]]:
    for pid in pids:
        try:
            yield pid, psutil.Process(pid)
        except psutil.Error:
            continue


def _running(said: list[Mapping[str, Any]]) -> Iterator[int]:
    for one in said:
        if _is_same(one.get("pid"), one.get("identity")):
            yield int(one["pid"])


def _lives(said: list[Mapping[str, Any]]) -> Readings:
    """Count restarts, processes that were given up, and what all say that waits or was refused."""
    if not said:
        return {}
    restarts = [one["restarts"] for one in said[1:] if isinstance(one.get("restarts"), int)]
    failed = [one for one in said[1:] if one.get("state") == "failed"]
    told = [one["health"] for one in said[1:] if isinstance(one.get("health"), dict)]
    outboxes = [one["outbox"] for one in told if isinstance(one.get("outbox"), dict)]
    return {
        "ovr_restarts_count": float(sum(restarts)),
        "ovr_failed_count": float(len(failed)),
        "ovr_behind_count": max(_numbers(told, "lag_events"), default=0.0),
        "ovr_refused_count": sum((*_numbers(told, "dead_letters"), *_numbers(told, "rejected"))),
        "ovr_unsent_count": sum(_numbers(outboxes, "pending")),
    }


def _numbers(said: list[Mapping[str, Any]], name: str) -> Iterator[float]:
    return (float(one[name]) for one in said if isinstance(one.get(name), int | float))


def _is_same(pid: object, name: object) -> bool:
    """Tell whether a process still runs under its id: by the boot, and its start in ticks since then."""
    if not isinstance(pid, int) or not isinstance(name, str):
        return False
    try:
        said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    fields = said.rpartition(")")[2].split()
    return (
        len(fields) > _START_TICKS
        and fields[0] not in {"Z", "X"}
        and name.endswith(f"/{fields[_START_TICKS]}")
    )


def _is_ours(command: list[str], data: str) -> bool:
    named = any(word == "ovr" or word.endswith("/ovr") for word in command[:4])
    return named and any(word in {data, f"--data={data}"} for word in command)
