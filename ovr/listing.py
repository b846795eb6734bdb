"""Lists of rows on the terminal: a table for people, all they hold for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from ovr.event_lines import visible

_WIDE = 240
_TIMES = frozenset({"time", "since", "first_occurrence", "last_occurrence"})


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, json: bool) -> None:
    """Print these columns of rows for people, or all they hold for programs."""
    if json:
        typer.echo(orjson.dumps(rows).decode())
        return
    if not rows:
        typer.echo("nothing to show")
        return
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        number = isinstance(rows[0].get(column), int | float)
        shown.add_column(column.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(visible(_cell(column, row.get(column))) for column in columns))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(shown)


def _cell(column: str, value: Any) -> str:
    """Write a value for people, times to the second."""
    if value is None:
        return ""
    if column in _TIMES:
        return str(value)[:19].replace("T", " ")
    return f"{value:g}" if isinstance(value, float) else str(value)
