"""The configuration of a node: one `site.toml`, overridden by environment variables, as frozen values.

Rules that must stay true here:
- every key has a default, and `ovr config example` explains it;
- an unknown key or variable is an error that names the nearest known one: no typing mistake goes unnoticed;
- what the file says about paths is relative to the file.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ovr import (
    backup_settings,
    disk_settings,
    log_settings,
    metrics_settings,
    older_names,
    report_settings,
    uplink_settings,
)
from ovr.backup_settings import BackupSettings
from ovr.config_reading import Reading, unknown_key
from ovr.disk_settings import DiskSettings
from ovr.log_settings import LogSettings
from ovr.metrics_settings import MetricsSettings
from ovr.ports import ROOM
from ovr.report_settings import ReportsSettings
from ovr.uplink_settings import UplinkSettings
from producers.pace import pace
from schemas.errors import ConfigurationError
from web.settings import MapSettings, WebSettings

PREFIX = "OVR_"
CONFIG_VARIABLE = "OVR_CONFIG"
_NODE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LAST_PORT = 65_535
NODE, CLOUD = "node", "cloud"


@dataclass(frozen=True, slots=True)
class Listen:
    """Where this node's own services listen.

    Attributes:
        address: of MQTT and websockets; loopback unless operators' devices are to reach the broker.
        port_base: MQTT; websockets one above, VictoriaMetrics two, HTTP three; None looks for free ports.
        tls_port: MQTT with TLS on all addresses, when `cert_file` and `key_file` are given.
        client_ca_file: ask clients on the TLS port for a certificate signed by this authority.
    """

    address: str = "127.0.0.1"
    port_base: int | None = None
    tls_port: int = 8883
    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None
    include: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """A broker that somebody else runs; without a host, `ovr up` runs one.

    Attributes:
        username: who we are to it; each process's own name when left out.
        password: better given as `OVR_BROKER_PASSWORD`.
        tls: encrypt; checked against `ca_file`, or the system's authorities.
    """

    host: str | None = None
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """How the recorder groups commits: fewer are easier on flash, more are seen sooner."""

    linger_ms: int = 200
    batch: int = 512


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """How long the journal keeps what; operator events and occurrences stay for ever.

    Attributes:
        seal_after_days: older events are compressed together, in files beside the tables.
        samples_days: the readings of older samples are erased; None keeps them.
        sealed_mb: and the oldest, when the sealed files are larger; None lets them grow.
    """

    seal_after_days: float = 7.0
    samples_days: float | None = None
    sealed_mb: int | None = None


@dataclass(frozen=True, slots=True)
class VictoriaSettings:
    """VictoriaMetrics; with a `url`, one that somebody else runs."""

    url: str | None = None
    retention: str = "10y"
    memory_mb: int = 256
    min_free_disk_mb: int = 512


@dataclass(frozen=True, slots=True)
class SeriesSettings:
    """What the series projector writes besides its own names.

    Attributes:
        compatibility: also write the names of dashboards made before `ovr`, with the label `db`.
        database: the value of that label.
        names_file: a table of such names to use instead of the packaged one.
    """

    compatibility: bool = False
    database: str = "telegraf"
    names_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """How often the archive is written: seldom is easier on flash; reports never wait for it."""

    every_s: float = 300.0


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """How time runs for the producers, in simulations only.

    Attributes:
        speed: how many times as fast as the true time.
        real_zero: a true time.
        zero: what time it was in the simulation then.
    """

    speed: float = 1.0
    real_zero: str | None = None
    zero: str | None = None


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How occurrences are detected.

    Attributes:
        rules: files of more rules, which add to those of the program or replace them by id.
        systems: what single systems are (cells, chemistry, rated_a …), and limits changed for them.
    """

    rules: tuple[Path, ...] = ()
    systems: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What is too often, and who is told.

    Attributes:
        url: of a Prometheus Alertmanager; without it alerts are on the stream and in the state only.
        link: where people see more, told with each alert.
        every_s: how often Alertmanager is told what stands.
        yaml: the event counters' YAML file, of which `alert_thresholds` is read.
        thresholds: limits by occurrence, over those of the program and of the YAML file.
        systems: by system, limits of its own.
    """

    url: str | None = None
    link: str | None = None
    every_s: float = 30.0
    yaml: Path | None = None
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    systems: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountersSettings:
    """How much the counters keep, and which reports make themselves.

    Attributes:
        history_days: single occurrences are kept for so long; totals for ever.
        history_most: and no more than so many of each system and type.
        daily, weekly: make reports of days and weeks.
        formats: json, csv, text, html.
        reports: where they are put; `reports/counters` in the data directory when left out.
        yaml: the event counters' YAML file, whose settings count where none stand here.
    """

    history_days: int = 365
    history_most: int = 10_000
    daily: bool = True
    weekly: bool = True
    formats: tuple[str, ...] = ("json", "csv", "html")
    reports: Path | None = None
    yaml: Path | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    """What is to be maintained when, besides schemas/maintenance.toml.

    Attributes:
        items: more items, or others in their place, by name.
        done: by system and item, the hours on the counter when it was last done.
    """

    items: Mapping[str, Any] = field(default_factory=dict)
    done: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """A virtual site that `ovr up` runs, for the producers to read.

    Attributes:
        scenario: the name of one that comes with us, or the path of a .toml file; without it there is none.
        seed: another than the scenario's own: other weather, other noise.
    """

    scenario: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ProducerSettings:
    """One producer: its name at the broker, its kind, and what else its table says."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that can be configured.

    Attributes:
        node_id: names the place; part of every event's source, so set it once.
        role: `node`, where samples are first recorded; or `cloud`, where the uplinks of nodes end.
        deployment_id: names the job or the customer that the node works for; told with metrics and health.
        data: the data directory.
        mount: refuse to start unless something is mounted here.
        prefix: of all topics.
        without: our own processes that this node does not run, such as `alerts` or `projector-counters`.
        aliases: other names of systems, and the system each stands for.
    """

    node_id: str = "node"
    role: str = NODE
    deployment_id: str = ""
    data: Path | None = None
    mount: Path | None = None
    prefix: str = "ovr"
    without: tuple[str, ...] = ()
    listen: Listen = Listen()
    broker: BrokerSettings = BrokerSettings()
    recorder: RecorderSettings = RecorderSettings()
    journal: JournalSettings = JournalSettings()
    victoria: VictoriaSettings = VictoriaSettings()
    series: SeriesSettings = SeriesSettings()
    archive: ArchiveSettings = ArchiveSettings()
    backup: BackupSettings = field(default_factory=BackupSettings)
    disk: DiskSettings = field(default_factory=DiskSettings)
    clock: ClockSettings = ClockSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    detection: DetectionSettings = DetectionSettings()
    counters: CountersSettings = CountersSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    alerts: AlertSettings = AlertSettings()
    reports: ReportsSettings = field(default_factory=ReportsSettings)
    web: WebSettings = field(default_factory=WebSettings)
    map: MapSettings = field(default_factory=MapSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    uplink: UplinkSettings = field(default_factory=UplinkSettings)
    aliases: Mapping[str, str] = field(default_factory=dict)
    producers: tuple[ProducerSettings, ...] = ()


def load(path: Path | None, environment: Mapping[str, str]) -> Site:
    """Read a node's configuration; the defaults when `path` is None.

    Raises:
        ConfigurationError: the file cannot be read, or says what cannot be.
    """
    said: dict[str, Any] = {}
    if path is not None:
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"there is no {path}: write one with `ovr config example > {path}`"
            ) from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error
    reading = Reading(str(path or "site.toml"), path.parent.absolute() if path else Path())
    producers = _producers(said.pop("producers", {}), reading.where)
    detection = _detection(said.pop("detection", {}), reading)
    maintenance = _maintenance(said.pop("maintenance", {}), reading.where)
    alerts = _alerts(said.pop("alerts", {}), reading)
    reports = report_settings.read(said.pop("reports", {}), reading)
    site = reading.table(Site, said, skip=("producers", "detection", "maintenance", "alerts", "reports"))
    site = replace(site, producers=producers, detection=detection, maintenance=maintenance, alerts=alerts)
    site = replace(site, reports=reports)
    site = reading.override(site, _variables(older_names.translated(environment)), PREFIX)
    _check(site, reading.where)
    return site


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text
        for name, text in environment.items()
        if name.startswith(PREFIX) and name != CONFIG_VARIABLE and text
    }


def _producers(said: Any, where: str) -> tuple[ProducerSettings, ...]:
    if not isinstance(said, dict):
        raise ConfigurationError(f"{where}: write producers as tables: [producers.host]")
    found = []
    for name, table in said.items():
        if not isinstance(table, dict):
            raise ConfigurationError(f"{where}: write [producers.{name}] as a table of options")
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{where}: name producers with a-z, 0-9, - and _, not {name!r}")
        options = dict(table)
        kind = options.pop("kind", name)
        if not isinstance(kind, str):
            raise ConfigurationError(f"{where}: producers.{name}.kind must be text, got {kind!r}")
        found.append(ProducerSettings(name, kind, options))
    return tuple(found)


def _detection(said: Any, reading: Reading) -> DetectionSettings:
    if not isinstance(said, dict) or not isinstance(systems := said.pop("systems", {}), dict):
        raise ConfigurationError(f"{reading.where}: write detection as a table, and [detection.systems.<id>]")
    settings = reading.table(DetectionSettings, said, "detection.", skip=("systems",))
    return replace(settings, systems=systems)


def _alerts(said: Any, reading: Reading) -> AlertSettings:
    if not isinstance(said, dict):
        raise ConfigurationError(f"{reading.where}: write alerts as a table")
    # What these hold is read by detection/limits.py, which knows the occurrences.
    tables = {name: said.pop(name, {}) for name in ("thresholds", "systems")}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigurationError(f"{reading.where}: write alerts.{name} as a table")
    return replace(reading.table(AlertSettings, said, "alerts.", skip=tuple(tables)), **tables)


def _maintenance(said: Any, where: str) -> MaintenanceSettings:
    if not isinstance(said, dict) or said.keys() - {"items", "done"}:
        raise ConfigurationError(f"{where}: maintenance has the tables items and done")
    items, done = said.get("items", {}), said.get("done", {})
    numbers = isinstance(done, dict) and all(
        isinstance(of_system, dict) and all(isinstance(hours, int | float) for hours in of_system.values())
        for of_system in done.values()
    )
    if not isinstance(items, dict) or not numbers:
        raise ConfigurationError(f"{where}: write [maintenance.done.<system>] with hours by item")
    return MaintenanceSettings(items, done)


def _check(site: Site, where: str) -> None:
    if not _NODE_ID.fullmatch(site.node_id):
        raise ConfigurationError(
            f"{where}: node_id must be at most 40 of a-z, 0-9, - and _, got {site.node_id!r}"
        )
    if site.role not in {NODE, CLOUD}:
        raise ConfigurationError(f"{where}: role is {NODE} or {CLOUD}, not {site.role!r}")
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", site.prefix):
        raise ConfigurationError(f"{where}: prefix must be topic levels of letters, digits, - and _")
    _pace(site.clock, where)
    listen = site.listen
    if listen.port_base is not None and not 1 <= listen.port_base <= _LAST_PORT - ROOM:
        raise ConfigurationError(f"{where}: listen.port_base must leave room for 40 ports below 65536")
    if (listen.cert_file is None) != (listen.key_file is None):
        raise ConfigurationError(f"{where}: listen.cert_file and listen.key_file go together")
    _amounts(site, where)
    backup_settings.check(site.backup, where)
    disk_settings.check(site.disk, where)
    _check_web(site, where)
    metrics_settings.check(site.metrics, where)
    log_settings.check(site.log, where)
    uplink_settings.check(site.uplink, where)
    if site.archive.every_s < 1:
        raise ConfigurationError(f"{where}: archive.every_s must be at least 1")
    if site.alerts.every_s < 1:
        raise ConfigurationError(f"{where}: alerts.every_s must be at least 1")
    if site.recorder.linger_ms < 0:
        raise ConfigurationError(f"{where}: recorder.linger_ms must not be negative")
    if not re.fullmatch(r"[1-9][0-9]*[hdwy]", site.victoria.retention):
        raise ConfigurationError(f"{where}: victoria.retention is a number with h, d, w or y, such as 10y")


def _amounts(site: Site, where: str) -> None:
    for name, number in (
        ("recorder.batch", site.recorder.batch),
        ("victoria.memory_mb", site.victoria.memory_mb),
        ("journal.sealed_mb", site.journal.sealed_mb),
    ):
        if number is not None and number < 1:
            raise ConfigurationError(f"{where}: {name} must be at least 1")
    said = site.journal
    if said.seal_after_days < 0 or (
        said.samples_days is not None and said.samples_days < said.seal_after_days
    ):
        raise ConfigurationError(
            f"{where}: journal.samples_days must not be less than journal.seal_after_days, nor that negative"
        )


def _check_web(site: Site, where: str) -> None:
    web, tiles = site.web, site.map
    if web.reads not in {"public", "key"}:
        raise ConfigurationError(f"{where}: web.reads is public or key, not {web.reads!r}")
    if web.port is not None and not 1 <= web.port <= _LAST_PORT:
        raise ConfigurationError(f"{where}: web.port must be 1 to {_LAST_PORT}")
    for name, number in (
        ("web.photo_mb", web.photo_mb),
        ("web.requests_per_s", web.requests_per_s),
        ("map.mapbox_free", tiles.mapbox_free),
        ("map.esri_free", tiles.esri_free),
    ):
        if number < 1:
            raise ConfigurationError(f"{where}: {name} must be at least 1")
    if not 0 < tiles.limit_pct <= 1:
        raise ConfigurationError(f"{where}: map.limit_pct is a part, such as 0.95 for 95 %")


def _pace(said: ClockSettings, where: str) -> None:
    try:
        pace(said.speed, said.real_zero, said.zero)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach an address."""
    return address in _LOOPBACK


__all__ = [
    "CONFIG_VARIABLE",
    "AlertSettings",
    "BrokerSettings",
    "ClockSettings",
    "CountersSettings",
    "DetectionSettings",
    "JournalSettings",
    "Listen",
    "MaintenanceSettings",
    "ProducerSettings",
    "RecorderSettings",
    "SeriesSettings",
    "SimulatorSettings",
    "Site",
    "VictoriaSettings",
    "is_loopback",
    "load",
    "unknown_key",
]
