"""The processes of a node, one a command: what `ovr up` starts, and what containers run."""

import logging
import time
from pathlib import Path
from typing import Annotated

import typer

from ovr.config import ProducerSettings
from ovr.kinds import KINDS, kind_of
from ovr.node import Node, open_node
from ovr.options import Config, Data
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.25


def record(data: Data = None, config: Config = None) -> None:
    """Run the recorder: takes the intake, writes the journal, publishes what it recorded.

    Example: `ovr record --data data`
    """
    from bus.recorder import Limits, Recorder
    from bus.sealing import Keeping
    from projectors.live import stop_signals

    stopped = stop_signals()
    node = open_node(data, config)
    said, kept = node.site.recorder, node.site.journal
    recorder = Recorder(
        made(node),
        node.broker("recorder"),
        node_id=node.site.node_id,
        aliases=node.aliases(),
        limits=Limits(linger_s=said.linger_ms / 1000, batch=said.batch),
        keeping=Keeping(
            kept.seal_after_days, kept.samples_days, kept.sealed_mb and kept.sealed_mb * 1_000_000
        ),
    )
    recorder.run(stopped)


def project(
    projector: Annotated[str, typer.Argument(help="`state`, `counters`, `series`, `archive` or `reports`.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Run a projector: keeps one read model up to date with the journal.

    Example: `ovr project state --data data`
    """
    node = open_node(data, config)
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


def produce(
    name: Annotated[str, typer.Argument(help="A producer of site.toml, or a kind: `host`, `victron`, …")],
    data: Data = None,
    config: Config = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="An option of the producer, as `name=value`.")
    ] = None,
) -> None:
    """Run a producer: reads devices and sends what they say.

    Example: `ovr produce victron --data data -o devices_file=data/simulator/devices.toml`
    """
    from producers.pace import pace
    from producers.run import run_producer

    node = open_node(data, config)
    given = dict(_pair(text) for text in option or ())
    clock = node.site.clock
    run_producer(
        _producer(node, name).kind,
        node.broker(name),
        client=name,
        node_id=node.site.node_id,
        data=made(node),
        reread=lambda: {**_producer(open_node(data, config), name).options, **given},
        site=node.source,
        paced=pace(clock.speed, clock.real_zero, clock.zero),
    )


def detect(data: Data = None, config: Config = None) -> None:
    """Run the detector: tells what the readings mean, as UPS-style occurrences by rules.

    Example: `ovr detect --data data`
    """
    from detection.run import run_detector

    node = open_node(data, config)
    said = node.site.detection
    run_detector(
        made(node),
        node.broker("detector"),
        node_id=node.site.node_id,
        rules=said.rules,
        systems=said.systems,
    )


def alert(data: Data = None, config: Config = None) -> None:
    """Run the alerts: tells when something occurs too often, on the stream and to Alertmanager.

    Example: `ovr alert --data data`
    """
    from detection.run_alerts import Delivery, run_alerts
    from ovr.alerts import limits

    node = open_node(data, config)
    said = node.site.alerts
    run_alerts(
        made(node),
        node.broker("alerts"),
        node_id=node.site.node_id,
        limits_of=limits(said),
        delivery=Delivery(said.url, said.link, said.every_s),
    )


def replay_service(data: Data = None, config: Config = None) -> None:
    """Run the replay service: answers requests for the past on the bus.

    Example: `ovr replay-service --data data`
    """
    from bus.replay import ReplayService
    from projectors.live import stop_signals

    stopped = stop_signals()
    node = open_node(data, config)
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


def made(node: Node) -> Path:
    """Return the data directory, made when it is missing."""
    node.layout.data.mkdir(parents=True, exist_ok=True)
    return node.layout.data


def _producer(node: Node, name: str) -> ProducerSettings:
    found = (one for one in node.site.producers if one.name == name)
    return next(found, ProducerSettings(name, name))


def _pair(text: str) -> tuple[str, str | int | float | bool]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"write options as name=value, not {text!r}", param_hint="--option")
    if value in {"true", "false"}:
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value
