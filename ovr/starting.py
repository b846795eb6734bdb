"""What each process of a node runs, and how the supervisor's words for it are read without a command line.

Rules that must stay true here:
- a process loads what it needs and nothing else: what others need is imported by them alone, inside;
- words that are not exactly as the supervisor writes them are left to the command line, which explains them.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from ovr.config import ProducerSettings
from ovr.kinds import KINDS, kind_of
from ovr.logs import configure
from ovr.metrics import expose
from ovr.node import Node, open_node
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)

Option = str | int | float | bool
_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Words:
    """How a process was asked for.

    Attributes:
        data: the data directory; None for the one that site.toml says.
        config: the configuration; None for site.toml in the data directory.
        arguments: which projector, producer or scenario.
        options: of a producer.
    """

    data: Path | None = None
    config: Path | None = None
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def node(self) -> Node:
        """Read the configuration, log as it says, and serve the process's figures."""
        node = open_node(self.data, self.config)
        configure(node.site.log)
        expose(node)
        return node


def record(words: Words) -> None:
    """Run the recorder."""
    from bus.recorder import Limits, Recorder
    from bus.sealing import Keeping
    from ovr.backup_state import BackupAge
    from ovr.erasing import erasable
    from projectors.live import stop_signals

    stopped = stop_signals()
    node = words.node()
    said, kept = node.site.recorder, node.site.journal
    recorder = Recorder(
        made(node),
        node.broker("recorder"),
        node_id=node.site.node_id,
        aliases=node.aliases(),
        limits=Limits(linger_s=said.linger_ms / 1000, batch=said.batch),
        keeping=Keeping(
            kept.seal_after_days,
            kept.samples_days,
            kept.sealed_mb and kept.sealed_mb * 1_000_000,
            short_days=node.site.disk.samples_days,
            erasable=partial(erasable, node.site, node.layout),
        ),
        disk=node.site.disk.limits(),
        figures=BackupAge(node.layout.backup_state).figures,
    )
    recorder.run(stopped)


def project(words: Words) -> None:
    """Run a projector."""
    node, (projector,) = words.node(), words.arguments
    broker = node.broker(f"projector-{projector}")
    if projector in KINDS:
        from projectors.run import run

        run(kind_of(projector, node), made(node), broker)
    elif projector == "series":
        from ovr.series import settings
        from projectors.run_series import run_series

        run_series(made(node), broker, node.victoria_url(), settings=settings(node.site))
    elif projector == "archive":
        from projectors.run_archive import run_archive

        run_archive(made(node), broker, every_s=node.site.archive.every_s)
    elif projector == "reports":
        from ovr.reports import run as run_reports

        run_reports(node, made(node), broker)
    else:
        raise ConfigurationError(
            f"there is no projector {projector}: choose {', '.join(KINDS)}, series, archive or reports"
        )


def produce(words: Words) -> None:
    """Run a producer."""
    from producers.pace import pace
    from producers.run import run_producer

    node, (name,) = words.node(), words.arguments
    given = dict(option(text) for text in words.options)
    clock = node.site.clock
    run_producer(
        _producer(node, name).kind,
        node.broker(name),
        client=name,
        node_id=node.site.node_id,
        data=made(node),
        reread=lambda: {**_producer(words.node(), name).options, **given},
        site=node.source,
        paced=pace(clock.speed, clock.real_zero, clock.zero),
    )


def simulate(words: Words, *, seed: int | None = None, speed: float | None = None) -> None:
    """Run a virtual site."""
    from ovr.virtual import run

    run(words.node(), next(iter(words.arguments), None), seed=seed, speed=speed)


def detect(words: Words) -> None:
    """Run the detector."""
    from detection.run import run_detector

    node = words.node()
    said = node.site.detection
    run_detector(
        made(node),
        node.broker("detector"),
        node_id=node.site.node_id,
        rules=said.rules,
        systems=said.systems,
    )


def alert(words: Words) -> None:
    """Run the alerts."""
    from detection.run_alerts import Delivery, run_alerts
    from ovr.alerts import limits

    node = words.node()
    said = node.site.alerts
    run_alerts(
        made(node),
        node.broker("alerts"),
        node_id=node.site.node_id,
        limits_of=limits(said),
        delivery=Delivery(said.url, said.link, said.every_s),
    )


def web(words: Words, *, address: str | None = None, port: int | None = None) -> None:
    """Run the HTTP API, and serve the pages."""
    from ovr.web import gateway
    from web.api.run import PROCESS, run_web

    node = words.node()
    made(node)
    run_web(gateway(node, address=address, port=port), node.broker(PROCESS))


def replay_service(words: Words) -> None:
    """Run the replay service."""
    from bus.replay import ReplayService
    from projectors.live import stop_signals

    stopped = stop_signals()
    node = words.node()
    broker = node.broker("replay")
    said = False
    while not stopped():
        try:
            service = ReplayService(made(node), broker)
        except TransientError as error:
            if not said:
                log.info("%s", error)
            said = True
            time.sleep(_LOOK_EVERY_S)
        else:
            service.run(stopped)


def uplink(words: Words) -> None:
    """Run the uplink."""
    from ovr.uplink import settings
    from projectors.live import stop_signals
    from uplink.run import run_uplink

    stopped = stop_signals()
    node = words.node()
    run_uplink(made(node), node.broker("uplink"), settings(node), stopped)


def made(node: Node) -> Path:
    """Return the data directory, made when it is missing."""
    node.layout.data.mkdir(parents=True, exist_ok=True)
    return node.layout.data


def option(text: str) -> tuple[str, Option]:
    """Read `name=value`; what looks like a number or a truth value is one.

    Raises:
        ValueError: it is not written so.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"write options as name=value, not {text!r}")
    if value in {"true", "false"}:
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


PROCESSES: Final[Mapping[str, tuple[Callable[..., Any], range]]] = {
    "record": (record, range(1)),
    "project": (project, range(1, 2)),
    "produce": (produce, range(1, 2)),
    "simulate": (simulate, range(2)),
    "detect": (detect, range(1)),
    "alert": (alert, range(1)),
    "web": (web, range(1)),
    "replay-service": (replay_service, range(1)),
    "uplink": (uplink, range(1)),
}
"""By the command: what runs, and how many arguments it takes."""


def asked(line: Sequence[str]) -> tuple[Callable[[Words], Any], Words] | None:
    """Read the words of a process as the supervisor writes them; None for all others."""
    if not line or line[0] not in PROCESSES:
        return None
    run, takes = PROCESSES[line[0]]
    said: dict[str, list[str]] = {"": [], "--data": [], "--config": [], "--option": []}
    rest = iter(line[1:])
    for word in rest:
        dashed = word.startswith("-")
        value = next(rest, "-") if dashed else word
        if (dashed and word not in said) or value.startswith("-"):
            return None
        said[word if dashed else ""].append(value)
    once = len(said["--data"]) <= 1 and len(said["--config"]) <= 1
    if not once or len(said[""]) not in takes or (said["--option"] and run is not produce):
        return None
    data, config = (Path(*said[name]) if said[name] else None for name in ("--data", "--config"))
    try:
        dict(option(text) for text in said["--option"])
    except ValueError:
        return None
    return run, Words(data, config, tuple(said[""]), tuple(said["--option"]))


def _producer(node: Node, name: str) -> ProducerSettings:
    found = (one for one in node.site.producers if one.name == name)
    return next(found, ProducerSettings(name, name))
