"""The table of a node's processes: what runs, in which order it starts, and how one sees that it works. Pure.

Rules that must stay true here:
- stages start in order and stop in reverse: what feeds others stops before what it feeds;
- every process that `ovr up` runs stands here, and in `compose.yml`.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ovr.config import CLOUD, ProducerSettings, Site
from ovr.layout import Layout
from ovr.ports import Ports
from producers.devices_file import ARRAYS, OPTION
from producers.simulator import nut
from projectors import victoria_server
from schemas.errors import ConfigurationError

MOSQUITTO = "mosquitto"
VICTORIA = "victoria-metrics"
SUPERVISOR = "supervisor"
RECORDER = "recorder"
REPLAY = "replay"
DETECTOR = "detector"
ALERTS = "alerts"
UPLINK = "uplink"
WEB = "web"
SIMULATOR = "simulator"
PROJECTORS = ("state", "counters", "series", "archive", "reports")
SERIES = "projector-series"
DEMO = "festival"
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_PACKAGES = {MOSQUITTO: "mosquitto", VICTORIA: "victoria-metrics"}
SERVICE, RECORD, FOLLOW, PRODUCE = range(4)


@dataclass(frozen=True, slots=True)
class Listening:
    """It works when it accepts connections on this port."""

    port: int


@dataclass(frozen=True, slots=True)
class Healthy:
    """It works when its health on the bus says `online`."""

    process: str


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process.

    Attributes:
        stage: processes of a stage start together, when those of the stage before work.
        grace_s: how long a stop may take before it is killed.
        metrics_port: where it serves /metrics; None when it does not, or not as we tell it.
    """

    name: str
    command: tuple[str, ...]
    stage: int
    ready: Listening | Healthy
    grace_s: float = 10.0
    metrics_port: int | None = None


def plan(site: Site, layout: Layout, ports: Ports, options: Sequence[str] = ()) -> list[ProcessSpec]:
    """List what a node runs.

    Args:
        site: what is configured.
        layout: the data directory.
        ports: where services listen.
        options: given to each of our own processes, such as `--config FILE`.

    Raises:
        ConfigurationError: a binary is missing.
    """
    producers = [one.name for one in site.producers]
    specs = []
    if site.broker.host is None:
        command = (binary(MOSQUITTO), "-c", str(layout.mosquitto_conf))
        specs.append(ProcessSpec(MOSQUITTO, command, SERVICE, Listening(ports.mqtt)))
    if site.victoria.url is None:
        binary(VICTORIA)
        said = site.victoria
        victoria = victoria_server.command(
            layout.victoria,
            ports.victoria,
            memory_mb=said.memory_mb,
            retention=said.retention,
            min_free_disk_mb=said.min_free_disk_mb,
            scrape=layout.scrape if site.metrics.enabled else None,
        )
        ready = Listening(ports.victoria)
        specs.append(ProcessSpec(VICTORIA, tuple(victoria), SERVICE, ready, grace_s=60.0))

    def ours(name: str, stage: int, *words: str) -> ProcessSpec:
        command = (sys.executable, "-m", "ovr", *words, "--data", str(layout.data), *options)
        port = ports.metrics(name, producers) if site.metrics.enabled else None
        return ProcessSpec(name, command, stage, Healthy(name), metrics_port=port)

    specs.append(ours(RECORDER, RECORD, "record"))
    specs.append(ours(REPLAY, FOLLOW, "replay-service"))
    specs += [ours(f"projector-{name}", FOLLOW, "project", name) for name in PROJECTORS]
    specs.append(ours(DETECTOR, FOLLOW, "detect"))
    specs.append(ours(ALERTS, FOLLOW, "alert"))
    specs.append(ours(WEB, FOLLOW, "web"))
    if site.uplink.host is not None:
        specs.append(ours(UPLINK, FOLLOW, "uplink"))
    if site.simulator.scenario is not None:
        specs.append(ours(SIMULATOR, FOLLOW, "simulate", site.simulator.scenario))
    for one in site.producers:
        specs.append(ours(one.name, PRODUCE, "produce", one.name, *_simulated(one, site, layout)))
    unknown = set(site.without) - {spec.name for spec in specs if spec.stage == FOLLOW}
    if unknown:
        may = ", ".join(spec.name for spec in specs if spec.stage == FOLLOW)
        raise ConfigurationError(f"a node cannot be without {min(unknown)}: what it may be without is {may}")
    specs = [spec for spec in specs if spec.name not in left_out(site)]
    names = [spec.name for spec in specs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigurationError(f"a producer cannot be called {min(twice)}: one of our processes is")
    return specs


def left_out(site: Site) -> frozenset[str]:
    """Name our own processes that a site does not run; a cloud judges nothing: its nodes did."""
    return frozenset(site.without) | ({DETECTOR, ALERTS} if site.role == CLOUD else frozenset())


def binary(name: str) -> str:
    """Find a program that a Debian package brings.

    Raises:
        ConfigurationError: it is not installed; the message says how to get it.
    """
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM_PATH)
    if found is None:
        raise ConfigurationError(
            f"{name} is not installed: get it with `sudo apt-get install {_PACKAGES.get(name, name)}`"
        )
    return found


def demo(site: Site) -> Site:
    """Return a site that shows something: unless it has producers, this machine and a virtual site.

    Its UPSes are there when NUT is installed.
    """
    if site.producers:
        return site
    kinds = ["host", *(kind for kind in ARRAYS.values() if kind != "ups" or nut.installed())]
    simulator = replace(site.simulator, scenario=site.simulator.scenario or DEMO)
    return replace(site, simulator=simulator, producers=tuple(ProducerSettings(kind, kind) for kind in kinds))


def _simulated(producer: ProducerSettings, site: Site, layout: Layout) -> Sequence[str]:
    """Tell a producer where a virtual site's devices are, unless it reads others."""
    takes = site.simulator.scenario is not None and producer.kind in ARRAYS.values()
    if not takes or OPTION in producer.options:
        return ()
    return "--option", f"{OPTION}={layout.simulated_devices}"
