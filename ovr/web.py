"""What the HTTP API is told when it starts: site.toml, and the environment of the event service before `ovr`.

Rules that must stay true here:
- a variable of that service means what it meant there, and goes before site.toml;
- the API listens on loopback, unless `web.address` or `listen.address` say otherwise.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ovr.config import CLOUD
from ovr.node import Node
from ovr.users import Users
from schemas.errors import ConfigurationError
from web.settings import Gateway, MapSettings, WebSettings

T = TypeVar("T", WebSettings, MapSettings)
CONTAINER_PORT = 8088
_BROWSER = "browser"
_MAP: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "MAPBOX_TOKEN": ("mapbox_token", str),
    "MAPBOX_TOKEN_FILE": ("mapbox_token_file", Path),
    "ESRI_TOKEN": ("esri_token", str),
    "MAPBOX_FREE_TILES_PER_MONTH": ("mapbox_free", int),
    "ESRI_FREE_TILES_PER_MONTH": ("esri_free", int),
    "GUARDRAIL_LIMIT_PCT": ("limit_pct", float),
    "CLOUD_API_URL": ("cloud_api_url", str),
}
_WEB: Mapping[str, tuple[str, Callable[[str], Any]]] = {"REPORT_BASE_URL": ("base_url", str)}
API_KEY, API_KEY_FILE = "API_KEY", "API_KEY_FILE"


def gateway(
    node: Node,
    *,
    address: str | None = None,
    port: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Gateway:
    """Put together what the process is told.

    Args:
        node: the node.
        address: where to listen, as the command line says.
        port: on which port, as the command line says.
        environment: the process's environment.

    Raises:
        ConfigurationError: a variable has the wrong form, or a file it names cannot be read.
    """
    site = node.site
    said = _overridden(site.web, _WEB, environment)
    tiles = _overridden(site.map, _MAP, environment)
    if tiles.mapbox_token is None and tiles.mapbox_token_file is not None:
        tiles = replace(tiles, mapbox_token=_secret(tiles.mapbox_token_file, "mapbox_token_file"))
    if not 0 < tiles.limit_pct <= 1 or min(tiles.mapbox_free, tiles.esri_free) < 1:
        raise ConfigurationError("GUARDRAIL_LIMIT_PCT is a part such as 0.95, and free tiles are at least 1")
    own = site.broker.host is None
    return Gateway(
        node_id=site.node_id,
        deployment_id=environment.get("DEPLOYMENT_ID") or site.deployment_id,
        data=node.layout.data,
        prefix=site.prefix,
        host=address or said.address or site.listen.address,
        port=port or said.port or _port(node),
        victoria_url=node.victoria_url(),
        cloud=site.role == CLOUD,
        websocket_port=node.ports().websockets if own else site.broker.port + 1,
        websocket_password=Users(node.layout).secret(_BROWSER) if _asks_for_passwords(node) else None,
        aliases=node.aliases(),
        api_key=_api_key(environment),
        behind=site.reports.behind,
        time_zone=site.reports.time_zone,
        currency=site.reports.currency,
        web=said if said.base_url else replace(said, base_url=site.reports.base_url),
        map=tiles,
    )


def _port(node: Node) -> int:
    """Return the node's fourth port, or that of the event service where no supervisor gave ports out."""
    return CONTAINER_PORT if node.supervised() is None else node.ports().http


def _asks_for_passwords(node: Node) -> bool:
    said = node.supervised()
    return node.site.broker.host is not None or said is None or not said.get("anonymous", False)


def _overridden(
    value: T, variables: Mapping[str, tuple[str, Callable[[str], Any]]], environment: Mapping[str, str]
) -> T:
    changes: dict[str, Any] = {}
    for name, (field, kind) in variables.items():
        text = environment.get(name, "").strip()
        if text:
            try:
                changes[field] = kind(text)
            except ValueError as error:
                raise ConfigurationError(f"the environment: {name} must be a number, got {text!r}") from error
    return replace(value, **changes)


def _api_key(environment: Mapping[str, str]) -> str | None:
    path = environment.get(API_KEY_FILE, "").strip()
    return _secret(Path(path), API_KEY_FILE) if path else environment.get(API_KEY, "").strip() or None


def _secret(path: Path, name: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} names {path}, which cannot be read: {error}") from error
    if not text:
        raise ConfigurationError(f"{name} names {path}, which is empty")
    return text
