"""`ovr journal`: the truth itself: prove it, move it, copy it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from bus import instants
from bus.envelope import Recorded
from bus.journal import Head
from bus.journal_sqlite import SqliteJournalReader
from ovr.commands.stream import From, To, bound, canonical
from ovr.node import Node, open_node
from ovr.options import Config, Data, Json, Systems, Types
from ovr.progress import counting
from schemas.errors import ConfigurationError

_TELL_EVERY = 500

app = typer.Typer(no_args_is_help=True, help="The journal: prove it, move it, copy it.")


@app.command()
def head(data: Data = None, config: Config = None, json: Json = False) -> None:
    """Show the newest event's place: position, hash, journal and incarnation.

    Kept elsewhere, it is an anchor for `ovr journal verify --anchor`.

    Example: `ovr journal head --json`
    """
    with closing(_reader(open_node(data, config))) as reader:
        newest = reader.head()
    if json:
        _say(_place(newest))
    else:
        typer.echo(
            f"position {newest.position} hash {newest.hash.hex()}\n"
            f"journal {newest.journal} incarnation {newest.incarnation}"
        )


@app.command()
def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="A place known from elsewhere, as POSITION:HASH; may be repeated."),
    ] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Prove that no event was changed, removed or moved; exit status 1 when one was.

    What was cut off at the end, or rewritten as a whole, shows only against an anchor: a position and its
    hash, as `ovr journal head` shows them.

    Example: `ovr journal verify --anchor 1234:9f86d081…`
    """
    anchors = [_anchor(text) for text in anchor or ()]
    with closing(_reader(open_node(data, config))) as reader, counting("verifying", reader.head().position):
        verdict = reader.verify()
        faults = [{"position": fault.position, "problem": fault.problem} for fault in verdict.faults]
        for position, expected in anchors:
            found = reader.hash_at(position)
            if found is None or not found.hex().startswith(expected):
                has = "is not there" if found is None else f"has the hash {found.hex()}"
                faults.append({"position": position, "problem": f"it {has}, the anchor says {expected}"})
    if json:
        told = {"events": verdict.events, "erased": verdict.erased, **_place(verdict.head)}
        _say({"ok": not faults, **told, "faults": faults})
    else:
        for one in faults:
            typer.echo(f"position {one['position']}: {one['problem']}", err=True)
        outcome = f"faults: {len(faults)}" if faults else "every event is as it was recorded"
        if verdict.erased:
            outcome += f", {verdict.erased:,} samples of it erased but for their hashes"
        typer.echo(
            f"{verdict.events:,} events: {outcome}; head {verdict.head.position}:{verdict.head.hash.hex()}"
        )
    if faults:
        raise typer.Exit(1)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new file; by custom it ends in .jsonl.zst.")],
    system: Systems = None,
    type_: Types = None,
    from_: From = None,
    to: To = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write events as JSON lines, compressed with zstd: for another machine, or a bug report.

    Example: `ovr journal export site.jsonl.zst --from 2026-11-21T00:00:00Z`
    """
    from bus.transfer import export as write

    node = open_node(data, config)
    (since_us, first), (until_us, upto) = bound(from_, "--from"), bound(to, "--to")
    with closing(_reader(node)) as reader:
        newest = reader.head()
        last = newest.position if upto is None else min(upto, newest.position)
        events = reader.read(
            max(0, (first or 1) - 1),
            upto=last,
            subjects=canonical(node, system) if system else None,
            types=type_ or None,
            since_us=since_us,
            until_us=until_us,
        )
        erased_upto = reader.erased_upto()
        with counting("exporting", last) as progress:
            count = write(_watched(events, progress), newest, file)
    if json:
        _say({"file": str(file), "events": count, "bytes": file.stat().st_size, **_place(newest)})
    else:
        typer.echo(f"wrote {count:,} events to {file} ({file.stat().st_size / 1e6:.1f} MB)")
        if erased_upto >= (first or 1):
            typer.echo(f"samples up to position {erased_upto:,} were erased and are not among them", err=True)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="What `ovr journal export` wrote.", exists=True, dir_okay=False)
    ],
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Append the events of an export, but for those that the journal has already.

    Stop the node first. A whole export of a journal of which nothing was erased, read into an empty one,
    gives the same positions, times and hashes.

    Example: `ovr journal import site.jsonl.zst --data copy`
    """
    from bus.journal_writer import SqliteJournal
    from bus.transfer import import_ as read

    node = open_node(data, config)
    with closing(SqliteJournal(node.layout.journal)) as journal, counting("importing"):
        new, known = read(file, journal)
        newest = journal.head()
    if json:
        _say({"new": new, "known": known, **_place(newest)})
    else:
        typer.echo(
            f"recorded {new:,} events, {known:,} were known; head {newest.position}:{newest.hash.hex()}"
        )


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file.")],
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Copy the journal as it is now into one file, while it is being written.

    `ovr journal restore` puts it back.

    Example: `ovr journal backup /mnt/usb/journal-2026-11-21.sqlite`
    """
    with closing(_reader(open_node(data, config))) as reader, counting("copying"):
        copied = reader.backup(file)
    if json:
        _say({"file": str(file), "bytes": file.stat().st_size, **_place(copied)})
    else:
        typer.echo(f"copied up to position {copied.position:,} into {file}; keep: {_text(copied)}")


@app.command()
def restore(
    file: Annotated[
        Path, typer.Argument(help="What `ovr journal backup` wrote.", exists=True, dir_okay=False)
    ],
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Put a backup in the journal's place; the journal that was there is moved aside.

    Stop the node first. When it is started again, the recorder notices what is missing and records it as
    `journal.restored`, and the read models ask to be rebuilt.

    Example: `ovr journal restore /mnt/usb/journal-2026-11-21.sqlite`
    """
    from bus.journal_restore import restore as put_back

    head, aside = put_back(file, open_node(data, config).layout.journal)
    if json:
        _say({"file": str(file), "replaced": str(aside) if aside else None, **_place(head)})
    else:
        typer.echo(
            f"the journal is {file} up to position {head.position:,}"
            + (f"; what was there is in {aside}" if aside else "")
        )


@app.command()
def recover(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come back, and change nothing.")
    ] = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Get back from the cloud what this node has lost: events with their ids, times and clients, and photos.

    Stop the node first. Right after a restore, before the node was started again, what comes back continues
    the journal as it was, hashes and all; later it follows behind what was recorded since.

    Example: `ovr journal recover --dry-run`
    """
    from ovr.recovering import recover as bring_back

    node = open_node(data, config)
    with counting("asking the cloud"):
        said = bring_back(node, dry_run=dry_run)
    if json:
        _say(said)
        return
    verb = "would come" if dry_run else "came"
    count = said["same"] + said["anew"]
    typer.echo(f"{count:,} events {verb} back, {said['same']:,} of them at their old positions")
    if said["photos"]:
        typer.echo(f"photos that came back: {said['photos']:,}")
    for first, last in said["missing"]:
        typer.echo(f"positions {first:,} to {last:,} never reached the cloud: they are lost", err=True)
    for sha256 in said["photos_missing"]:
        typer.echo(f"photo {sha256} is not in the cloud", err=True)


@app.command("dead-letters")
def dead_letters(
    limit: Annotated[int, typer.Option(help="Show at most so many.", min=1)] = 20,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the newest messages that could not be recorded, with the reasons.

    Example: `ovr journal dead-letters --limit 5`
    """
    from ovr.event_lines import visible

    with closing(_reader(open_node(data, config))) as reader:
        letters = reader.dead_letters(limit)
    for letter, count in letters:
        said = {
            "received": instants.text(letter.received_us),
            "count": count,
            "client": letter.client,
            "topic": letter.topic,
            "reason": letter.reason,
            "field": letter.field,
            "hint": letter.hint,
            "payload": letter.payload.decode(errors="replace"),
        }
        if json:
            _say(said)
            continue
        where = f" at {letter.field}" if letter.field else ""
        times = f" ({count} times)" if count > 1 else ""
        typer.echo(
            visible(f"{said['received']} {letter.topic}{times}: {letter.reason}{where}: {letter.hint}")
        )
    if not letters and not json:
        typer.echo("nothing was refused")


def _reader(node: Node) -> SqliteJournalReader:
    if not node.layout.journal.is_dir():
        raise ConfigurationError(
            f"there is no journal in {node.layout.data}: name another directory with --data"
        )
    return SqliteJournalReader(node.layout.journal)


def _anchor(text: str) -> tuple[int, str]:
    position, colon, expected = text.partition(":")
    shortest = 8
    if not (colon and position.isdecimal() and len(expected) >= shortest):
        raise typer.BadParameter(f"write POSITION:HASH, not {text!r}", param_hint="--anchor")
    return int(position), expected.lower().rstrip("…")


def _watched(events: Iterator[Recorded], progress: Callable[[int], None]) -> Iterator[Recorded]:
    for event in events:
        if event.position % _TELL_EVERY == 0:
            progress(event.position)
        yield event


def _text(place: Head) -> str:
    return f"{place.position}:{place.hash.hex()}"


def _place(place: Head) -> dict[str, Any]:
    return {
        "journal": place.journal,
        "incarnation": place.incarnation,
        "position": place.position,
        "hash": place.hash.hex(),
    }


def _say(said: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(said).decode())
