"""The plan of the site: an image, and where places are on it. Files of the node, no facts.

Rules that must stay true here:
- each file is replaced whole or not at all;
- what a client says names no file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from schemas.errors import TransientError
from web.api.photo_files import extent

_HEAD = 1 << 16


class Spot(BaseModel):
    """A place on the plan, as parts of its width and height."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    x: Annotated[float, Field(ge=0, le=1)]
    y: Annotated[float, Field(ge=0, le=1)]


_PLACES = TypeAdapter(dict[str, Spot])


class SitePlan:
    """The plan in its directory."""

    def __init__(self, directory: Path) -> None:
        self.image = directory / "image"
        self._places = directory / "places.json"

    def read(self) -> tuple[tuple[int, int] | None, dict[str, Spot]] | None:
        """Return the image's width and height, where known, and the places; None without an image."""
        try:
            with self.image.open("rb") as file:
                head = file.read(_HEAD)
        except FileNotFoundError:
            return None
        try:
            places = _PLACES.validate_json(self._places.read_bytes())
        except (FileNotFoundError, ValidationError):
            places = {}
        return extent(head), places

    def store(self, image: bytes) -> None:
        """Take an image.

        Raises:
            TransientError: the disk is full or fails.
        """
        _replace(self.image, image)

    def place(self, places: Mapping[str, Spot]) -> None:
        """Take where places are.

        Raises:
            TransientError: the disk is full or fails.
        """
        _replace(self._places, orjson.dumps({name: spot.model_dump() for name, spot in places.items()}))


def _replace(path: Path, body: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise TransientError(f"the plan cannot be stored: {error.strerror or error}") from error
