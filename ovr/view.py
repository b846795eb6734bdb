"""The display of `ovr up`: a live table on a terminal, a line for each change elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ovr.summary import figures

_COLOURS = {
    "ready": "green",
    "starting": "yellow",
    "waiting": "dim",
    "resting": "red",
    "failed": "bold red",
    "stopping": "yellow",
    "stopped": "dim",
}
_EVERY_S = 0.5


class View:
    """Shows snapshots of the supervisor."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._said: dict[str, tuple[str, str]] = {}
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """Show how everything is now."""
        states = {one["name"]: (one["state"], one["message"]) for one in snapshot["processes"]}
        changed = states != self._said
        if self._live:
            if changed or time.monotonic() - self._shown_at >= _EVERY_S:
                self._live.update(table(snapshot), refresh=True)
                self._shown_at = time.monotonic()
        elif changed:
            self._print_changes(snapshot)
        self._said = states

    def _print_changes(self, snapshot: Mapping[str, Any]) -> None:
        for one in snapshot["processes"]:
            before = self._said.get(one["name"], ("waiting", ""))
            if before[0] != one["state"]:
                why = f": {one['message']}" if one["message"] else ""
                pid = f" (process {one['pid']})" if one["pid"] else ""
                self._console.print(f"{one['name']} {one['state']}{pid}{why}", markup=False, soft_wrap=True)


def table(snapshot: Mapping[str, Any]) -> Table:
    """Lay out a snapshot, a line a process."""
    rows = Table(box=None, pad_edge=False, header_style="dim")
    rows.add_column("process", no_wrap=True)
    rows.add_column("state", no_wrap=True)
    rows.add_column("pid", justify="right")
    rows.add_column("restarts", justify="right")
    rows.add_column("", overflow="fold")
    for one in snapshot["processes"]:
        rows.add_row(
            one["name"],
            Text(one["state"], style=_COLOURS.get(one["state"], "")),
            str(one["pid"] or ""),
            str(one["restarts"] or ""),
            Text(figures(one, snapshot)),
        )
    return rows
