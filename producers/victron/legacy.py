"""Takes over what the system before this one was told about GX devices.

Pure: texts in, texts out. `gx_systems.json` lists the GX devices; `map_fast.tsv` and `map_slow.tsv` say which
D-Bus paths became which metrics. Nobody has written down how those files are laid out, so they are read with
an open mind. Rules that must stay true here:
- what is not understood is reported with its line, never guessed;
- what our mapping reads already is left to it: it has names, units and signs for it;
- a metric's old name goes on only where its values are the same as ours.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bus.system_ids import canonical
from producers.victron import mapping_file
from producers.victron.mapping import GxMap, Pace
from producers.victron.options import entries, is_portal_id
from schemas.errors import ConfigurationError, InputError

_HOST = ("host", "ip", "address", "hostname", "ip_address", "gx_host", "gx_ip", "mqtt_host", "broker")
_PORTAL = ("portal_id", "portal", "vrm_portal_id", "vrm_id", "vrm_portal", "vrm", "serial")
_NAME = ("system_id", "system", "name", "label", "id")
_KEPT = ("port", "username", "password", "tls")
_LISTS = ("systems", "gx_systems", "gx", "devices", "gx_devices")
_PATH_HEADS = frozenset({"path", "topic", "dbus_path", "object_path", "object", "mqtt_topic", "dbus"})
_SERVICE_HEADS = frozenset({"service", "dbus_service", "service_name", "bus", "type"})
_METRIC_HEADS = frozenset({"metric", "name", "metric_name", "measurement", "prom", "prom_name", "prometheus"})
_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_SERVICE = re.compile(r"com\.victronenergy\.([a-z0-9]+)(?:[.:/].*)?|([a-z][a-z0-9]*)(?:/[0-9]+)?")
_SPLIT = re.compile(r"\t+| {2,}")
_OTHERS = frozenset(
    {"dcload", "dcsource", "dcsystem", "evcharger", "fuelcell", "meteo", "motordrive", "pulsemeter", "switch"}
)
_PREFIX = "victron_"
_KINDS_OF_TOPIC = ("N", "R")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was not understood, or that needs a person's eye."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.why}"


@dataclass(frozen=True, slots=True)
class OldMetric:
    """One line of a map."""

    line: int
    service: str
    path: str
    metric: str


@dataclass(slots=True)
class TakenOver:
    """What came of it.

    Attributes:
        gx: TOML with `[[gx]]` tables, for a devices file.
        mapping: TOML for the option `mapping`; empty when ours reads everything.
        names: TOML with the old names of measurements, for the series; empty when there are none.
        covered: how many of the old metrics our own mapping reads.
    """

    gx: str = ""
    mapping: str = ""
    names: str = ""
    covered: int = 0
    problems: list[Problem] = field(default_factory=list)


def take_over(
    systems: str = "",
    fast: str = "",
    slow: str = "",
    *,
    mapping_path: str = "",
    ours: GxMap | None = None,
) -> TakenOver:
    """Read the texts of the three files; each may be empty.

    Args:
        systems: of `gx_systems.json`.
        fast: of `map_fast.tsv`.
        slow: of `map_slow.tsv`.
        mapping_path: where the mapping will be written; the entries name it when there is one.
        ours: the mapping to compare with; the packaged one when left out.
    """
    taken = TakenOver()
    ours = ours or mapping_file.packaged()
    _take_maps(taken, {Pace.FAST: fast, Pace.SLOW: slow}, ours)
    devices = list(_devices(systems, taken.problems)) if systems.strip() else []
    extra = {"mapping": mapping_path} if taken.mapping and mapping_path else {}
    taken.gx = "\n".join(_table("[[gx]]", {**device, **extra}) for device in devices)
    return taken


def read_map(text: str, file: str, problems: list[Problem], ours: GxMap) -> Iterator[OldMetric]:
    """Read a map line by line."""
    heads: list[str] = []
    first = True
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip().lstrip("\ufeff")
        if not stripped or stripped.startswith(("#", "//", ";")):
            continue
        cells = [cell.strip().strip('"') for cell in _SPLIT.split(stripped)]
        if len(cells) == 1:
            cells = [cell.strip().strip('"') for cell in re.split(r"[,;\s]", stripped) if cell.strip()]
        if first and not any("/" in cell for cell in cells):
            heads = [cell.lower() for cell in cells]
            first = False
            continue
        first = False
        found = _old_metric(number, cells, heads, ours)
        if isinstance(found, str):
            problems.append(Problem(file, number, f"{found}: {stripped[:120]}"))
        else:
            yield found


def _take_maps(taken: TakenOver, texts: Mapping[Pace, str], ours: GxMap) -> None:
    own: dict[tuple[str, Pace], dict[str, str]] = {}
    names: dict[str, str] = {}
    for pace, text in texts.items():
        file = f"map_{pace}.tsv"
        for old in read_map(text, file, taken.problems, ours):
            service = ours.services.get(old.service)
            readings = service.readings.get(old.path, ()) if service else ()
            if not readings:
                own.setdefault((old.service, pace), {})[old.path] = _free_name(old.metric)
                continue
            taken.covered += 1
            known = readings[0]
            if known.pace is not pace:
                taken.problems.append(
                    Problem(file, old.line, f"{known.name} is read at the {known.pace} pace now")
                )
            legacy = old.metric.removeprefix(_PREFIX)
            if known.scale != 1.0 or known.magnitude:
                why = f"{old.metric} had another unit or sign than {known.name}"
                taken.problems.append(Problem(file, old.line, why))
            elif legacy != known.name and old.metric.startswith(_PREFIX):
                names[legacy] = known.name
    taken.mapping = "\n".join(
        _table(f"[services.{service}.{pace}]", paths) for (service, pace), paths in sorted(own.items())
    )
    taken.names = _table("[victron]", names) if names else ""


def _old_metric(number: int, cells: list[str], heads: list[str], ours: GxMap) -> OldMetric | str:
    """Find path, service and metric in a line; a text says why not."""
    said = dict(zip(heads, cells, strict=False)) if len(heads) >= len(cells) else {}
    paths = _named(said, _PATH_HEADS) or [
        cell for cell in cells if "/" in cell and not cell.startswith("com.")
    ]
    paths = paths or [cell for cell in cells if "/" in cell]
    if not paths:
        return "no path of the D-Bus, which has a / in it"
    rest = [cell for cell in cells if cell != paths[0]]
    service, path = _service_and_path(paths[0])
    if not service:
        candidates = _named(said, _SERVICE_HEADS) or rest
        service, used = _service(candidates, ours)
        rest = [cell for cell in rest if cell != used]
    if not service:
        having = [each.type for each in ours.services.values() if path in each.readings]
        if len(having) != 1:
            return f"which service has {path} is not said"
        service = having[0]
    metrics = _named(said, _METRIC_HEADS) or [cell for cell in rest if _METRIC.fullmatch(cell)]
    metrics.sort(key=lambda cell: (not cell.startswith(_PREFIX), "_" not in cell))
    if not metrics or not _METRIC.fullmatch(metrics[0]):
        return "no name of a metric"
    return OldMetric(number, service, path, metrics[0])


def _named(said: Mapping[str, str], heads: Iterable[str]) -> list[str]:
    return [said[head] for head in heads if said.get(head)]


def _service_and_path(text: str) -> tuple[str, str]:
    """Take a topic or a path apart; the service is empty when it is not part of it."""
    if text.startswith("/"):
        return "", text.rstrip("/")
    head, _, rest = text.partition("/")
    if head in _KINDS_OF_TOPIC and rest.count("/") >= 3:  # noqa: PLR2004 - portal, service, instance, path
        _, head, _, rest = rest.split("/", 3)
        return head, f"/{rest.rstrip('/')}"
    found = _SERVICE.fullmatch(head.rstrip(":"))
    instance, _, path = rest.partition("/")
    if instance.isdecimal() and path:
        rest = path
    return (found[1] or found[2], f"/{rest.rstrip('/')}") if found else ("", f"/{text}")


def _service(cells: Iterable[str], ours: GxMap) -> tuple[str, str]:
    """Find the cell that names a service: with its full name, or one that we know."""
    for cell in cells:
        found = _SERVICE.fullmatch(cell)
        if found and (found[1] or found[2] in ours.services or found[2] in _OTHERS):
            return found[1] or found[2], cell
    return "", ""


def _free_name(metric: str) -> str:
    plain = re.sub(r"[^a-z0-9_]", "_", metric.removeprefix(_PREFIX).lower())
    return f"x_{plain.strip('_') or 'unnamed'}"


def _devices(text: str, problems: list[Problem]) -> Iterator[dict[str, Any]]:
    file = "gx_systems.json"
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        problems.append(Problem(file, error.lineno, f"it is no JSON: {error.msg}"))
        return
    seen: list[dict[str, Any]] = []
    for name, said in _listed(document):
        line = _line_of(text, name, said)
        device = _device(name, said)
        if device is None:
            problems.append(Problem(file, line, f"no host in {json.dumps(said)[:120]}"))
            continue
        try:
            entries({"gx": [*seen, device]})
        except ConfigurationError as error:
            problems.append(Problem(file, line, str(error)))
            continue
        seen.append(device)
        yield device


def _listed(document: Any) -> Iterator[tuple[str, Any]]:
    """Go through the devices: a list, or an object by name, or either within an object."""
    if isinstance(document, list):
        for said in document:
            yield "", said
    elif isinstance(document, dict):
        inner = next((document[key] for key in _LISTS if isinstance(document.get(key), list | dict)), None)
        if inner is not None:
            yield from _listed(inner)
        elif _first(document, _HOST):
            yield "", document
        else:
            yield from document.items()
    else:
        yield "", document


def _device(name: str, said: Any) -> dict[str, Any] | None:
    if isinstance(said, str):
        said = {"host": said}
    if not isinstance(said, dict) or not (host := _first(said, _HOST)):
        return None
    host, _, port = str(host).rpartition("//")[2].rstrip("/").partition(":")
    device: dict[str, Any] = {"host": host}
    if port.isdecimal():
        device["port"] = int(port)
    device |= {key: said[key] for key in _KEPT if isinstance(said.get(key), str | int) and said[key]}
    if isinstance(device.get("port"), str) and device["port"].isdecimal():
        device["port"] = int(device["port"])
    portal_id = str(_first(said, _PORTAL) or (name if _looks_like_portal(name) else ""))
    if is_portal_id(portal_id):
        device["portal_id"] = portal_id
    called = str(_first(said, _NAME) or ("" if _looks_like_portal(name) else name))
    try:
        device["system_id"] = canonical(called)
    except InputError:
        return device | ({"name": called} if called.isprintable() and called else {})
    return device


def _looks_like_portal(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{12}", text) is not None


def _first(said: Mapping[str, Any], keys: Iterable[str]) -> Any:
    lowered = {str(key).lower(): value for key, value in said.items()}
    return next(
        (lowered[key] for key in keys if isinstance(lowered.get(key), str | int) and lowered[key]), None
    )


def _line_of(text: str, name: str, said: Any) -> int:
    """Find the line of a device by what it says, to show where to look."""
    marks = [name] if name else [said] if isinstance(said, str) else []
    if isinstance(said, dict):
        marks += [value for value in said.values() if isinstance(value, str)]
    where = next((at for mark in marks if mark and (at := text.find(json.dumps(mark))) >= 0), 0)
    return text.count("\n", 0, where) + 1


def _table(head: str, said: Mapping[str, Any]) -> str:
    lines = [head]
    for key, value in said.items():
        plain = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
        lines.append(f"{plain} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
