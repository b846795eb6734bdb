"""The compose files, as their readers see them."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ovr import config, processes
from ovr.layout import Layout
from ovr.ports import Ports

ROOT = Path(__file__).parents[1]
BESIDE = {"alertmanager", "vmalert", "caddy", "grafana"}  # a node runs without them
ASKED_FOR = {"observe", "uplink", "backup"}  # in containers only, or when site.toml or a timer asks for it


@dataclass(frozen=True)
class Deployment:
    """One compose file, and the configuration that it mounts."""

    file: Path
    site: Path

    @property
    def said(self) -> dict[str, Any]:
        return read(self.file)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return dict(self.said["services"])

    def planned(self) -> dict[str, processes.ProcessSpec]:
        """List our own processes, as the supervisor runs them beside services that others run."""
        specs = processes.plan(config.load(self.site, {}), Layout(Path("/data")), Ports(1883))
        return {spec.name: spec for spec in specs}


EDGE = Deployment(ROOT / "compose.yml", ROOT / "deploy" / "site.toml")
CLOUD = Deployment(ROOT / "compose.cloud.yml", ROOT / "deploy" / "site.cloud.toml")
DEPLOYMENTS = {"edge": EDGE, "cloud": CLOUD}


@cache
def read(file: Path) -> dict[str, Any]:
    """Read a compose file, once."""
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(said, dict)
    return said


def plain(text: str) -> str:
    """Read ${NAME:-value} as its value."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
