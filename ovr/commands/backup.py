"""`ovr backup` and `ovr restore`: all that is truth, copied while everything runs, proven, and put back."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from ovr.options import Config, Data, Json
from schemas.errors import ConfigurationError, OvrError

if TYPE_CHECKING:
    from ovr.backup_store import BackupStore
    from ovr.node import Node

app = typer.Typer(
    help="Copy all that is truth, while everything runs; prove it; list what there is.",
    invoke_without_command=True,
)
Where = Annotated[
    Path | None,
    typer.Argument(help="Where backups are: what `--to` named.", show_default="[backup] to of site.toml"),
]
Name = Annotated[str | None, typer.Option("--name", help="Which backup.", show_default="the newest")]
OfNode = Annotated[
    str | None, typer.Option("--node", help="Whose, where several nodes have theirs in one place.")
]


@app.callback()
def backup(
    ctx: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="A directory: a disk, a stick, a mount.", show_default="[backup] to"),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", help="Remove all but the newest so many.", min=1)
    ] = None,
    victoria: Annotated[
        bool | None, typer.Option("--victoria/--no-victoria", help="A snapshot of VictoriaMetrics too.")
    ] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Copy the journal, photos, outboxes, users and configuration, while everything runs.

    What has not changed since the backup before is not copied again. `ovr backup verify` proves one,
    `ovr restore` makes a node of it.

    Example: `ovr backup --to /mnt/usb --keep 7`
    """
    if ctx.invoked_subcommand is not None:
        return
    from ovr.backup import Backup
    from ovr.backup_store import BackupStore
    from ovr.node import open_node
    from ovr.progress import telling

    node = open_node(data, config)
    said = node.site.backup
    directory = to or said.to
    if directory is None:
        raise ConfigurationError("say where to: --to DIRECTORY, or [backup] to in site.toml")
    store = BackupStore(directory.absolute() / node.site.node_id)
    with_victoria = said.victoria if victoria is None else victoria
    began = time.monotonic()
    try:
        _check_place(node, store)
        with telling("backup") as tell:
            made = Backup(node, store, tell).make(victoria=with_victoria, keep=keep or said.keep)
    except OvrError as error:
        _note_failure(node, str(error))
        raise
    took_s = time.monotonic() - began
    manifest = made.manifest
    _note(node, store, made, took_s)
    if json:
        _say(
            {
                **_told(store, manifest),
                "copied": made.copied,
                "took_s": round(took_s, 2),
                "removed": made.removed,
            }
        )
    else:
        typer.echo(
            f"{manifest.name}: the journal up to position {manifest.head.position:,},"
            f" {manifest.size / 1e6:,.1f} MB, of which {made.copied / 1e6:,.1f} MB were new,"
            f" in {took_s:.1f} s; keep: {manifest.head.position}:{manifest.head.hash.hex()}"
        )


@app.command()
def verify(
    where: Where = None,
    name: Name = None,
    node: OfNode = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Read a backup back and walk the journal's chain over it; exit status 1 when something is wrong.

    Example: `ovr backup verify /mnt/usb`
    """
    from ovr.backup_check import check
    from ovr.progress import telling

    store = _store(where, node, data, config)
    manifest = store.manifest(name)
    with telling("verifying") as tell:
        found = check(store, manifest, tell)
    if json:
        told = {"events": found.events, "contents": found.contents, "problems": found.problems}
        _say({"ok": not found.problems, **_told(store, manifest), **told})
    else:
        for problem in found.problems:
            typer.echo(problem, err=True)
        outcome = f"problems: {len(found.problems)}" if found.problems else "everything is as it was written"
        typer.echo(f"{manifest.name}: {found.events:,} events, {found.contents:,} files: {outcome}")
    if found.problems:
        raise typer.Exit(1)


@app.command("list")
def list_(
    where: Where = None,
    node: OfNode = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List backups, the newest last.

    Example: `ovr backup list /mnt/usb`
    """
    store = _store(where, node, data, config)
    found = [_told(store, store.manifest(name)) for name in store.names()]
    if json:
        _say(found)
        return
    for one in found:
        typer.echo(f"{one['name']}: position {one['position']:,}, {one['bytes'] / 1e6:,.1f} MB")


def restore(
    where: Where = None,
    name: Name = None,
    from_node: OfNode = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where a journal is: it is moved aside.")
    ] = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a node of a backup, in an empty data directory or, with --replace, in place of what is there.

    Nothing is deleted: what was there is moved aside, and what waited in its outboxes waits in the new ones.
    The node must not run. When it is started, its recorder records `journal.restored`.

    Example: `ovr restore /mnt/usb --data /mnt/esata/ovr`
    """
    from ovr.node import open_node
    from ovr.progress import telling
    from ovr.restoring import restore as put_back

    node = open_node(data, config)
    store = _store(where, from_node, data, config)
    manifest = store.manifest(name)
    node.layout.data.mkdir(parents=True, exist_ok=True)
    with telling("restoring") as tell:
        done = put_back(node, store, manifest, replace=replace, tell=tell)
    if json:
        told = {"replaced": str(done.aside) if done.aside else None, "carried_over": done.carried}
        _say({**_told(store, manifest), **told, "kept": done.kept})
        return
    typer.echo(
        f"{node.layout.data} is the backup {manifest.name}: the journal up to position {done.head.position:,}"
    )
    if done.aside is not None:
        typer.echo(
            f"what was there is in {done.aside}; {done.carried} events that waited there were carried over"
        )
    for one in done.kept:
        typer.echo(f"{one} was there and stays; the backup's is {one}.restored beside it")


def _check_place(node: "Node", store: "BackupStore") -> None:
    """Make sure that the backup goes where it should.

    Raises:
        ConfigurationError: the disk is not there, or the place is within what is copied.
    """
    import os

    mount = node.site.backup.mount
    if mount is not None and not os.path.ismount(mount):
        raise ConfigurationError(f"nothing is mounted at {mount}: connect the disk for backups")
    if store.directory.resolve().is_relative_to(node.layout.data.resolve()):
        raise ConfigurationError(f"{store.directory} is within {node.layout.data}: name a place outside")
    if not node.layout.journal.is_dir():
        raise ConfigurationError(
            f"there is no journal in {node.layout.data}: name another directory with --data"
        )


def _store(where: Path | None, node_id: str | None, data: Path | None, config: Path | None) -> "BackupStore":
    from ovr.backup_store import stores
    from ovr.node import open_node

    if where is None:
        said = open_node(data, config).site
        where, node_id = said.backup.to, node_id or said.node_id
    if where is None:
        raise ConfigurationError("say where: a directory, or [backup] to in site.toml")
    found = stores(where.absolute())
    wanted = [one for one in found if node_id is None or one.directory.name == node_id]
    if len(wanted) == 1:
        return wanted[0]
    if not wanted:
        raise ConfigurationError(f"there are no backups{f' of {node_id}' if node_id else ''} in {where}")
    raise ConfigurationError(
        f"{where} has backups of {', '.join(one.directory.name for one in wanted)}: choose with --node"
    )


def _note(node: "Node", store: "BackupStore", made: Any, took_s: float) -> None:
    from bus import instants
    from ovr.backup_state import BackupState, save

    manifest = made.manifest
    now_us = instants.parse(manifest.made_at)
    state = BackupState(
        made_us=now_us,
        name=manifest.name,
        place=str(store.directory),
        position=manifest.head.position,
        size=manifest.size,
        copied=made.copied,
        took_s=round(took_s, 3),
        tried_us=now_us,
    )
    save(node.layout.backup_state, state)


def _note_failure(node: "Node", problem: str) -> None:
    from contextlib import suppress

    from bus import instants
    from ovr.backup_state import load, save

    with suppress(OSError):
        path = node.layout.backup_state
        save(path, load(path).failed(instants.now_us(), problem))


def _told(store: "BackupStore", manifest: Any) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "made_at": manifest.made_at,
        "node_id": manifest.node_id,
        "place": str(store.directory),
        "bytes": manifest.size,
        "files": len(manifest.files),
        "journal": manifest.head.journal,
        "incarnation": manifest.head.incarnation,
        "position": manifest.head.position,
        "hash": manifest.head.hash.hex(),
        "erased_upto": manifest.erased_upto,
        "victoria": manifest.victoria,
    }


def _say(said: Any) -> None:
    typer.echo(orjson.dumps(said).decode())
