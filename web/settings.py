"""How the HTTP API is configured: `[web]` and `[map]` of site.toml, and what else its process is told. Pure.

Environment variables of the seed's event service (API_KEY, REPORT_BASE_URL, MAPBOX_TOKEN …) are read in
`ovr/web.py`, where the process is started.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Template:
    """An event that is typed often, offered ready-made.

    Attributes:
        event_id: the name; `{date}` and `{time}` become those of the start, in the browser.
        systems: which systems it is for; none: whichever is chosen.
    """

    event_id: str
    name: str | None = None
    location: str | None = None
    note: str | None = None
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The HTTP API.

    Attributes:
        address: where it listens; as `listen.address` says when left out.
        port: instead of the fourth of the node's ports.
        base_url: how browsers reach it, such as https://edge-01.example: for links in answers and QR codes.
        websocket_url: how browsers reach MQTT, where it is neither `/mqtt` here nor the broker's own port.
        hosts: further public names that we answer to; `.example.com`: all below it; `*`: any.
        reads: `public` lets everyone read; `key` wants a key for that too, once there are keys.
        photo_mb: the largest photo.
        trusted_proxies: addresses whose X-Forwarded-For and X-Forwarded-Proto are believed.
        requests_per_s: of one address on average; ten times as many at once.
        confirm_s: how long a write waits for its confirmation before it is answered with 202.
        language: of the pages.
        theme: auto, bright or night.
        templates: events that are typed often.
    """

    address: str | None = None
    port: int | None = None
    base_url: str | None = None
    websocket_url: str | None = None
    hosts: tuple[str, ...] = ()
    reads: str = "public"
    photo_mb: int = 20
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    requests_per_s: float = 50.0
    confirm_s: float = 5.0
    language: str = "en"
    theme: str = "auto"
    templates: tuple[Template, ...] = ()


@dataclass(frozen=True, slots=True)
class MapSettings:
    """Map tiles from providers, and how many of them are free.

    Attributes:
        mapbox_token, esri_token: public tokens, which browsers get; without one its provider is not offered.
        mapbox_token_file: a file that holds the token.
        mapbox_tileset: of the Raster Tiles API.
        mapbox_free, esri_free: tiles a UTC month that cost nothing.
        limit_pct: a provider is blocked at this part of them (0.95 is 95 %).
        cloud_api_url: where the whole fleet's tiles are counted.
    """

    mapbox_token: str | None = None
    mapbox_token_file: Path | None = None
    mapbox_tileset: str = "mapbox.satellite"
    mapbox_free: int = 750_000
    esri_token: str | None = None
    esri_free: int = 2_000_000
    limit_pct: float = 0.95
    cloud_api_url: str | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """All that the process is told.

    Attributes:
        data: the data directory.
        cloud: whether uplinks of other nodes end here.
        static: the built pages; None: those that come with us.
        websocket_port: of the broker; None where browsers cannot reach it.
        websocket_password: of the broker's user `browser`; None when it lets everyone in.
        victoria_url: where the charts' figures come from.
        aliases: other names of systems, canonical in form.
        behind: systems that are fed by others, and those.
        api_key: a key that may do everything, from the environment.
        time_zone, currency: for people.
    """

    node_id: str
    deployment_id: str
    data: Path
    prefix: str
    host: str
    port: int
    victoria_url: str
    cloud: bool = False
    websocket_port: int | None = None
    websocket_password: str | None = None
    static: Path | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    behind: Mapping[str, str] = field(default_factory=dict)
    api_key: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    web: WebSettings = WebSettings()
    map: MapSettings = MapSettings()
