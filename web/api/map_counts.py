"""Counting map tiles by node, provider and UTC month, and choosing the provider. Folded from the journal.

Rules that must stay true here:
- what is counted is what the journal holds: every start reads it again, two months back at most;
- a provider is blocked when it reaches the limit; the one in use changes to one that is not, and stays when
  all are blocked: nothing but a new month or a new preference moves it then.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bus.envelope import Event
from bus.instants import SECOND_US, text
from projectors import nodes
from projectors.events import EventReader
from schemas.registry import Registry
from web.api.reading import Stores
from web.settings import MapSettings

LOADED: Final = "map_tiles.loaded"
PREFERRED: Final = "map_provider.preferred"
MAPBOX, ESRI = "mapbox", "esri"
PROVIDERS: Final = (MAPBOX, ESRI)
_KEPT_US: Final = 62 * 86_400 * SECOND_US
_HOSTS: Final[Mapping[str, str]] = {
    MAPBOX: "https://api.mapbox.com",
    ESRI: "https://ibasemaps-api.arcgis.com",
}
_PATHS: Final[Mapping[str, str]] = {
    MAPBOX: "/v4/{tileset}/{{z}}/{{x}}/{{y}}.jpg90?access_token={token}",
    ESRI: "/arcgis/rest/services/World_Imagery/MapServer/tile/{{z}}/{{y}}/{{x}}?token={token}",
}
_ATTRIBUTIONS: Final[Mapping[str, str]] = {
    MAPBOX: '© <a href="https://www.mapbox.com/about/maps/">Mapbox</a>'
    ' © <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> © Maxar'
    ' <a href="https://apps.mapbox.com/feedback/">Improve this map</a>',
    ESRI: 'Powered by <a href="https://www.esri.com">Esri</a>'
    " | Esri, Maxar, Earthstar Geographics, and the GIS User Community",
}
_MAX_ZOOM: Final[Mapping[str, int]] = {MAPBOX: 20, ESRI: 19}
_TILE_PX: Final = 256


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the cloud says of the whole fleet.

    Attributes:
        tiles: by provider, in `month_key`.
        preferred, preferred_us: what was chosen, and when.
    """

    month_key: str
    tiles: Mapping[str, int]
    preferred: str | None = None
    preferred_us: int = 0


@dataclass(slots=True)
class Counts:
    """The fold: pure, whatever batches the events come in.

    Attributes:
        tiles: by month, node and provider.
        preferred: what was chosen last, by (time, position).
        current: by month, the provider in use when the last event of it was counted.
    """

    settings: MapSettings
    tiles: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    preferred: tuple[int, int, str] | None = None
    current: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Fold one event."""
        provider = event.data["provider"]
        if event.type == PREFERRED:
            if nodes.node_of(event) != nodes.HERE:
                return  # what a node prefers is its own affair, where its tiles are the fleet's
            self.preferred = max(self.preferred or (0, 0, ""), (event.time_us, event.position, provider))
            self.current.clear()
            return
        month = event.data["month_key"]
        of_node = self.tiles.setdefault(month, {}).setdefault(node_of(event.source), {})
        of_node[provider] = of_node.get(provider, 0) + event.data["count"]
        self.current[month] = choose(self.using(month), self.blocked(self.total(month)), self.settings)

    def using(self, month: str) -> str:
        """Return the provider in use, before limits are looked at."""
        return self.current.get(month) or first_choice(self.chosen, self.settings)

    @property
    def chosen(self) -> str | None:
        """Return the provider that was preferred last."""
        return self.preferred[2] if self.preferred and self.preferred[2] in PROVIDERS else None

    def total(self, month: str) -> dict[str, int]:
        """Count the tiles of a month by provider, of all nodes that are known here."""
        found: dict[str, int] = defaultdict(int)
        for of_node in self.tiles.get(month, {}).values():
            for provider, number in of_node.items():
                found[provider] += number
        return found

    def blocked(self, tiles: Mapping[str, int]) -> frozenset[str]:
        """Return the providers that have reached the limit."""
        return frozenset(
            name
            for name in PROVIDERS
            if tiles.get(name, 0) >= self.settings.limit_pct * free(name, self.settings)
        )


class TileCounts:
    """The counts of this node's journal; asked from any thread."""

    def __init__(self, settings: MapSettings, node_id: str) -> None:
        self._settings = settings
        self._node_id = node_id
        self._lock = threading.Lock()
        self._events = EventReader(Registry.load())
        self._counts = Counts(settings)
        self._place = 0
        self._life = ""

    def status(self, stores: Stores, now_us: int, fleet: Fleet | None = None) -> dict[str, Any]:
        """Say which provider to use, and why.

        Args:
            stores: where the journal is.
            now_us: decides the month.
            fleet: what the cloud says; None where there is none, or it is not heard.
        """
        month = month_of(now_us)
        with self._lock:
            self._catch_up(stores, now_us)
            counts = self._counts
            own, tiles = dict(counts.tiles.get(month, {}).get(self._node_id, {})), dict(counts.total(month))
            using, preferred = counts.using(month), counts.preferred
        if fleet is not None and fleet.month_key == month:
            tiles = {name: max(tiles.get(name, 0), fleet.tiles.get(name, 0)) for name in PROVIDERS}
            if fleet.preferred in PROVIDERS and fleet.preferred_us > (preferred[0] if preferred else 0):
                preferred = (fleet.preferred_us, 0, fleet.preferred)
                using = fleet.preferred
        blocked = counts.blocked(tiles)
        both_over = blocked.issuperset(PROVIDERS)
        return {
            "provider": choose(using, blocked, self._settings),
            "preferred": preferred[2] if preferred else None,
            "preferred_at": text(preferred[0]) if preferred else None,
            "month_key": month,
            "limit_pct": self._settings.limit_pct,
            "both_over": both_over,
            "banner": _banner(self._settings) if both_over else None,
            "providers": {
                name: _provider(name, self._settings, tiles.get(name, 0), own.get(name, 0), name in blocked)
                for name in PROVIDERS
            },
            "fleet": fleet is not None,
        }

    def nodes(self, stores: Stores, now_us: int) -> dict[str, dict[str, int]]:
        """Count this month's tiles by node and provider, as far as this journal knows."""
        with self._lock:
            self._catch_up(stores, now_us)
            return {node: dict(tiles) for node, tiles in self._counts.tiles.get(month_of(now_us), {}).items()}

    def _catch_up(self, stores: Stores, now_us: int) -> None:
        journal = stores.journal()
        head = journal.head()
        life = f"{head.journal}/{head.incarnation}"
        if life != self._life or head.position < self._place:
            self._counts, self._place, self._life = Counts(self._settings), 0, life
        events = [journal.read(self._place, upto=head.position, types=[PREFERRED])]
        since_us = now_us - _KEPT_US if self._place == 0 else None
        events.append(journal.read(self._place, upto=head.position, types=[LOADED], since_us=since_us))
        for recorded in sorted((row for rows in events for row in rows), key=lambda row: row.position):
            self._counts.take(self._events.event(recorded))
        self._place = head.position


def choose(using: str, blocked: Iterable[str], settings: MapSettings) -> str:
    """Return the provider to use: the one in use unless it is blocked and another is not."""
    over = set(blocked)
    if using not in over:
        return using
    others = [name for name in PROVIDERS if name not in over and name in configured(settings)]
    return others[0] if others else using


def first_choice(preferred: str | None, settings: MapSettings) -> str:
    """Return the provider to begin with."""
    known = configured(settings)
    if preferred is not None and (preferred in known or not known):
        return preferred
    return known[0] if known else MAPBOX


def configured(settings: MapSettings) -> list[str]:
    """List the providers that there are tokens for."""
    return [name for name in PROVIDERS if token(name, settings)]


def token(provider: str, settings: MapSettings) -> str | None:
    """Return the public token of a provider."""
    return settings.mapbox_token if provider == MAPBOX else settings.esri_token


def free(provider: str, settings: MapSettings) -> int:
    """Return how many tiles a month cost nothing."""
    return settings.mapbox_free if provider == MAPBOX else settings.esri_free


def tile_hosts(settings: MapSettings) -> list[str]:
    """List the origins that browsers load tiles from."""
    return [_HOSTS[name] for name in configured(settings)]


def month_of(time_us: int) -> str:
    """Return the UTC month of an instant, such as 2026-11."""
    return text(time_us)[:7]


def node_of(source: str) -> str:
    """Return the node that an event came from, of its source `/<node>/<client>`."""
    return source.strip("/").split("/", 1)[0]


def _provider(name: str, settings: MapSettings, tiles: int, own: int, blocked: bool) -> dict[str, Any]:
    key = token(name, settings)
    path = _PATHS[name].format(tileset=settings.mapbox_tileset, token=key) if key else ""
    return {
        "tiles": tiles,
        "node_tiles": own,
        "free": free(name, settings),
        "pct": round(tiles / free(name, settings), 6),
        "blocked": blocked,
        "configured": key is not None,
        "url_template": _HOSTS[name] + path if key else None,
        "attribution": _ATTRIBUTIONS[name],
        "max_zoom": _MAX_ZOOM[name],
        "tile_size": _TILE_PX,
    }


def _banner(settings: MapSettings) -> str:
    return (
        f"All map providers have reached {settings.limit_pct:.0%} of this month's free tiles: "
        "the current one stays, and more tiles may cost money."
    )
