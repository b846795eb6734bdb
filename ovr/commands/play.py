"""`ovr play`: a recording of raw device topics, played onto the broker."""

from pathlib import Path
from typing import Annotated

import typer

from ovr.node import open_node
from ovr.options import As, Config, Data, Json


def play(
    file: Annotated[Path, typer.Argument(help="JSON lines with `t`, `topic` and `payload`.")],
    speed: Annotated[
        float,
        typer.Option(help="1 at its own pace, 10 ten times faster, 0 as fast as the broker takes it.", min=0),
    ] = 1.0,
    as_: As = "player",
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Publish a recording of raw device topics, as if the device were here.

    Where the broker asks for passwords, a user of the role `player` may: `ovr user add player --role player`.

    Example: `ovr play gx.jsonl --speed 10`
    """
    import orjson

    from ovr.progress import counting
    from producers.play import check, play_file
    from projectors.live import stop_signals

    stopped = stop_signals()
    broker = open_node(data, config).broker(as_)
    with counting("playing", check(file)) as progress:
        played = play_file(file, broker, speed=speed, progress=progress, stopped=stopped)
    if json:
        typer.echo(orjson.dumps({"messages": played.messages, "seconds": round(played.seconds, 3)}).decode())
    else:
        typer.echo(f"played {played.messages:,} messages in {played.seconds:.1f} s")
