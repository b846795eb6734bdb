"""Photos for reports: made smaller, turned upright, without what a camera writes besides (position, names).

Rules that must stay true here: a file that is not a picture, or would unfold to an enormous one, is left
out, whatever it calls itself; the original is never changed; the same file gives the same bytes.
"""

import base64
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

WIDEST: Final = 1280
QUALITY: Final = 80
MOST_PIXELS: Final = 80_000_000
MOST_INSIDE: Final = 8_000_000
"""How many bytes of photos stand in the page itself: where they are more, all of them are made smaller."""

_SMALLER: Final = (960, 640, 480, 320)
_TRIED: Final = 8
"""So many of the photos tell how small all of them must be: each one takes a tenth of a second to make."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF")


def small(original: Path) -> bytes | None:
    """Make a JPEG of at most 1280 pixels a side; None when the file is missing or no picture that we know."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(original, formats=_FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    return None
                picture.draft("RGB", (2 * WIDEST, 2 * WIDEST))
                upright = ImageOps.exif_transpose(picture)
                upright.thumbnail((WIDEST, WIDEST))
                out = io.BytesIO()
                _flat(upright).save(out, "JPEG", quality=QUALITY, optimize=True)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError, Warning):
        return None
    return out.getvalue()


def _flat(picture: Image.Image) -> Image.Image:
    """Put what is transparent on white."""
    if picture.mode in {"RGBA", "LA", "PA", "P"}:
        seen = picture.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        white.alpha_composite(seen)
        picture = white
    return picture.convert("RGB")


def addresses(made: Mapping[str, bytes], told: Callable[[], None] = lambda: None) -> dict[str, str]:
    """Say where a page finds each photo: in itself, as large as there is room for all of them.

    What finds no room even when it is small is the file beside the page. `told` is called for each photo that
    was made smaller.
    """
    inside: Mapping[str, bytes] = made
    for widest in _widths(list(made.values())):
        smaller = {}
        for sha256, body in made.items():
            smaller[sha256] = _smaller(body, widest)
            told()
        inside = smaller
        if sum(map(len, inside.values())) <= MOST_INSIDE:
            break
    room, found = MOST_INSIDE, {}
    for sha256, body in inside.items():
        if len(body) <= room:
            room -= len(body)
            found[sha256] = f"data:image/jpeg;base64,{base64.b64encode(body).decode()}"
        else:
            found[sha256] = file_name(sha256)
    return found


def _widths(bodies: Sequence[bytes]) -> tuple[int, ...]:
    """Give the width at which all find room, judged by some, and smaller ones; none if they have room."""
    total = sum(map(len, bodies))
    if total <= MOST_INSIDE:
        return ()
    some = bodies[:: -(-len(bodies) // _TRIED)]
    room = MOST_INSIDE * sum(map(len, some)) / total
    first = 0
    while first < len(_SMALLER) - 1 and sum(len(_smaller(one, _SMALLER[first])) for one in some) > room:
        first += 1
    return _SMALLER[first:]


def _smaller(body: bytes, widest: int) -> bytes:
    with Image.open(io.BytesIO(body), formats=_FORMATS) as picture:
        picture.thumbnail((widest, widest))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def file_name(sha256: str) -> str:
    """Name the file of a photo, beside the page; what is not a hash is not used as a name."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):  # noqa: PLR2004 - a SHA-256 in hex
        raise ValueError("not a SHA-256")
    return f"photos/{sha256}.jpg"
