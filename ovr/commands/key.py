"""`ovr key`: who may use the HTTP API."""

from typing import Annotated

import orjson
import typer

from ovr.options import Config, Data, Json

app = typer.Typer(no_args_is_help=True, help="Add, remove and list keys of the HTTP API.")
Name = Annotated[str, typer.Argument(help="The key's name: whose it is, or what uses it.")]


@app.command()
def add(
    name: Name,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            help="viewer reads, operator writes too, admin changes the node; uplink brings a node's photos.",
        ),
    ] = "operator",
    system: Annotated[
        list[str] | None, typer.Option("--system", help="It may write about this one only; may be repeated.")
    ] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Draw a key and show it once, or give an existing name a new one; a running API knows at once.

    From the first key on, writing needs one.

    Example: `ovr key add stage-tablet --system rig_01 --system rig_02`
    """
    from ovr.api_keys import ApiKeys
    from ovr.node import open_node

    node = open_node(data, config)
    key, new = ApiKeys(node.layout).add(name, role, system or (), node.aliases())
    if json:
        typer.echo(orjson.dumps({"name": name, "role": role, "new": new, "key": key}).decode())
        return
    typer.echo(f"{'added' if new else 'changed'} {name}, of role {role}")
    typer.echo(f"key: {key}   (shown only now; send it as X-API-Key)")


@app.command()
def remove(name: Name, data: Data = None, config: Config = None) -> None:
    """Remove a key; a running API knows at once.

    Example: `ovr key remove stage-tablet`
    """
    from ovr.api_keys import ApiKeys
    from ovr.node import open_node

    ApiKeys(open_node(data, config).layout).remove(name)
    typer.echo(f"removed {name}")


@app.command("list")
def list_(data: Data = None, config: Config = None, json: Json = False) -> None:
    """List the names, roles and systems of the keys; the keys themselves are kept as hashes.

    Example: `ovr key list`
    """
    from ovr.api_keys import ApiKeys
    from ovr.node import open_node

    keys = ApiKeys(open_node(data, config).layout).list()
    if json:
        typer.echo(orjson.dumps(keys).decode())
        return
    for key in keys:
        typer.echo(f"{key['name']:<24} {key['role']:<10} {', '.join(key['systems'] or ['all systems'])}")
