"""`ovr import`: what the system before this one kept, as events with their original times."""

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from ovr.options import As, Config, Data, Json
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import tzinfo

    from bus.envelope import Envelope
    from ovr.node import Node
    from ovr.old_database import TableAccount
    from ovr.old_series import Names
    from ovr.taking_over import SeriesAccount

_SQLITE = b"SQLite format 3\0"


def import_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="An `events.db`, or exports of series: JSON lines or CSV, also .gz or .zst."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be recorded, and what is not understood.")
    ] = False,
    windows: Annotated[
        bool,
        typer.Option("--windows", help="Take windows from `ovr_event_active` too: without an events.db."),
    ] = False,
    system_label: Annotated[
        list[str] | None,
        typer.Option(help="Label that names the system; may be repeated.", show_default="system_id"),
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="The system of series without such a label.", show_default="left out")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="The `format` of a CSV export: `__name__,system_id,__value__,__timestamp__:unix_ms`."
        ),
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Of times in the database that name none.")] = "UTC",
    scratch: Annotated[
        Path | None, typer.Option(help="Where series are sorted.", show_default="the data directory")
    ] = None,
    as_: As = "console",
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Record what an older system kept: its event service's database, and series of its VictoriaMetrics.

    Begin with --dry-run, and name all exports of series in one command: readings of one time become one
    sample. Importing again adds nothing: events have ids that follow from what they say. Exit status 1 when
    something was not understood or was refused; all else is recorded all the same.

    Example: `ovr import /data/events.db --dry-run`
    """
    import os
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from ovr import older_names
    from ovr.node import open_node
    from ovr.old_series import Names
    from ovr.series import settings

    node = open_node(data, config)
    old = older_names.old_database(os.environ)
    paths = files or ([old] if old is not None else [])
    if not paths:
        raise ConfigurationError("name a file: an events.db, or an export of series")
    for path in paths:
        if not path.is_file():
            raise ConfigurationError(f"there is no file {path}")
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"there is no time zone {time_zone}: write one such as Europe/Berlin"
        ) from error
    compatibility = settings(node.site).compatibility
    if not compatibility.fields:
        from projectors.lines import load_compatibility

        compatibility = load_compatibility()
    names = Names(compatibility, tuple(system_label or ("system_id",)), system)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=scratch or _scratch(node)) as folder:
        run = _Run(node, as_, names, zone, columns, Path(folder), windows=windows, dry_run=dry_run)
        told = [run.take(path) for path in paths]
        samples = run.samples()
    refused = run.finish()
    if json:
        said = {"dry_run": dry_run, "files": told, "samples": samples, "refused": refused}
        typer.echo(orjson.dumps(said).decode())
    else:
        _print(told, samples, refused, dry_run=dry_run)
    if refused or any(one["problems"] for one in told):
        raise typer.Exit(1)


class _Run:
    """One run of the command: series of all its files become samples together, behind everything else."""

    def __init__(
        self,
        node: "Node",
        as_: str,
        names: "Names",
        zone: "tzinfo",
        columns: str | None,
        folder: Path,
        *,
        windows: bool,
        dry_run: bool,
    ) -> None:
        from ovr.old_series import columns_of
        from ovr.series_spool import SeriesSpool

        self._node, self._names, self._zone = node, names, zone
        self._columns = None if columns is None else columns_of(columns)
        self._spool = SeriesSpool(folder)
        self._windows = windows
        self.source = f"/{node.site.node_id}/import"
        self._sender = None if dry_run else _sender(node, as_)
        self._check = _checker(node)

    def take(self, path: Path) -> dict[str, Any]:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
        return self._database(path) if start == _SQLITE else self._series(path)

    def samples(self) -> dict[str, Any]:
        from ovr.taking_over import to_event

        if not self._spool.readings:
            return _told(_account())
        return _told(self._send((to_event(one, self.source) for one in self._spool.moments()), "samples"))

    def finish(self) -> list[dict[str, str]]:
        from ovr.progress import telling
        from ovr.taking_over import Delivery

        if self._sender is None:
            return []
        with closing(self._sender), telling("waiting until all is confirmed"):
            rejected = Delivery(self._sender).finish()
        return [{"id": one.id, "reason": one.reason, "hint": one.hint} for one in rejected]

    def _send(self, events: "Iterable[Envelope]", what: str) -> "dict[str, Any]":
        from ovr.progress import counting
        from ovr.taking_over import Delivery

        account = _account()
        with counting(what) as progress:
            counted = _counted(events, account)
            if self._sender is None:
                for number, _ in enumerate(counted, start=1):
                    if number % 1000 == 0:
                        progress(number)
            else:
                Delivery(self._sender, progress).send(counted)
        return account

    def _database(self, path: Path) -> dict[str, Any]:
        from ovr.old_database import read

        accounts: list[TableAccount] = []
        found = read(path, self.source, self._check, accounts, self._zone)
        account = self._send(found, f"reading {path.name}")
        tables = [
            {
                "table": one.name,
                "rows": one.rows,
                "taken_for": None if one.kind is None else one.kind.value,
                "columns_without_meaning": list(one.columns),
                "events": dict(one.events),
                "said_elsewhere": one.again,
                "not_understood": {
                    why: {"rows": n, "first": first} for why, (n, first) in one.problems.items()
                },
            }
            for one in accounts
        ]
        problems = [
            f"table {one.name}: {count:,} rows, such as number {first[0]}: {why}"
            for one in accounts
            for why, (count, first) in one.problems.items()
        ]
        return {"file": str(path), **_told(account), "tables": tables, "problems": problems}

    def _series(self, path: Path) -> dict[str, Any]:
        from ovr.progress import progressing
        from ovr.taking_over import SeriesAccount, opened, spooled

        account, names = SeriesAccount(), replace(self._names, mapped={})
        facts: list[Envelope] | None = [] if self._windows else None
        with progressing(f"reading {path.name}") as progress, opened(path, progress) as lines:
            spooled(lines, self._columns, names, self._spool, account, facts, self.source)
        said = self._send(facts, "windows") if facts else _account()
        return {"file": str(path), **_told(said), **_told_series(account, names)}


def _account() -> dict[str, Any]:
    return {"events": {}, "systems": set(), "first_us": None, "last_us": None}


def _counted(events: "Iterable[Envelope]", account: dict[str, Any]) -> "Iterable[Envelope]":
    for event in events:
        account["events"][event.type] = account["events"].get(event.type, 0) + 1
        account["systems"].add(event.subject)
        first, last = account["first_us"], account["last_us"]
        account["first_us"] = event.time_us if first is None else min(first, event.time_us)
        account["last_us"] = event.time_us if last is None else max(last, event.time_us)
        yield event


def _told(account: dict[str, Any]) -> dict[str, Any]:
    from bus import instants

    first, last = account["first_us"], account["last_us"]
    return {
        "events": account["events"],
        "systems": sorted(account["systems"]),
        "from": None if first is None else instants.text(first),
        "to": None if last is None else instants.text(last),
    }


def _told_series(account: "SeriesAccount", names: "Names") -> dict[str, Any]:
    left_out = [
        {"series": series, "reason": reason, "values": count}
        for (series, reason), count in account.left_out.most_common(50)
    ]
    problems = [f"line {number}: {reason}" for number, reason in account.broken]
    if account.broken_lines > len(account.broken):
        problems.append(f"and {account.broken_lines - len(account.broken):,} more lines")
    return {
        "series": account.series,
        "readings": account.readings,
        "mapped": dict(sorted(names.mapped.items())),
        "left_out": left_out,
        "no_numbers": account.dropped,
        "problems": problems,
    }


def _print(
    told: list[dict[str, Any]], samples: dict[str, Any], refused: list[dict[str, str]], *, dry_run: bool
) -> None:
    for one in told:
        if "readings" in one:
            typer.echo(f"{one['file']}: {one['readings']:,} readings in {one['series']:,} lines")
        if one["events"] or "readings" not in one:
            _print_events(one["file"], one, dry_run=dry_run)
        _print_tables(one.get("tables", ()))
        for old, new in one.get("mapped", {}).items():
            typer.echo(f"  {old} -> {new}")
        for left in one.get("left_out", ()):
            typer.echo(f"  left out: {left['series']}, {left['values']:,} values: {left['reason']}")
        if one.get("no_numbers"):
            typer.echo(f"  left out: {one['no_numbers']:,} values that are no numbers")
        for problem in one["problems"]:
            typer.echo(f"  not understood: {problem}", err=True)
    if any("readings" in one for one in told):
        _print_events("all series together", samples, dry_run=dry_run)
    for rejection in refused[:20]:
        typer.echo(f"refused {rejection['id']}: {rejection['reason']}: {rejection['hint']}", err=True)


def _print_events(what: str, said: dict[str, Any], *, dry_run: bool) -> None:
    events = ", ".join(f"{count:,} {type_}" for type_, count in sorted(said["events"].items()))
    typer.echo(f"{what}: {events or 'nothing'}{' would be' if dry_run else ''} recorded")
    if said["systems"]:
        typer.echo(f"  of {', '.join(said['systems'][:20])}, from {said['from']} to {said['to']}")


def _print_tables(tables: "Iterable[dict[str, Any]]") -> None:
    for table in tables:
        kind = table["taken_for"] or "not recognised, left out"
        typer.echo(f"  table {table['table']}, {table['rows']:,} rows: {kind}")
        if table["columns_without_meaning"]:
            typer.echo(f"    columns without a meaning here: {', '.join(table['columns_without_meaning'])}")
        if table["said_elsewhere"]:
            typer.echo(f"    {table['said_elsewhere']:,} are in the log of actions too")


def _sender(node: "Node", as_: str) -> Any:
    from bus.sender import Sender

    broker = node.broker(as_)
    client = broker.username or as_
    node.layout.outbox.mkdir(parents=True, exist_ok=True)
    return Sender(broker, client=client, name="import", path=node.layout.outbox / "import.sqlite")


def _checker(node: "Node") -> "Callable[[Envelope], None]":
    """Refuse what the recorder would refuse."""
    from bus import envelope, instants
    from bus.intake import Judge
    from bus.topics import Intake
    from schemas.registry import Registry

    judge = Judge(Registry.load(), node.site.node_id, node.aliases())

    def check(event: "Envelope") -> None:
        place = Intake("import", event.subject, event.type)
        judge.judge(place, envelope.encode(event), instants.now_us())

    return check


def _scratch(node: "Node") -> Path | None:
    """Sort on the data's disk; where there is none yet, as before a dry run, on the system's."""
    return node.layout.data if node.layout.data.is_dir() else None
