"""What the pages need besides facts: how to begin, where a QR label leads, and the plan of the site."""

from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Body, File, Request, Response, UploadFile
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import BaseModel, Field

from bus import instants
from bus.instants import text
from web.api import answers
from web.api.access import Admin, Asking, Reader, Served
from web.api.keys import NOBODY
from web.api.map_counts import configured, tile_hosts
from web.api.photo_files import media_type_of
from web.api.problems import Problem
from web.api.service import version
from web.api.site_plan import SitePlan, Spot
from web.api.systems import PathSystem, name

router = APIRouter(tags=["pages"])
BROWSER: Final = "browser"
_HARMLESS: Final = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-cache"}
_HEAD: Final = 64


class Plan(BaseModel):
    """The plan of the site."""

    image_url: str
    width: int | None
    height: int | None
    places: dict[str, Spot]


@router.get("/api/ui", summary="What the pages need to begin")
async def begin(request: Request, served: Served, who: Asking) -> answers.Ui:
    """Tell where the live stream is, who you are, and how the node is set up."""
    settings = served.settings
    may_read = not (settings.web.reads == "key" and who is NOBODY)
    secure = request.url.scheme == "https"
    password = settings.websocket_password if may_read else None
    return answers.Ui.model_validate(
        {
            "node_id": settings.node_id,
            "deployment_id": settings.deployment_id,
            "version": version(),
            "prefix": settings.prefix,
            "time": text(instants.now_us()),
            "secure": secure,
            "mqtt": {
                "url": settings.web.websocket_url,
                "port": settings.websocket_port,
                "path": "/mqtt",
                "username": BROWSER if password else None,
                "password": password,
            },
            "cloud": settings.cloud,
            "key_required": served.keys.needed,
            "key_name": who.name,
            "role": who.role.name.lower(),
            "reads": settings.web.reads,
            "base_url": served.base_url(request),
            "language": settings.web.language,
            "theme": settings.web.theme,
            "time_zone": settings.time_zone,
            "currency": settings.currency,
            "photo_bytes": settings.web.photo_mb << 20,
            "map": {"providers": configured(settings.map), "tile_hosts": tile_hosts(settings.map)},
        }
    )


@router.get(
    "/s/{system_id}", summary="Where a QR label leads", response_class=RedirectResponse, status_code=307
)
async def short(system_id: PathSystem, served: Served) -> RedirectResponse:
    """Open the page of a system."""
    wanted = await name(served, system_id)
    assert wanted is not None
    return RedirectResponse(f"/#/system/{quote(wanted, safe='')}", 307)


@router.get("/api/site-plan", summary="The plan of the site")
async def plan(served: Served, who: Reader) -> Plan:
    """Tell where the plan's image is and where places are on it; works without internet."""
    del who
    found = await served.reading(_plan(served).read)
    if found is None:
        raise Problem("not-found", "No plan was uploaded: `PUT /api/site-plan` takes an image.")
    extent, places = found
    width, height = extent or (None, None)
    return Plan(image_url="/api/site-plan/image", width=width, height=height, places=places)


@router.get(
    "/api/site-plan/image",
    summary="The image of the plan",
    response_class=FileResponse,
    responses={200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def image(served: Served, who: Reader) -> Response:
    """Hand out the plan's image."""
    del who
    path = _plan(served).image
    if not await served.reading(path.is_file):
        raise Problem("not-found", "No plan was uploaded: `PUT /api/site-plan` takes an image.")

    def head() -> bytes:
        with path.open("rb") as file:
            return file.read(_HEAD)

    media_type = media_type_of(await served.reading(head)) or "application/octet-stream"
    return FileResponse(path, media_type=media_type, headers=_HARMLESS)


@router.put("/api/site-plan", summary="Upload the plan of the site", status_code=204, response_class=Response)
async def put_plan(
    served: Served,
    who: Admin,
    file: Annotated[UploadFile, File(description="JPEG, PNG, WebP, AVIF, HEIC or GIF.")],
) -> Response:
    """Store an image as the plan; where places are on it stays."""
    del who
    body = await file.read()
    if media_type_of(body) is None:
        raise Problem("media-type", "Send the plan as JPEG, PNG, WebP, AVIF, HEIC or GIF.", field="file")
    await served.reading(_plan(served).store, body)
    return Response(status_code=204)


@router.put("/api/site-plan/places", summary="Say where places are", status_code=204, response_class=Response)
async def put_places(
    served: Served,
    who: Admin,
    places: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=120)], Spot],
        Body(max_length=500, examples=[{"Main stage": {"x": 0.42, "y": 0.18}}]),
    ],
) -> Response:
    """Say where the places of `location.set` are on the plan, as parts of its width and height."""
    del who
    await served.reading(_plan(served).place, places)
    return Response(status_code=204)


def _plan(served: Any) -> SitePlan:
    return SitePlan(served.settings.data / "site-plan")
