"""Map tiles: counted by provider and month, with guardrails before they cost money."""

from typing import Any

from fastapi import APIRouter, Response

from bus import instants
from schemas.errors import InputError
from web.api import answers, bodies
from web.api.access import Operator, Reader, Served
from web.api.actions import ACCEPTED, Key, extensions, record, scoped, tell
from web.api.claims import SITE, Claim
from web.api.map_counts import LOADED, PREFERRED, month_of
from web.api.outcomes import Became, refusal
from web.api.problems import refused
from web.api.service import Service

router = APIRouter(tags=["map"])


@router.get("/api/map-tiles/status", summary="Which map provider to use")
async def status(served: Served, who: Reader) -> answers.TilesStatus:
    """Say how many tiles were asked for this month, which providers are blocked, and which one to use."""
    del who
    return answers.TilesStatus.model_validate(await _status(served))


@router.post(
    "/api/map-tiles/increment",
    summary="Count map tiles",
    responses={202: {**ACCEPTED, "model": answers.TilesWritten}},
)
async def increment(
    said: bodies.Tiles, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.TilesWritten:
    """Count tiles that a map asked for; counts without a key that come together become one event."""
    month = said.month_key or month_of(said.time_us or instants.now_us())
    try:
        repeatable = scoped(who, said.id, key)
        if repeatable is None and said.time is None:
            outcome = await served.batches.add(said.provider, month, said.count)
        else:
            data = {"provider": said.provider, "count": said.count, "month_key": month}
            claim = Claim(LOADED, SITE, data, said.time_us, repeatable, extensions(who, said.operator))
            outcome = await served.writer.write(claim, patience_s=served.settings.web.confirm_s)
    except InputError as error:
        raise refused(error) from error
    if outcome.became is Became.REFUSED:
        raise refusal(outcome)
    tell(response, outcome)
    return answers.TilesWritten.model_validate(
        {
            **await _status(served),
            "status": "waiting" if outcome.became is Became.WAITING else "recorded",
            "id": outcome.id,
            "position": outcome.position,
        }
    )


@router.get("/api/fleet/map-tiles/status", summary="Map tiles of the whole fleet")
async def fleet(served: Served, who: Reader) -> answers.FleetTiles:
    """Count this month's tiles of all nodes whose events this journal holds."""
    del who
    said = await served.reading(served.tiles.status, served.reading.stores, instants.now_us())
    nodes = await served.reading(served.tiles.nodes, served.reading.stores, instants.now_us())
    return answers.FleetTiles.model_validate({**said, "nodes": nodes})


@router.post(
    "/api/fleet/map-provider/preferred",
    summary="Prefer a map provider",
    responses={202: {**ACCEPTED, "model": answers.Written}},
)
async def prefer(
    said: bodies.Preferred, response: Response, served: Served, who: Operator, key: Key = None
) -> answers.Written:
    """Choose where map tiles shall come from; guardrails go before it."""
    return await record(served, who, response, said, key, PREFERRED, None, {"provider": said.provider})


async def _status(served: Service) -> dict[str, Any]:
    said = await served.reading(
        served.tiles.status, served.reading.stores, instants.now_us(), served.cloud.fleet
    )
    return {**said, "node_id": served.settings.node_id, "deployment_id": served.settings.deployment_id}
