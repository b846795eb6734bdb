"""`ovr tail` and `ovr replay`: the stream as it is recorded, and as it was."""

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ovr.node import Node, open_node
from ovr.options import As, Config, Data, Json, Systems, Types, instant
from ovr.users import CONSOLE
from schemas.errors import InputError, TransientError

if TYPE_CHECKING:
    from bus.connection import Message
    from bus.journal import JournalReader
    from bus.replay import Request

_TURN_S = 0.25
From = Annotated[str | None, typer.Option("--from", help="Begin at this time or position.")]
To = Annotated[
    str | None,
    typer.Option("--to", help="End before this time, or with this position.", show_default="the newest"),
]


def tail(
    system: Systems = None,
    type_: Types = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Stop after so many.", min=1)] = None,
    as_: As = CONSOLE,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show events as they are recorded, one a line, until Ctrl-C.

    Example: `ovr tail --type window.started --type window.ended`
    """
    from bus import ids
    from bus.connection import Connection
    from bus.topics import Topics
    from ovr.event_lines import line
    from projectors.live import stop_signals

    node = open_node(data, config)
    broker = node.broker(as_)
    topics = Topics(broker.prefix)
    stopped = stop_signals()
    shown = 0

    def show(message: "Message") -> None:
        nonlocal shown
        if limit is None or shown < limit:
            typer.echo(message.payload if json else line(message.payload))
            shown += 1

    with closing(Connection(broker, f"tail-{ids.token()}")) as connection:
        for name in canonical(node, system) or ["+"]:
            for kind in type_ or ["+"]:
                connection.subscribe(topics.events(name, kind), show, qos=1)
        told: str | None = None
        while not stopped() and (limit is None or shown < limit):
            connection.step(_TURN_S)
            refusal = None if connection.connected else connection.refusal
            if refusal and refusal != told:
                typer.echo(f"waiting for the broker at {broker.host}:{broker.port}: {refusal}", err=True)
            told = refusal


def replay(
    from_: From = None,
    to: To = None,
    system: Systems = None,
    type_: Types = None,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many events.", min=1)] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Only the newest sample of each system and kind.")
    ] = False,
    speed: Annotated[
        float, typer.Option(help="1 as it was recorded, 10 ten times faster, 0 as fast as possible.", min=0)
    ] = 0.0,
    remote: Annotated[
        bool, typer.Option("--remote", help="Read through the replay service, not the journal here.")
    ] = False,
    topic: Annotated[
        str | None,
        typer.Option("--topic", metavar="ID", help="Let the replay service play into `ovr/replay/ID/…`."),
    ] = None,
    as_: As = CONSOLE,
    data: Data = None,
    config: Config = None,
) -> None:
    """Print the past as JSON lines, oldest first, or play it into a topic.

    Examples: `ovr replay --type window.started | jq .data`,
    `ovr replay --from 2026-11-21T05:00:00Z --speed 10`, `ovr replay --from 1 --to 5000 --topic again`
    """
    from bus import ids
    from bus.replay import Request

    node = open_node(data, config)
    (since_us, first), (until_us, upto) = bound(from_, "--from"), bound(to, "--to")
    request = Request(
        id=topic or ids.token(),
        after=max(0, (first or 1) - 1),
        upto=upto,
        since_us=since_us,
        until_us=until_us,
        subjects=tuple(canonical(node, system)) or None,
        types=tuple(type_ or ()) or None,
        limit=limit,
        newest=newest,
        speed=speed,
    )
    if topic is None:
        with closing(_reader(node, as_, remote=remote)) as reader:
            _print(reader, request)
    else:
        _into_topic(node, request, as_)


def canonical(node: Node, names: list[str] | None) -> list[str]:
    """Write typed names of systems as the recorder does; reserved ones stay as they are.

    Raises:
        typer.BadParameter: one cannot be a system's name.
    """
    from bus import system_ids

    aliases = node.aliases()
    try:
        return [name if name[:1] == "_" else system_ids.canonical(name, aliases) for name in names or ()]
    except InputError as error:
        raise typer.BadParameter(error.hint, param_hint="--system") from error


def bound(value: str | None, option: str) -> tuple[int | None, int | None]:
    """Read a bound of the stream: an instant in microseconds, or a position; the other is None.

    Raises:
        typer.BadParameter: it is neither.
    """
    if value is not None and value.isdecimal():
        return None, int(value)
    return instant(value, option), None


def _reader(node: Node, user: str, *, remote: bool) -> "JournalReader":
    if remote or not node.layout.journal.exists():
        from bus import ids
        from bus.remote import RemoteReader

        return RemoteReader(node.broker(user), f"replay-{ids.token()}")
    from bus.journal_sqlite import SqliteJournalReader

    return SqliteJournalReader(node.layout.journal)


def _print(reader: "JournalReader", request: "Request") -> None:
    from bus.envelope import published
    from bus.replay import Playback, select
    from projectors.live import stop_signals

    out = sys.stdout.buffer
    live = bool(request.speed) or sys.stdout.isatty()
    stopped = stop_signals()
    playback = Playback(request, select(reader, request), lambda _: None)
    while not playback.done and not stopped():
        wait_s = playback.due_in_s()
        if wait_s > 0:
            time.sleep(min(wait_s, _TURN_S))
            continue
        out.write(published(playback.take()) + b"\n")
        if live:
            out.flush()
    out.flush()


def _into_topic(node: Node, request: "Request", user: str) -> None:
    from bus.topics import Topics
    from ovr.remote_replay import RemoteReplay
    from projectors.live import stop_signals

    topics = Topics(node.site.prefix)
    typer.echo(f"playing into {topics.replay_filter(request.id)}", err=True)
    with closing(RemoteReplay(node.broker(user), request)) as asked:
        done = asked.run(stop_signals())
    if done["status"] == "cancelled":
        raise TransientError("stopped before its end")
    typer.echo(f"played {done['count']:,} events, up to position {done['position']:,}", err=True)
