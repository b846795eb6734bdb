"""The processes of a node, one a command: what `ovr up` starts, and what containers run.

What each of them does is in `ovr.starting`, which starts them without this.
"""

from typing import Annotated

import typer

from ovr import starting
from ovr.options import Config, Data
from ovr.starting import Words


def record(data: Data = None, config: Config = None) -> None:
    """Run the recorder: takes the intake, writes the journal, publishes what it recorded.

    Example: `ovr record --data data`
    """
    starting.record(Words(data, config))


def project(
    projector: Annotated[str, typer.Argument(help="`state`, `counters`, `series`, `archive` or `reports`.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Run a projector: keeps one read model up to date with the journal.

    Example: `ovr project state --data data`
    """
    starting.project(Words(data, config, (projector,)))


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
    for text in option or ():
        try:
            starting.option(text)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--option") from error
    starting.produce(Words(data, config, (name,), tuple(option or ())))


def detect(data: Data = None, config: Config = None) -> None:
    """Run the detector: tells what the readings mean, as UPS-style occurrences by rules.

    Example: `ovr detect --data data`
    """
    starting.detect(Words(data, config))


def alert(data: Data = None, config: Config = None) -> None:
    """Run the alerts: tells when something occurs too often, on the stream and to Alertmanager.

    Example: `ovr alert --data data`
    """
    starting.alert(Words(data, config))


def replay_service(data: Data = None, config: Config = None) -> None:
    """Run the replay service: answers requests for the past on the bus.

    Example: `ovr replay-service --data data`
    """
    starting.replay_service(Words(data, config))


def uplink(data: Data = None, config: Config = None) -> None:
    """Run the uplink: sends the journal to the cloud that `[uplink]` of site.toml names.

    Example: `ovr uplink --data data`
    """
    starting.uplink(Words(data, config))
