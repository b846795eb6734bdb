"""What other programs ask of the process itself: health and metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from bus import instants
from bus.instants import text
from schemas.errors import TransientError
from web.api import answers
from web.api.access import Served
from web.api.reading import Stores
from web.api.service import version

router = APIRouter(tags=["node"])


@router.get("/health", summary="How this process is")
@router.head("/health", include_in_schema=False)
async def health(served: Served) -> answers.Health:
    """Say whether writes are recorded now. The answer is 200 as long as the process serves."""
    status = served.writer.sender.status()
    try:
        position = await served.reading(_position, served.reading.stores)
    except TransientError:
        position = None
    online = served.writer.sender.online
    return answers.Health(
        status="ok" if online and position is not None else "degraded",
        node_id=served.settings.node_id,
        deployment_id=served.settings.deployment_id,
        version=version(),
        time=text(instants.now_us()),
        recorder=status["recorder"],
        waiting=served.writer.waiting,
        fault=None if online else status["fault"],
        position=position,
    )


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(served: Served) -> Response:
    """Tell requests, writes and map tiles in Prometheus' text format."""
    try:
        tiles = await served.reading(
            served.tiles.status, served.reading.stores, instants.now_us(), served.cloud.fleet
        )
    except TransientError:
        tiles = {}
    body = served.measures.write(
        waiting=served.writer.waiting, online=served.writer.sender.online, tiles=tiles
    )
    return Response(body, media_type=CONTENT_TYPE_LATEST)


def _position(stores: Stores) -> int:
    return stores.journal().head().position
