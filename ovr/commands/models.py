"""`ovr rebuild`, `ovr verify` and `ovr state`: the read models, made anew, checked and asked."""

from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer

from bus.instants import text
from bus.journal import Head
from ovr.commands.stream import canonical
from ovr.kinds import kind_of
from ovr.node import Node, open_node
from ovr.options import Config, Data, Json, instant
from ovr.progress import progressing
from schemas.errors import ConfigurationError


class Model(StrEnum):
    """The read models that can be rebuilt."""

    STATE = "state"
    COUNTERS = "counters"
    SERIES = "series"
    ARCHIVE = "archive"
    REPORTS = "reports"


class Checked(StrEnum):
    """What can be verified: the read models, and one event's energies."""

    STATE = "state"
    COUNTERS = "counters"
    SERIES = "series"
    ARCHIVE = "archive"
    REPORTS = "reports"
    REPORT = "report"


def rebuild(
    model: Annotated[Model, typer.Argument(help="Which read model.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Also where the new series will lack what the journal has erased.")
    ] = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Build a read model anew from the journal; the old one serves until the new one takes its place.

    Example: `ovr rebuild state --data data`
    """
    node = open_node(data, config)
    _must_exist(node)
    if model is Model.SERIES and not yes:
        _refuse_to_lose(node)
    with progressing(f"rebuilding {model}") as progress:
        if model is Model.REPORTS:
            from ovr.report_rebuild import rebuild as make_anew

            place = make_anew(node, progress)
        elif model is not Model.SERIES:
            place = _rebuild_files(model, node, progress)
            if node.layout.run.is_dir():
                node.layout.retry_request.touch()
        else:
            from ovr.series import settings
            from projectors.series_rebuild import rebuild_series

            place = rebuild_series(
                node.layout.data,
                settings=settings(node.site),
                retention=node.site.victoria.retention,
                progress=progress,
            )
    if json:
        _say({"model": model.value, **_place(place)})
    else:
        typer.echo(f"rebuilt {model} up to position {place.position:,}")


def _refuse_to_lose(node: Node) -> None:
    """End where the series hold readings that the journal has erased: nothing could bring them back."""
    from projectors.series_verify import erased_ms

    erased = erased_ms(node.layout.data)
    if erased >= 0:
        typer.echo(
            f"the journal has erased readings up to about {text(erased * 1000)}: series built anew would lack"
            " them (the archive has them). To rebuild all the same: ovr rebuild series --yes",
            err=True,
        )
        raise typer.Exit(1)


def verify(
    checked: Annotated[
        Checked, typer.Argument(help="Which read model; `report` for one event.", metavar="MODEL")
    ],
    event_id: Annotated[
        str | None,
        typer.Argument(help="With `report`: the event.", metavar="[EVENT_ID]", show_default=False),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", help="With `report`: only this system.")] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Rebuild a read model beside the one that serves, and compare; exit status 1 when they differ.

    `ovr verify report EVENT_ID` compares three ways to each system's energy: the report's, the integral of
    the series in VictoriaMetrics, and the difference of the meter's own register.

    Examples: `ovr verify state --data data`, `ovr verify report startup`
    """
    node = open_node(data, config)
    _must_exist(node)
    if checked is Checked.REPORT:
        from ovr.commands.report import verify_energies

        if event_id is None:
            raise typer.BadParameter("name the event: ovr verify report EVENT_ID")
        verify_energies(node, event_id, canonical(node, [system])[0] if system else None, json=json)
        return
    if event_id is not None:
        raise typer.BadParameter(f"{checked} takes no event")
    model = Model(checked.value)
    with progressing(f"verifying {model}") as progress:
        if model is Model.SERIES:
            found = _verify_series(node, progress)
        elif model is Model.ARCHIVE:
            found = _verify_archive(node, progress)
        elif model is Model.REPORTS:
            from ovr.report_rebuild import verify as compare_reports

            found = compare_reports(node, progress)
        else:
            found = _verify_model(model, node, progress)
    if json:
        _say(found)
    else:
        for fault in found["differences"]:
            typer.echo(fault if isinstance(fault, str) else orjson.dumps(fault).decode(), err=True)
        _sum_up(model, found)
    if not found["equal"]:
        raise typer.Exit(1)


def state(
    system: Annotated[str | None, typer.Argument(help="Only this system.", show_default="all")] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="What was true at this time, by all that is known now.")
    ] = None,
    as_of: Annotated[
        int | None,
        typer.Option("--as-of", help="Only what was known at this position of the journal.", min=0),
    ] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show the state of systems: now, at a time, or as it was known at a position.

    With both --at and --as-of: what was known at the position about the time.

    Examples: `ovr state rig_01`, `ovr state --at 2026-11-21T05:00:00Z --json`, `ovr state --as-of 1234`
    """
    from projectors.state_queries import state_as_of, state_at, state_now

    node = open_node(data, config)
    time_us = instant(at, "--at")
    if time_us is not None:
        found = state_at(node.layout.data, time_us, as_of=as_of)
    elif as_of is not None:
        found = state_as_of(node.layout.data, as_of)
    else:
        found = state_now(node.layout.data)
    if system is not None:
        found = _only(found, canonical(node, [system])[0])
    if json:
        _say(found)
        return
    from ovr.state_view import show

    show(found)


def _only(found: dict[str, Any], name: str) -> dict[str, Any]:
    """Keep one system, and the events it takes part in."""
    known = [one["system_id"] for one in found["systems"]]
    if name not in known:
        there = ", ".join(known) if known else "none yet"
        typer.echo(f"there is no system {name} in the state; there are: {there}", err=True)
        raise typer.Exit(1)
    kept = {**found, "systems": [one for one in found["systems"] if one["system_id"] == name]}
    if "events" in found:
        kept["events"] = [
            event for event in found["events"] if any(part["system_id"] == name for part in event["windows"])
        ]
    return kept


def _rebuild_files(model: Model, node: Node, progress: Any) -> Head:
    if model is Model.ARCHIVE:
        from projectors.archive_rebuild import rebuild_archive

        return rebuild_archive(node.layout.data, progress)
    from projectors.rebuild import rebuild as build_anew

    return build_anew(kind_of(model, node), node.layout.data, progress)


def _verify_model(model: Model, node: Node, progress: Any) -> dict[str, Any]:
    from projectors.verify import verify as compare

    found = compare(kind_of(model, node), node.layout.data, progress)
    return {
        "model": model.value,
        "equal": found.equal,
        **_place(found.place),
        "compared": sum(found.rows.values()),
        "different": found.different,
        "dead_letters": found.dead_letters,
        "differences": [{"table": d.table, "only_in": d.side, "row": d.row} for d in found.differences],
    }


def _verify_series(node: Node, progress: Any) -> dict[str, Any]:
    from ovr.series import settings
    from projectors.series_verify import verify_series

    found = verify_series(
        node.layout.data,
        node.victoria_url(),
        settings=settings(node.site),
        progress=progress,
    )
    return {
        "model": Model.SERIES.value,
        "equal": not found.faults,
        **(_place(found.upto) if found.upto else {}),
        "compared": found.compared,
        "different": len(found.faults),
        "kept": found.kept,
        "differences": found.faults,
    }


def _verify_archive(node: Node, progress: Any) -> dict[str, Any]:
    from projectors.archive_verify import verify_archive

    found = verify_archive(node.layout.data, progress)
    return {
        "model": Model.ARCHIVE.value,
        "equal": not found.faults,
        **_place(found.place),
        "compared": found.tally.rows - found.kept,
        "different": len(found.faults),
        "content": f"{found.tally.hash:016x}",
        "kept": found.kept,
        "dead_letters": found.unreadable,
        "differences": list(found.faults),
    }


def _sum_up(model: Model, found: dict[str, Any]) -> None:
    what = "samples" if model is Model.SERIES else "rows"
    where = f"{model} at position {found.get('position', 0):,}: {found['compared']:,} {what} compared"
    if "content" in found:
        where += f", content {found['content']}"
    if found.get("kept"):
        where += f"; {found['kept']:,} older ones are erased from the journal"
    if found["equal"]:
        typer.echo(f"{where}, all equal to a rebuild")
    else:
        different = f"{found['different']:,} {'days' if model is Model.ARCHIVE else what}"
        typer.echo(f"{where}, {different} differ: `ovr rebuild {model}` mends that")
    if found.get("dead_letters"):
        typer.echo(
            f"{found['dead_letters']:,} events could not be applied: see table dead_letters of the {model}"
        )


def _must_exist(node: Node) -> None:
    """Refuse a directory without a journal: a rebuild of it would wait, or make an empty model.

    Raises:
        ConfigurationError: there is none.
    """
    if not node.layout.journal.is_dir():
        raise ConfigurationError(
            f"there is no journal in {node.layout.data}: name another directory with --data"
        )


def _place(place: Head) -> dict[str, Any]:
    return {
        "journal": place.journal,
        "incarnation": place.incarnation,
        "position": place.position,
        "hash": place.hash.hex(),
    }


def _say(said: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(said, default=str).decode())
