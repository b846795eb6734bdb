"""`ovr config`: the configuration, explained and checked."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from ovr.options import Config, Data

_HIDDEN: Final = "…"
_SECRET: Final = re.compile("password|secret|token", re.IGNORECASE)
_USER: Final = re.compile(r"(://)[^/\s]*@")
app = typer.Typer(no_args_is_help=True, help="Explain and check the configuration.")


@app.command()
def example() -> None:
    """Print a site.toml with every key explained.

    Example: `ovr config example > data/site.toml`
    """
    typer.echo((resources.files("ovr") / "site.example.toml").read_text(encoding="utf-8"), nl=False)


@app.command()
def show(data: Data = None, config: Config = None) -> None:
    """Print the configuration as it is understood, as JSON; exit status 78 when it is wrong.

    Example: `ovr config show | jq .listen`
    """
    from detection.alert_address import address
    from detection.rules import load
    from detection.run import rules_of
    from ovr.alerts import limits
    from ovr.node import open_node
    from ovr.reports import delivery, wishes

    node = open_node(data, config)
    node.aliases()
    limits(node.site.alerts)
    if node.site.alerts.url is not None:
        address(node.site.alerts.url)
    rules_of(load(node.site.detection.rules), node.site.detection.systems)
    wishes(node.site.reports)
    delivery(node.site)
    said = _without_secrets(asdict(node.site))
    typer.echo(orjson.dumps(said, default=str, option=orjson.OPT_INDENT_2).decode())


def _without_secrets(said: Any) -> Any:
    """Hide every password, wherever an option holds one."""
    if isinstance(said, Mapping):
        return {
            name: _HIDDEN if value and _SECRET.search(str(name)) else _without_secrets(value)
            for name, value in said.items()
        }
    if isinstance(said, str):
        return _USER.sub(rf"\1{_HIDDEN}@", said)
    return [_without_secrets(one) for one in said] if isinstance(said, list | tuple) else said


@app.command("broker")
def broker(
    address: Annotated[str, typer.Option("--address", help="Where Mosquitto listens.")] = "0.0.0.0",  # noqa: S104 - a container's own network
    port_base: Annotated[int, typer.Option("--port-base", help="MQTT here, websockets one above.")] = 1883,
    producer: Annotated[
        list[str] | None, typer.Option("--producer", help="Also let this producer in; may be repeated.")
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write what a Mosquitto of its own needs, with passwords for our processes: for containers.

    Example: `ovr config broker --data /data && mosquitto -c /data/run/mosquitto.conf`
    """
    from dataclasses import replace

    from ovr.config import ProducerSettings
    from ovr.node import open_node
    from ovr.ports import Ports
    from ovr.preparing import prepare_broker
    from ovr.processes import plan
    from ovr.scraping import container_config
    from ovr.users import write_private

    node = open_node(data, config)
    known = {one.name for one in node.site.producers}
    more = tuple(ProducerSettings(name, name) for name in producer or () if name not in known)
    listen = replace(node.site.listen, address=address)
    node = replace(node, site=replace(node.site, listen=listen, producers=node.site.producers + more))
    Path(node.layout.run).mkdir(parents=True, exist_ok=True)
    prepare_broker(node, Ports(port_base), anonymous=False)
    if node.site.metrics.enabled and node.site.metrics.port is not None:
        specs = plan(node.site, node.layout, Ports(port_base))
        write_private(node.layout.scrape, container_config(node, specs))
    typer.echo(f"wrote {node.layout.mosquitto_conf}")
