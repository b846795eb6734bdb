"""`ovr publish`: one event, confirmed."""

import time
from typing import Annotated, Any

import orjson
import typer

from bus import instants
from ovr.options import As, Config, Data, Json, Timeout, instant
from ovr.users import CONSOLE


def publish(
    system: Annotated[
        str, typer.Argument(help="The system it is about; `all` for every system, `_site` for none.")
    ],
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="The type of event, such as window.started.")],
    fields: Annotated[
        list[str] | None,
        typer.Argument(help="The data: one JSON object, or `name=text` and `name:=json` pairs."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--time", help="When it happened, such as 2026-11-21T05:00:00Z.", show_default="now"),
    ] = None,
    event: Annotated[
        str | None, typer.Option("--id", help="The event's id, to send again what may have been recorded.")
    ] = None,
    as_: As = CONSOLE,
    timeout: Timeout = 10.0,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Publish an event and wait until it is recorded; prints its position.

    Exit status 1 says that it was refused and why, 75 that nobody confirmed it in time.

    Example: `ovr publish rig_01 window.started event_id=startup location=warehouse`
    """
    from bus import ids
    from bus.envelope import Envelope
    from ovr.confirming import confirm
    from ovr.node import open_node
    from schemas.registry import Registry

    node = open_node(data, config)
    broker = node.broker(as_)
    client = broker.username or as_
    registry = Registry.load()
    said = _data(fields or [])
    now_us = instants.now_us()
    fact = Envelope(
        id=event or ids.uuid7(now_us),
        source=f"/{node.site.node_id}/{client}",
        type=type_,
        subject=system,
        time_us=instant(at, "--time") or now_us,
        data=said,
        version=registry.newest(type_),
    )
    answer = confirm(broker, client, fact, limit_s=time.monotonic() + timeout)
    if json:
        typer.echo(orjson.dumps(answer).decode())
    elif "position" in answer:
        typer.echo(f"recorded at position {answer['position']}: {type_} of {answer['subject']}")
    else:
        where = f" at {answer['field']}" if answer.get("field") else ""
        typer.echo(f"refused, {answer['reason']}{where}: {answer['hint']}", err=True)
    if "position" not in answer:
        raise typer.Exit(1)


def _data(fields: list[str]) -> dict[str, Any]:
    """Read the data: a JSON object, or pairs.

    Raises:
        typer.BadParameter: it is neither.
    """
    if len(fields) == 1 and fields[0].lstrip().startswith("{"):
        return _object(fields[0])
    said: dict[str, Any] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals or not name.rstrip(":"):
            raise typer.BadParameter(f"write name=text or name:=json, not {field!r}")
        if name.endswith(":"):
            try:
                said[name[:-1]] = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise typer.BadParameter(f"{field!r} is no JSON behind the :=, {error}") from error
        else:
            said[name] = value
    return said


def _object(text: str) -> dict[str, Any]:
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"the data is no JSON: {error}") from error
    assert isinstance(said, dict)
    return said
