"""What all routes share: settings, keys, the outbox, the threads that read. Made when the process begins."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from fastapi import FastAPI, Request

from bus.connection import Broker
from projectors.report_index import Reports
from schemas.errors import TransientError
from web.api import state_tables
from web.api.cloud import Cloud
from web.api.keys import FILE, Keys
from web.api.limits import Limits
from web.api.map_counts import TileCounts
from web.api.measures import Measures
from web.api.photo_files import PhotoFiles
from web.api.reading import Reading
from web.api.tile_batches import Batches
from web.api.uplinks import Uplinks
from web.api.writing import Writer
from web.settings import Gateway

log = logging.getLogger(__name__)

_NAMES_EVERY_S: Final = 2.0
_CAUGHT_UP_S: Final = 1.0
_LOOK_S: Final = 0.01
_KEEPERS: Final = 2


@dataclass(slots=True)
class Service:
    """The parts of the running process.

    Attributes:
        reading: threads for all who read.
        keeping: threads for writes alone.
    """

    settings: Gateway
    keys: Keys
    reading: Reading
    keeping: Reading
    writer: Writer
    limits: Limits
    photos: PhotoFiles
    tiles: TileCounts
    cloud: Cloud
    measures: Measures
    batches: Batches
    reports: Reports
    uplinks: Uplinks
    names_at_s: float = float("-inf")

    async def learn_names(self) -> None:
        """Let the writer know the systems' other names, as the state has them now."""
        if time.monotonic() - self.names_at_s > _NAMES_EVERY_S:
            self.names_at_s = time.monotonic()
            try:
                self.writer.learn(await self.keeping(state_tables.aliases, self.keeping.stores))
            except TransientError:
                return  # no state yet: names are those of the configuration

    async def caught_up(self, reading: Reading | None = None) -> None:
        """Wait, for a moment, until the state shows what was confirmed to our clients last.

        Args:
            reading: the threads that ask; None: those of all who read.
        """
        reading = reading or self.reading
        wanted = self.writer.newest
        until_s = time.monotonic() + _CAUGHT_UP_S
        while time.monotonic() < until_s:
            if await reading(state_tables.position, reading.stores) >= wanted:
                return
            await asyncio.sleep(_LOOK_S)

    def base_url(self, request: Request) -> str:
        """Tell how browsers reach us, without a slash at the end."""
        said = self.settings.web.base_url
        return (said or str(request.base_url)).rstrip("/")


@asynccontextmanager
async def serving(
    settings: Gateway, broker: Broker, measures: Measures, limits: Limits
) -> AsyncIterator[Service]:
    """Open everything, and close it again.

    Raises:
        ConfigurationError: the keys are damaged, or another process has our outbox.
    """
    reading = Reading(settings.data)
    keeping = Reading(settings.data, threads=_KEEPERS, name="keeping")
    writer = Writer(broker, reading, keeping, settings.node_id, settings.aliases)
    cloud = Cloud(settings.map.cloud_api_url)
    uplinks = Uplinks(broker if settings.cloud else None)
    asking = asyncio.create_task(cloud.run(), name="cloud")
    try:
        yield Service(
            settings,
            Keys(settings.data / FILE, settings.api_key),
            reading,
            keeping,
            writer,
            limits,
            PhotoFiles(settings.data / "photos"),
            TileCounts(settings.map, settings.node_id),
            cloud,
            measures,
            Batches(writer, settings.web.confirm_s),
            Reports(settings.data),
            uplinks,
        )
    finally:
        asking.cancel()
        uplinks.close()
        writer.close()
        keeping.close()
        reading.close()


async def service(request: Request) -> Service:
    """Return the running service; a dependency of routes."""
    return of(request.app)


def of(app: FastAPI) -> Service:
    """Return the service behind an application."""
    found = app.state.service
    assert isinstance(found, Service)
    return found


def version() -> str:
    """Return the version of the program."""
    try:
        return metadata.version("ovr")
    except metadata.PackageNotFoundError:
        return "unknown"
