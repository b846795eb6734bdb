"""`ovr user`: who may use the broker."""

import os
import secrets
import signal
import sys
from typing import Annotated, Any

import orjson
import typer

from ovr.node import Node, open_node
from ovr.options import Config, Data, Json

app = typer.Typer(no_args_is_help=True, help="Add, remove and list users of the broker.")
Name = Annotated[str, typer.Argument(help="The user's name.")]


@app.command()
def add(
    name: Name,
    role: Annotated[
        str, typer.Option("--role", help="operator, device, browser, player, or uplink for a node.")
    ] = "operator",
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin", help="Read the password from stdin; otherwise one is drawn and shown."
        ),
    ] = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Add a user, or give an existing one a new password; running brokers know at once.

    Example: `ovr user add alice` or `pwgen 20 1 | ovr user add alice --password-stdin`
    """
    from ovr.users import Users

    node = open_node(data, config)
    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(12)
    producers = [one.name for one in node.site.producers]
    new = Users(node.layout).add(name, role, password, producers)
    told = _reload(node)
    said: dict[str, Any] = {"name": name, "role": role, "new": new, "broker_told": told}
    if not password_stdin:
        said["password"] = password
    if json:
        typer.echo(orjson.dumps(said).decode())
        return
    typer.echo(f"{'added' if new else 'changed'} {name}, a {role}", err=password_stdin)
    if not password_stdin:
        typer.echo(f"password: {password}   (shown only now)")
    if not told:
        typer.echo("no broker runs here now: it will know when it starts", err=True)


@app.command()
def remove(name: Name, data: Data = None, config: Config = None) -> None:
    """Remove a user; running brokers know at once.

    Example: `ovr user remove alice`
    """
    from ovr.users import Users

    node = open_node(data, config)
    Users(node.layout).remove(name)
    _reload(node)
    typer.echo(f"removed {name}")


@app.command("list")
def list_(data: Data = None, config: Config = None, json: Json = False) -> None:
    """List the users that people added.

    Example: `ovr user list`
    """
    from ovr.users import Users

    users = Users(open_node(data, config).layout).list()
    if json:
        typer.echo(orjson.dumps([{"name": user.name, "role": user.role} for user in users]).decode())
        return
    for user in users:
        typer.echo(f"{user.name:<24} {user.role}")


@app.command()
def reload(data: Data = None, config: Config = None) -> None:
    """Let the running broker read users and certificates anew; exit status 1 when none runs here.

    Example: `ovr user reload`
    """
    if not _reload(open_node(data, config)):
        typer.echo("no broker runs here now: it will read them when it starts", err=True)
        raise typer.Exit(1)
    typer.echo("the broker reads its users and certificates")


def _reload(node: Node) -> bool:
    """Write Mosquitto's files anew and tell a running one; False when none runs here."""
    from ovr.processes import MOSQUITTO
    from ovr.status import supervisor_runs
    from ovr.users import Users

    if not node.layout.mosquitto_conf.exists():
        return False
    Users(node.layout).write_mosquitto_files(node.site.prefix, [one.name for one in node.site.producers])
    said = node.supervised() if supervisor_runs(node) else None
    processes = said["processes"] if said else []
    pid = next((one["pid"] for one in processes if one["name"] == MOSQUITTO), None)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return False
    return True
