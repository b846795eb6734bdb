"""What can be read, by device: from the data files, for `ovr devices list` and `docs/devices.md`.

`python -m producers.supported` writes the tables into `docs/devices.md`; `--check` only says whether they are
up to date.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from producers.modbus.file_map import FileMap
from producers.modbus.maps import Map, all_maps
from producers.ups import meaning_file
from producers.victron import mapping_file

OUTPUT: Final = Path(__file__).parents[1] / "docs" / "devices.md"
BEGIN: Final = "<!-- begin: written by python -m producers.supported -->"
END: Final = "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Supported:
    """One kind of device.

    Attributes:
        name: the map's, as site.toml calls it; the producer's where there is no choice of maps.
        kind: of the samples.
        producer: which table of site.toml it goes into.
        reached: protocol, port and unit as delivered.
        found: it is looked for unasked.
        readings: how many measurements it can have.
        settings: parameters that a site may set, with their meaning.
        notes: wiring, settings, ambiguities.
        source: where the map is from.
    """

    name: str
    device: str
    kind: str
    producer: str
    reached: str
    found: bool
    readings: int
    settings: dict[str, str]
    notes: str
    source: str


def supported(maps: Mapping[str, Map] | None = None) -> list[Supported]:
    """List everything, by producer and name.

    Args:
        maps: of Modbus, when a site has some of its own.

    Raises:
        ConfigurationError: a data file is wrong.
    """
    modbus = sorted(map(_of_map, (maps or all_maps()).values()), key=lambda one: one.name)
    return [_victron(), *modbus, _ups(), _host()]


def markdown(devices: Sequence[Supported]) -> str:
    """Write the tables."""
    lines = [
        "| map | device | kind | reached by | found unasked | readings | may be set |",
        "|---|---|---|---|---|---:|---|",
    ]
    for one in devices:
        settings = ", ".join(f"`{name}`" for name in one.settings)
        found = "yes" if one.found else "no"
        cells = (
            f"`{one.name}`",
            one.device,
            one.kind,
            one.reached,
            found,
            one.readings or "-",
            settings or "-",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    for one in devices:
        lines += ["", f"**`{one.name}`**: {one.device}", ""]
        lines += [*_paragraphs(one.notes), *(f"- `{name}`: {text}." for name, text in one.settings.items())]
        lines += ["", f"Source: {one.source}."]
    return "\n".join(_without_double_blanks(lines))


def inserted(document: str, text: str) -> str:
    """Put the tables into the document, between its two marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the document, or check it."""
    parser = argparse.ArgumentParser(prog="python -m producers.supported", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when it is out of date")
    parser.add_argument("document", nargs="?", type=Path, default=OUTPUT)
    said = parser.parse_args(arguments)
    old = said.document.read_text(encoding="utf-8")
    new = inserted(old, markdown(supported()))
    if said.check:
        return int(old != new)
    said.document.write_text(new, encoding="utf-8")
    return 0


def _of_map(map_: Map) -> Supported:
    maker, model, notes, source = (getattr(map_, name, "") for name in ("maker", "model", "notes", "source"))
    readings = getattr(map_, "readings", 0)
    if isinstance(map_, FileMap):
        file = map_.file
        maker, model, notes, source = file.maker, file.model, file.notes, file.source
        names = {point.name for point in file.points}
        names |= {name for block in file.unverified for order in block.orders for name in order}
        readings = len(names - {""})
    return Supported(
        name=map_.name,
        device=" ".join(part for part in (maker, model) if part) or map_.name,
        kind=map_.kind,
        producer="modbus",
        reached=f"Modbus TCP, port {map_.port}, unit {map_.unit}",
        found=map_.automatic,
        readings=readings,
        settings={name: parameter.meaning for name, parameter in map_.parameters.items()},
        notes=notes,
        source=source,
    )


def _victron() -> Supported:
    document = tomllib.loads(files("producers").joinpath("devices/victron.toml").read_text(encoding="utf-8"))
    services = mapping_file.packaged().services
    names = {reading.name for one in services.values() for some in one.readings.values() for reading in some}
    return Supported(
        name="victron",
        device="Victron Energy GX device (Cerbo, Ekrano, CCGX, Venus OS) and all that is connected to it",
        kind=str(document["kind"]),
        producer="victron",
        reached="MQTT, port 1883 or 8883 (TLS)",
        found=False,
        readings=len(names),
        settings={},
        notes=f"Services: {', '.join(sorted(services))}. Several of a kind are numbered: `tank_2_level_pct`.",
        source="victronenergy/dbus_modbustcp attributes.csv, dbus-systemcalc-py, recordings of real devices",
    )


def _ups() -> Supported:
    document = tomllib.loads(files("producers").joinpath("devices/nut.toml").read_text(encoding="utf-8"))
    meaning = meaning_file.packaged()
    return Supported(
        name="ups",
        device=f"{document['model']} ({document['maker']})",
        kind=document["kind"],
        producer="ups",
        reached="NUT, port 3493",
        found=True,
        readings=len(meaning.readings) + len(meaning.flags) + len(meaning.coded),
        settings={},
        notes=document["notes"],
        source=document["source"],
    )


def _host() -> Supported:
    return Supported(
        name="host",
        device="The machine that a node runs on",
        kind="host",
        producer="host",
        reached="this machine",
        found=True,
        readings=0,
        settings={},
        notes="What the machine does not have, or does not let us read, is absent.",
        source="psutil, /sys, /proc, adjtimex(2), smartctl where it may be used",
    )


def _paragraphs(notes: str) -> Iterator[str]:
    for line in notes.strip().splitlines():
        yield line.strip()
    if notes.strip():
        yield ""


def _without_double_blanks(lines: Sequence[str]) -> Iterator[str]:
    before = ""
    for line in lines:
        if line or before:
            yield line
        before = line


if __name__ == "__main__":
    sys.exit(main())
