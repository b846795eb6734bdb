"""`ovr report`: reports of events and systems, made, listed, tried again and sent."""

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from typer.core import TyperGroup

from bus import instants
from ovr.commands.stream import canonical
from ovr.node import Node, open_node
from ovr.options import As, Config, Data, Json, Systems, instant
from ovr.users import CONSOLE
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from projectors.report_index import Report

_WIDE = 240
_MAKE = "make"
_NUMBERS = frozenset({"energy", "measured", "report kWh", "it says kWh", "apart", "bound"})


class _Group(TyperGroup):
    """Takes what is no command of the group as the name of an event."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `make` before an event's name."""
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = [_MAKE, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="Reports of events and systems. `ovr report EVENT_ID` makes one.",
)
EventId = Annotated[str, typer.Argument(help="The event.", metavar="EVENT_ID")]
System = Annotated[str | None, typer.Option("--system", help="Of this system in it.")]


class Format(StrEnum):
    """What is kept of a report."""

    ALL = "all"
    JSON = "json"
    HTML = "html"
    PDF = "pdf"
    CSV = "csv"


@app.command(_MAKE)
def make(
    event_id: EventId,
    system: Systems = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Begin here instead of with the window.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="End here instead of with the window.")] = None,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="With --output: keep only this file.")
    ] = Format.ALL,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Make it here, into this new directory or file; record nothing."),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the node.")] = 180.0,
    as_: As = CONSOLE,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a report of any event, now or long past, of single systems, or of any span.

    Without --output the node is asked for it: the request is recorded, and the report is kept and listed.
    With --output it is made here from the journal, also where no node runs.

    Examples: `ovr report startup`, `ovr report startup --system rig_01 --format pdf -o rig_01.pdf`,
    `ovr report "week 47" --system rig_01 --from 2026-11-16T00:00:00Z --to 2026-11-23T00:00:00Z -o week47`
    """
    node = open_node(data, config)
    systems, span = canonical(node, system), _span(from_, to)
    if not node.layout.journal.is_dir():
        raise ConfigurationError(
            f"there is no journal in {node.layout.data}: name another directory with --data"
        )
    if output is None:
        if format_ is not Format.ALL:
            raise typer.BadParameter("say with --output where the file goes", param_hint="--format")
        _ask(node, as_, event_id, systems, span, timeout, json=json)
        return
    from ovr.making import FORMATS, make_here, take_out
    from ovr.progress import progressing

    if output.exists():
        raise ConfigurationError(f"{output} exists: name another, or move it away")
    printed = format_ in {Format.ALL, Format.PDF}
    target = output.absolute()
    with progressing(f"report of {event_id!r}") as progress:
        if format_ is Format.ALL:
            make_here(node, event_id, systems, span, target, progress)
        else:
            take_out(
                lambda path: make_here(node, event_id, systems, span, path, progress, printed=printed),
                FORMATS[format_.value],
                target,
            )
    typer.echo(orjson.dumps({"output": str(target)}).decode() if json else str(output))


def _ask(
    node: Node,
    user: str,
    event_id: str,
    systems: Sequence[str],
    span: tuple[int, int] | None,
    timeout: float,
    *,
    json: bool,
) -> None:
    """Have the node make it, one report a system, or one of the whole event."""
    from ovr.making import ask, wait
    from ovr.progress import telling

    limit_s = time.monotonic() + timeout
    for system_id in (*systems,) or (None,):
        request_id = ask(node, user, event_id, system_id, span)
        with telling(f"report of {event_id!r}") as tell:
            report = wait(node, request_id, limit_s, tell)
        if json:
            typer.echo(orjson.dumps(_row(report)).decode())
        else:
            typer.echo(str(node.layout.data / report.directory / "report.html"))


@app.command("list")
def list_(
    event_id: Annotated[
        str | None, typer.Argument(help="Only of this event.", metavar="[EVENT_ID]", show_default="all")
    ] = None,
    system: System = None,
    newest: Annotated[bool, typer.Option("--newest", help="Of each thing only the newest.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 50,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List reports, the newest first, and how they stand.

    Example: `ovr report list startup`
    """
    from projectors.report_index import Reports

    node = open_node(data, config)
    found = Reports(node.layout.data).find(
        event_id, system_id=canonical(node, [system])[0] if system else None, newest=newest, limit=limit
    )
    rows = [_row(report) for report in found]
    if json:
        typer.echo(orjson.dumps(rows).decode())
    else:
        _table(rows)


@app.command()
def retry(
    event_id: Annotated[
        str | None,
        typer.Argument(help="Of this event.", metavar="[EVENT_ID]", show_default="all that failed"),
    ] = None,
    system: System = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that did not fail: make them anew.")
    ] = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Let reports that failed, or whose PDF did, be made again.

    Example: `ovr report retry startup`
    """
    from projectors.report_index import Reports

    node = open_node(data, config)
    index = Reports(node.layout.data)
    found = [
        report
        for report in index.find(event_id, system_id=canonical(node, [system])[0] if system else None)
        if every or "failed" in {report.state, report.pdf}
    ]
    if found:
        index.retry(report.position for report in found)
    if json:
        typer.echo(orjson.dumps({"again": [report.position for report in found]}).decode())
    else:
        typer.echo(f"{len(found)} to be made again" if found else "nothing failed")


@app.command()
def send(
    event_id: EventId,
    to: Annotated[list[str], typer.Option("--to", help="An e-mail address; may be repeated.")],
    system: System = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Mail the newest report of an event, or of a system in it.

    Example: `ovr report send startup --to client@example.org`
    """
    from projectors.report_index import Reports

    node = open_node(data, config)
    if node.site.reports.mail.host is None:
        raise ConfigurationError("no mail server is configured: see [reports.mail] in `ovr config example`")
    index = Reports(node.layout.data)
    system_id = canonical(node, [system])[0] if system else None
    scope = "event" if system_id is None else "system"
    ready = [one for one in index.find(event_id, scope=scope, system_id=system_id) if one.state == "ready"]
    if not ready:
        raise ConfigurationError(f"there is no report of {event_id!r} yet: make one with `ovr report`")
    index.send(ready[0].position, to)
    typer.echo(f"revision {ready[0].revision} goes to {', '.join(to)}")


def verify_energies(node: Node, event_id: str, system_id: str | None, *, json: bool) -> None:
    """Print how the energies of an event compare; exit status 1 where two differ, or none can be compared."""
    from ovr.report_verify import compare, lines

    found = compare(node, event_id, system_id)
    equal = any(one.agrees for one in found) and not any(one.agrees is False for one in found)
    if json:
        typer.echo(orjson.dumps({"equal": equal, "compared": [one.told() for one in found]}).decode())
    elif not found:
        typer.echo(f"{event_id!r} has no window to compare", err=True)
    else:
        names = ("system", "window from", "source", "report kWh", "it says kWh", "apart", "bound", "")
        _print(names, list(lines(found)))
    if not equal:
        raise typer.Exit(1)


def _span(from_: str | None, to: str | None) -> tuple[int, int] | None:
    since_us, until_us = instant(from_, "--from"), instant(to, "--to")
    if since_us is None and until_us is None:
        return None
    if since_us is None or until_us is None:
        raise typer.BadParameter("give --from and --to together")
    if since_us >= until_us:
        raise typer.BadParameter("--from must be before --to")
    return since_us, until_us


def _row(report: "Report") -> dict[str, Any]:
    return {
        "position": report.position,
        "event_id": report.event_id,
        "system_id": report.system_id,
        "scope": report.scope,
        "revision": report.revision,
        "state": report.state,
        "pdf": report.pdf,
        "reason": report.reason,
        "requested_at": instants.text(report.requested_us),
        "from": None if report.from_us is None else instants.text(report.from_us),
        "to": None if report.to_us is None else instants.text(report.to_us),
        "totals": report.totals,
        "changed": report.changed,
        "sha256": report.sha256,
        "cut_position": report.cut_position,
        "directory": report.directory,
        "error": report.error,
    }


def _table(rows: Sequence[dict[str, Any]]) -> None:
    from ovr.event_lines import visible

    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        energy, coverage = row["totals"].get("energy_wh"), row["totals"].get("coverage_pct")
        state = row["state"] + (", no PDF" if row["pdf"] == "failed" else "")
        return (
            visible(row["event_id"]),
            row["system_id"] or "(all)",
            str(row["revision"]),
            visible(f"{state}: {row['error']}" if row["error"] else state),
            visible(row["reason"]),
            row["requested_at"][:19] + "Z",
            "" if energy is None else f"{energy / 1000:,.2f} kWh",
            "" if coverage is None else f"{coverage:.1f} %",
            row["directory"],
        )

    names = ("event", "system", "rev", "state", "reason", "asked for", "energy", "measured", "where")
    _print(names, [cells(row) for row in rows])


def _print(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name in _NUMBERS else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)
