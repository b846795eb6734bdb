"""Photos: uploaded, stored under their hash, said in an event, and handed out as harmless images."""

from collections.abc import Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, Final, cast

from fastapi import APIRouter, File, Form, Header, Path, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse
from pydantic import ValidationError

from bus import system_ids
from web.api import answers, bodies, state_tables
from web.api.access import Bringer, Operator, PhotoReader, Reader, Served, touching
from web.api.actions import WRITTEN, Key, record
from web.api.claims import SITE, Claim
from web.api.photo_files import media_type_of
from web.api.problems import Problem, request_field, sentence
from web.api.service import Service
from web.api.systems import AskedEvent, AskedSystem, name

router = APIRouter(tags=["photos"])
_CHUNK: Final = 1 << 20
_HEAD: Final = 64
_HARMLESS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Disposition": "inline",
}


@router.post("/api/photo", summary="Upload a photo", responses=WRITTEN)
async def upload(
    response: Response,
    served: Served,
    who: Operator,
    file: Annotated[UploadFile, File(description="JPEG, PNG, WebP, AVIF, HEIC or GIF.")],
    system_id: Annotated[str | None, Form(max_length=200)] = None,
    event_id: Annotated[str | None, Form(max_length=120)] = None,
    caption: Annotated[str | None, Form(max_length=500)] = None,
    id: Annotated[str | None, Form(max_length=200)] = None,  # noqa: A002 - the field's name
    time: Annotated[str | None, Form(max_length=40)] = None,
    operator: Annotated[str | None, Form(max_length=80)] = None,
    key: Key = None,
) -> answers.Written:
    """Store a photo and record that it belongs to a system, an event, or the site.

    The file is on the disk before the event that names it. The same photo sent again is one file.
    """
    try:
        said = bodies.Said(id=id, time=time, operator=operator)
    except ValidationError as error:
        raise _wrong(error) from error
    system = _blank(system_id)
    wanted = await name(served, system)
    touching(who, None if wanted == system_ids.ALL else wanted)  # what is refused leaves no file
    about = {"caption": _blank(caption), "event_id": _blank(event_id)}
    _check(served, wanted or SITE, about, said.time_us)
    photo = await served.reading(served.photos.store, _chunks(file))
    width, height = photo.extent or (None, None)
    fields = {
        "sha256": photo.sha256,
        "media_type": photo.media_type,
        **about,
        "bytes": photo.size,
        "width": width,
        "height": height,
    }
    data = _present(fields)
    written = await record(served, who, response, said, key, "photo.added", system, data)
    written.sha256 = photo.sha256
    return written


@router.get("/api/photos", summary="Photos, the newest first")
async def photos(
    served: Served,
    who: Reader,
    system_id: AskedSystem = None,
    event_id: AskedEvent = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> answers.Photos:
    """List photos; one without an event belongs to the event that was active when it was taken."""
    del who
    wanted = await name(served, system_id)
    await served.caught_up()
    found = await served.reading(state_tables.photos, served.reading.stores, wanted, event_id, limit)
    return answers.Photos(photos=found)


@router.get(
    "/api/photos/{sha256}",
    summary="Download a photo",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The browser has it already."},
    },
)
async def download(
    sha256: Annotated[str, Path(max_length=200, description="64 lower-case hexadecimal digits.")],
    served: Served,
    who: PhotoReader,
    if_none_match: Annotated[str | None, Header(max_length=300)] = None,
) -> Response:
    """Hand out a photo as it was uploaded."""
    del who
    path = await served.reading(served.photos.path, sha256)
    if path is None:
        raise Problem("not-found", "No photo with this hash is stored here.", field="sha256")
    tag = f'"{sha256}"'
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers={"ETag": tag, **_HARMLESS})

    def head() -> bytes:
        with path.open("rb") as file:
            return file.read(_HEAD)

    media_type = media_type_of(await served.reading(head)) or "application/octet-stream"
    return FileResponse(path, media_type=media_type, headers={"ETag": tag, **_HARMLESS})


@router.put(
    "/api/photos/{sha256}",
    summary="Bring a photo of a node",
    status_code=204,
    responses={204: {"description": "It is stored, or was already."}},
)
async def bring(
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Of the body.")],
    request: Request,
    served: Served,
    who: Bringer,
) -> Response:
    """Store a file under its hash, for an event that names it and comes later: what nodes' uplinks do.

    The body is the file. Sending it again changes nothing.
    """
    del who
    if await served.reading(served.photos.path, sha256) is None:
        with SpooledTemporaryFile(max_size=_CHUNK) as body:
            async for chunk in request.stream():
                await served.reading(body.write, chunk)
            await served.reading(body.seek, 0)
            await served.reading(served.photos.store, _read(cast("BinaryIO", body)), sha256)
    return Response(status_code=204)


def _chunks(file: UploadFile) -> Iterator[bytes]:
    return _read(file.file)


def _read(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _check(served: Service, subject: str, about: Mapping[str, str | None], time_us: int | None) -> None:
    """Refuse what the recorder would refuse of a photo, before its file is kept.

    Raises:
        InputError: it would.
    """
    data = _present({"sha256": "0" * 64, "media_type": "image/jpeg", **about})
    served.writer.check(Claim("photo.added", subject, data, time_us))


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in fields.items() if value is not None}


def _blank(text: str | None) -> str | None:
    return (text or "").strip() or None


def _wrong(error: ValidationError) -> Problem:
    first = error.errors()[0]
    field = request_field(".".join(str(part) for part in first["loc"]))
    return Problem("invalid", sentence(first["msg"]), field=field, reason=first["type"])
