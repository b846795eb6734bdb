"""A node as the commands see it: its configuration, its files, and where its services are reached.

Rules that must stay true here:
- the command line goes before the environment, that before the file, that before defaults;
- a running supervisor's record of ports is used only where the configuration names no other place.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from bus import system_ids
from bus.connection import Broker
from ovr import config, older_names
from ovr.config import CONFIG_VARIABLE, Site
from ovr.layout import Layout
from ovr.ports import Ports
from ovr.users import Users
from schemas.errors import ConfigurationError, InputError

DEFAULT_DATA = Path("data")


@dataclass(frozen=True, slots=True)
class Node:
    """One data directory and what is known about it.

    Attributes:
        source: the file that the configuration came from; None for the defaults.
    """

    site: Site
    layout: Layout
    source: Path | None

    def broker(self, user: str, *, password: str | None = None) -> Broker:
        """Tell how `user` reaches the broker.

        Raises:
            ConfigurationError: no supervisor runs here, and no other broker is configured.
        """
        said = self.site.broker
        host, port = said.host, said.port
        if host is None:
            host, port = "127.0.0.1", self.ports().mqtt
        name = said.username or user
        secret = password or said.password or Users(self.layout).secret(name)
        return Broker(
            host=host,
            port=port,
            username=name if secret else None,
            password=secret,
            tls=said.tls,
            ca_file=_text(said.ca_file),
            cert_file=_text(said.cert_file),
            key_file=_text(said.key_file),
            prefix=self.site.prefix,
        )

    def victoria_url(self) -> str:
        """Tell where VictoriaMetrics is.

        Raises:
            ConfigurationError: no supervisor runs here, and no other VictoriaMetrics is configured.
        """
        return self.site.victoria.url or f"http://127.0.0.1:{self.ports().victoria}"

    def ports(self) -> Ports:
        """Return the ports that the supervisor opened.

        Raises:
            ConfigurationError: none ever did here.
        """
        said = self.supervised()
        if said is None:
            raise ConfigurationError(
                f"no node runs in {self.layout.data}: start one with `ovr up --data {self.layout.data}`, "
                "or name a broker in site.toml or with OVR_BROKER_HOST"
            )
        return Ports(int(said["port_base"]))

    def supervised(self) -> dict[str, Any] | None:
        """Read what the supervisor last wrote; None when there never was one here, or a power cut tore it.

        Raises:
            ConfigurationError: we may not read it.
        """
        try:
            said = orjson.loads(self.layout.supervisor.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        except OSError as error:
            raise ConfigurationError(f"{self.layout.supervisor} cannot be read: {error}") from error
        return said if isinstance(said, dict) and "port_base" in said else None

    def aliases(self) -> dict[str, str]:
        """Return the configured aliases in canonical form.

        Raises:
            ConfigurationError: one cannot be a system's name.
        """
        try:
            return {
                system_ids.canonical(alias): system_ids.canonical(name)
                for alias, name in self.site.aliases.items()
            }
        except InputError as error:
            raise ConfigurationError(f"aliases in {self.source}: {error.hint}") from error


def open_node(
    data: Path | None = None,
    configuration: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Node:
    """Find the configuration of a node.

    Args:
        data: the data directory, as the command line says.
        configuration: its `site.toml`, as the command line says.
        environment: the process's environment.

    Raises:
        ConfigurationError: the configuration is wrong.
    """
    if configuration is None and environment.get(CONFIG_VARIABLE):
        configuration = Path(environment[CONFIG_VARIABLE])
    if configuration is None:
        said = environment.get("OVR_DATA")
        wanted = data or (Path(said) if said else older_names.data(environment) or DEFAULT_DATA)
        beside = Layout(wanted).site
        configuration = beside if beside.exists() else None
    site = config.load(configuration, environment)
    chosen = data or site.data or older_names.data(environment) or DEFAULT_DATA
    return Node(replace(site, data=chosen), Layout(chosen.absolute()), configuration)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
