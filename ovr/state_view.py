"""The state for people: a block a system, a line an event."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ovr.event_lines import visible

Document = Mapping[str, Any]


def show(found: Document) -> None:
    """Print the answer of a state query."""
    console = Console(highlight=False)
    when = f" at {found['time']}" if "time" in found else ""
    console.print(Text(f"state{when}, position {found['position']:,}", style="dim"))
    for system in found["systems"]:
        console.print(_system(system), soft_wrap=True)
        for reading in system["readings"]:
            console.print(_title(reading), soft_wrap=True)
            console.print(_values(reading["values"]))
    for event in found.get("events", ()):
        console.print(_event(event), soft_wrap=True)
    for note in found.get("notes", ()):
        console.print(Text(visible(f"{note['time']} {note['system_id']}: {note.get('text', '')}")))
    if not found["systems"]:
        console.print("no system has been heard of yet")


def _system(system: Document) -> Text:
    words = Text(visible(system["system_id"]), style="bold")
    for part in _about(system):
        words.append(f"  {visible(part)}", style="not bold")
    return words


def _about(system: Document) -> Iterator[str]:
    if system.get("name"):
        yield f"“{system['name']}”"
    window, place = system["window"], system["location"]
    if window:
        yield f"in {window['event_id']} since {window['started_at']}"
    name = place["name"] if isinstance(place, dict) else place
    if name:
        yield f"at {name}"
    away = [device for device, said in system.get("devices", {}).items() if said["connected"] is False]
    if away:
        yield f"away: {', '.join(away)}"
    for alarm in system.get("alarms", ()):
        yield f"alarm {alarm['type']} since {alarm['since']}"


def _title(reading: Document) -> Text:
    flags = " ".join(flag for flag in ("late", "partial", "unsynced") if reading.get(flag))
    words = f"  {reading['kind']} every {reading['interval_ms']} ms, {reading['time']} {flags}"
    return Text(visible(words.rstrip()), style="dim")


def _values(values: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for name, value in values.items():
        table.add_row(f"    {visible(name)}", "—" if value is None else f"{value:,g}")
    return table


def _event(event: Document) -> Text:
    systems = ", ".join(dict.fromkeys(part["system_id"] for part in event["windows"]))
    until = "still active" if event["active"] else f"until {event['ended_at']}"
    return Text(visible(f"event {event['event_id']}: since {event['started_at']}, {until}: {systems}"))
