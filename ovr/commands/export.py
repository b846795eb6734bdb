"""`ovr export`: samples as one file, for spreadsheets, notebooks and databases."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import orjson
import typer

from bus import instants
from ovr.commands.stream import canonical
from ovr.node import Node, open_node
from ovr.options import Config, Data, Json, instant
from ovr.progress import progressing
from projectors.archive_formats import Format
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from bus.journal_sqlite import SqliteJournalReader
    from projectors.archive_export import Span

_EVER_US = 2**62
_OUTPUT = "-"


def export(
    system: Annotated[str | None, typer.Argument(help="The system.", metavar="SYSTEM")] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="All systems of this event, each in its windows.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="From this time on.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to this time.", show_default="now")] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="What to write.")] = Format.PARQUET,
    measurement: Annotated[
        list[str] | None, typer.Option("--measurement", "-m", help="Only this one; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Into this file; - is the output.", show_default="named by content"),
    ] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write samples as Parquet, CSV or Arrow: of a system, or of an event, in any span of time.

    Everything that was recorded is there, newest samples included, late ones at their own time. What has not
    been told is empty, never zero. A system with an event is that system in the event's windows.

    Examples: `ovr export rig_01 --from 2026-11-21T00:00:00Z --to 2026-11-22T00:00:00Z --format csv`,
    `ovr export --event festival -o festival.parquet`
    """
    from bus.journal_sqlite import SqliteJournalReader
    from projectors.archive_export import export as write
    from projectors.archive_reader import ArchiveReader

    if system is None and event is None:
        raise typer.BadParameter("name a system, or an event with --event", param_hint="SYSTEM")
    since_us, until_us = instant(since, "--from"), instant(until, "--to")
    if since_us is not None and until_us is not None and since_us >= until_us:
        raise typer.BadParameter("--from must be before --to", param_hint="--from")
    node = open_node(data, config)
    if not node.layout.journal.is_dir():
        raise ConfigurationError(f"there is no journal in {node.layout.data}: name another with --data")
    bounds = since_us or 0, _EVER_US if until_us is None else until_us
    names = canonical(node, [system]) if system is not None else []
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        spans = _spans(reader, names, event, bounds)
        target = out or Path(_name(names, event, since_us, until_us) + f".{form}")
        with _written(target) as stream, progressing("exporting") as progress:
            found = write(
                reader,
                ArchiveReader(node.layout.archive),
                spans,
                stream,
                form,
                names=measurement,
                progress=progress,
            )
            if not found.rows:
                raise _refused(_nothing(node, spans))
    _tell(target, found.rows, found.upto, json=json)


def _spans(
    reader: "SqliteJournalReader", names: list[str], event: str | None, bounds: tuple[int, int]
) -> "list[Span]":
    """Work out which systems, and when.

    Raises:
        typer.Exit: there is no such event, or the system had no part in it.
    """
    from projectors.archive_export import Span
    from projectors.nodes import plain
    from projectors.report_past import Past
    from schemas.registry import Registry

    past = Past(reader, Registry.load(), reader.head().position)
    wanted = [past.aliases.resolve(name) for name in names]
    if event is None:
        return [Span(name, *bounds) for name in wanted]
    members = past.members(event)
    if not members:
        known = sorted({w.event_id for one in past.systems.values() for w in one.windows.windows})
        there = f"there are {', '.join(known[:20])}" if known else "there is none yet"
        raise _refused(f"there is no event {event!r}; {there}")
    members = [(plain(name)[0], window) for name, window in members]
    members = [(name, window) for name, window in members if not wanted or name in wanted]
    if not members:
        raise _refused(f"{names[0]} had no part in event {event!r}")
    spans = [
        Span(
            name,
            max(bounds[0], window.started_us),
            min(bounds[1], _EVER_US if window.ended_us is None else window.ended_us),
        )
        for name, window in members
    ]
    return [span for span in spans if span.since_us < span.until_us]


@contextmanager
def _written(target: Path) -> Iterator[BinaryIO]:
    """Open what is written to; a file appears when it is whole.

    Raises:
        ConfigurationError: it exists, or cannot be made.
    """
    if str(target) == _OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if target.exists():
        raise ConfigurationError(f"{target} exists: name another file with -o, or move it away")
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        part.replace(target)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _name(names: Sequence[str], event: str | None, since_us: int | None, until_us: int | None) -> str:
    """Name a file by what is in it."""
    from projectors.report_names import safe

    parts = [*names, *([] if event is None else [f"event_{safe(event)}"])]
    if since_us is not None or until_us is not None:
        parts.append("_".join("" if one is None else _stamp(one) for one in (since_us, until_us)))
    return "_".join(parts)


def _stamp(instant_us: int) -> str:
    return instants.text(instant_us)[:19].replace("-", "").replace(":", "") + "Z"


def _nothing(node: Node, spans: "Sequence[Span]") -> str:
    from projectors.archive_reader import ArchiveReader

    known = ArchiveReader(node.layout.archive).systems()
    there = f"; the archive has {', '.join(known[:20])}" if known else ""
    return f"no samples of {', '.join(sorted({span.system_id for span in spans}))} in that time{there}"


def _refused(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)


def _tell(target: Path, rows: int, upto: int, *, json: bool) -> None:
    if json:
        said = {"file": str(target), "rows": rows, "position": upto}
        typer.echo(orjson.dumps(said).decode(), err=str(target) == _OUTPUT)
    else:
        typer.echo(f"{rows:,} samples up to position {upto:,} in {target}", err=True)
