"""`ovr devices`: what is supported, what is out there, and what site.toml should say about it."""

import asyncio
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from ovr.options import Data, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ovr.probing import Found
    from producers.modbus.maps import Map

app = typer.Typer(no_args_is_help=True, help="Find devices, look what they tell, list what is supported.")
_ASK_ABOVE = 256
_INTERRUPTED = 130

Units = Annotated[
    list[int] | None,
    typer.Option(
        "--unit",
        min=0,
        max=255,
        help="Ask this Modbus unit only; may be repeated.",
        show_default="the usual ones",
    ),
]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", help="Look for this Modbus map only; may be repeated. See `ovr devices list`."),
]
Speaks = Annotated[
    str | None,
    typer.Option("--protocol", help="modbus, ups or victron.", show_default="what the port says, or all"),
]


@app.command("list")
def list_(
    notes: Annotated[bool, typer.Option("--notes", help="With wiring, settings and ambiguities.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """List the devices that are supported, and what they are called in site.toml.

    Maps of a site's own, in the folder `maps` of the data directory, are among them.

    Example: `ovr devices list --notes`
    """
    from dataclasses import asdict

    from producers.supported import supported

    devices = supported(_maps(data))
    if json:
        _say([asdict(one) for one in devices])
        return
    width = max(len(one.name) for one in devices)
    for one in devices:
        typer.echo(f"{one.name:<{width}}  {one.device} ({one.reached}), {one.readings or 'its own'} readings")
        if notes:
            lines = [
                *one.notes.strip().splitlines(),
                *(f"{name}: {text}" for name, text in one.settings.items()),
            ]
            typer.echo(
                "\n".join(f"{'':<{width}}    {line.strip()}" for line in [*lines, f"from {one.source}"])
            )


@app.command()
def probe(
    address: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="Where the device is.")],
    unit: Units = None,
    map_: Maps = None,
    protocol: Speaks = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Ask an address what it is; print what it reads now, and an entry for site.toml.

    Without a port, Modbus TCP (502), NUT (3493) and Victron MQTT (1883) are tried. Nothing is written to
    the device. Exit status 1 when nothing is recognised.

    Example: `ovr devices probe 192.168.1.13` or `ovr devices probe 192.168.1.13:1502 --unit 2`
    """
    from ovr.probing import Found, Wanted, probe_all
    from ovr.scanning import targets

    _hush()
    wanted, found = Wanted.of(protocol, unit, map_, _maps(data)), Found()
    asyncio.run(probe_all(targets([address], wanted.ports), wanted, found))
    _finish(found, values=True, json=json)


@app.command()
def discover(
    targets_file: Annotated[
        list[Path] | None,
        typer.Option("--targets", help="A file with HOST, HOST:PORT or a range on each line; - is stdin."),
    ] = None,
    ranges: Annotated[
        list[str] | None,
        typer.Option(
            "--range", help="Addresses, such as 192.168.1.0/24 or 192.168.1.10-40; may be repeated."
        ),
    ] = None,
    unit: Units = None,
    map_: Maps = None,
    protocol: Speaks = None,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, max=512, help="Addresses asked at the same time.")
    ] = 64,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.05, help="Seconds to wait for each, at least.")
    ] = 1.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a large search.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Search addresses for devices; print them, and entries for site.toml.

    Only ports that accept a connection are asked further. Searching more than 256 addresses has to be
    confirmed: do it only in networks that you may search. Exit status 1 when nothing is found.

    Example: `ovr devices discover --range 192.168.1.0/24 > devices.txt`
    """
    from ovr.probing import Found, Wanted, probe_all
    from ovr.progress import counting
    from ovr.scanning import Target, knock
    from ovr.scanning import targets as spelled_out

    if not targets_file and not ranges:
        raise typer.BadParameter("give --range or --targets", param_hint="--range")
    _hush()
    wanted, found = Wanted.of(protocol, unit, map_, _maps(data), timeout), Found()
    there = spelled_out([*(ranges or []), *_lines(targets_file or [])], wanted.ports)
    _confirm(len({one.host for one in there}), yes=yes)

    async def search() -> None:
        answering: list[Target] = []
        with counting("knocking", len(there)) as progress:
            await knock(there, answering.append, timeout_s=timeout, at_once=at_once, progress=progress)
        with counting("asking", len(answering)) as progress:
            await probe_all(sorted(answering, key=there.index), wanted, found, progress)

    try:
        asyncio.run(search())
    except KeyboardInterrupt:
        found.interrupted = True
    _finish(found, values=False, json=json)


@app.command("import")
def import_(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="gx_systems.json, map_fast.tsv, map_slow.tsv; any of them."),
    ],
    write: Annotated[bool, typer.Option("--write", help="Write files into the data directory.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Take over the lists of an older system: GX devices, paths that were read, old names of metrics.

    Prints what would be written. With --write, files that exist are left alone and the command ends with
    status 78. What is not understood is told on stderr with its line. Exit status 1 when nothing is.

    Example: `ovr devices import gx_systems.json map_fast.tsv map_slow.tsv --write --data data`
    """
    from ovr.importing import read, to_site, write_files
    from ovr.node import open_node

    taken = read(sources)
    if json:
        problems = [{"file": one.file, "line": one.line, "why": one.why} for one in taken.problems]
        _say({"files": taken.files, "covered": taken.covered, "problems": problems})
    else:
        for name, text in taken.files.items():
            typer.echo(f"# {name}\n\n{text}")
        typer.echo(to_site(taken))
        for problem in taken.problems:
            typer.echo(str(problem), err=True)
    if write and taken.files:
        folder = open_node(data, None).layout.data
        write_files(taken, folder)
        typer.echo(f"written to {folder}: {', '.join(taken.files)}", err=True)
    if not taken.files and not taken.covered:
        raise typer.Exit(1)


def _maps(data: Path | None) -> "Mapping[str, Map]":
    """Give the maps of Modbus, with those of a site's own."""
    from ovr.node import open_node
    from producers.modbus.maps import FOLDER, maps_with

    return maps_with(open_node(data, None).layout.data / FOLDER)


def _hush() -> None:
    """Leave out what producers log: here it is told as the result."""
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        logging.getLogger("producers").setLevel(logging.CRITICAL)


def _confirm(count: int, *, yes: bool) -> None:
    if count <= _ASK_ABOVE or yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"that is {count:,} addresses: add --yes", param_hint="--range")
    typer.confirm(f"search {count:,} addresses?", abort=True, err=True)


def _lines(files: Iterable[Path]) -> list[str]:
    from schemas.errors import ConfigurationError

    lines: list[str] = []
    for path in files:
        try:
            text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read {path}: {error}") from error
        lines += text.splitlines()
    return lines


def _finish(found: "Found", *, values: bool, json: bool) -> None:
    from ovr.discovered import for_site

    if json:
        _say({"devices": [one.json() for one in found.devices], "problems": found.problems})
    else:
        for one in found.devices:
            brief = [one.title, *(f"  note: {note}" for note in one.notes)]
            typer.echo("\n".join(one.lines() if values else brief))
        if entries := for_site(found.devices):
            typer.echo(f"\nfor site.toml:\n\n{entries}", nl=False)
        for where, problem in found.problems.items():
            typer.echo(f"{where}: {problem}", err=True)
    if found.interrupted:
        typer.echo("interrupted: this is what was found so far", err=True)
        raise typer.Exit(_INTERRUPTED)
    if not found.devices:
        raise typer.Exit(1)


def _say(document: Any) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
