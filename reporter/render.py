"""All files of a report: data.json, report.html, report.pdf, CSV tables, photos.

Rules that must stay true here: a directory appears whole or not at all; the same document and photos give
the same bytes; no name of a file comes from what a document says, but for photos' hashes.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reporter.html import html
from reporter.photos import addresses, file_name, small
from reporter.rows import tables
from reporter.system_report import encode
from reporter.voice import Document

DATA: Final = "data.json"
PAGE: Final = "report.html"
PAPER: Final = "report.pdf"


def files(
    document: Document, photos: Mapping[str, Path] | None = None, told: Callable[[], None] = lambda: None
) -> dict[str, bytes]:
    """Make all files but the PDF: name within the report's directory -> content.

    `photos` are the originals by their SHA-256; those that the document does not name are not looked at.
    `told` is called for each photo that was made: many take a while.
    """
    made = _photos(document, photos or {}, told)
    return {
        DATA: encode(document),
        PAGE: html(document, addresses(made, told)).encode(),
        **{name: text.encode() for name, text in tables(document).items()},
        **{file_name(sha256): body for sha256, body in made.items()},
    }


def paper(
    document: Document,
    photos: Mapping[str, Path] | None = None,
    *,
    attached: bool = True,
    told: Callable[[], None] = lambda: None,
) -> bytes:
    """Make the PDF, the document attached or not. It takes seconds, and memory that grows with the pages.

    `told` is called for each photo that was made.
    """
    logging.getLogger("weasyprint.progress").setLevel(logging.ERROR)  # it tells of its steps while it loads
    from reporter.pdf import pdf  # noqa: PLC0415 - what makes PDFs takes half a second to load

    made = _photos(document, photos or {}, told)
    return pdf(document, addresses(made, told), attached=attached)


def write(
    document: Document,
    directory: Path,
    photos: Mapping[str, Path] | None = None,
    *,
    pdf: bool = True,
) -> None:
    """Write a report's directory anew, synced, in place of one that may be there.

    It is made beside and then renamed, so that a reader finds the old one or the new one. OSError when the
    disk does not take it.
    """
    made = files(document, photos)
    if pdf:
        made[PAPER] = paper(document, photos)
    directory.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".new-", dir=directory.parent))
    try:
        for name, body in made.items():
            add(beside, name, body)
        beside.chmod(0o755)
        _swap(beside, directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def add(directory: Path, name: str, body: bytes) -> None:
    """Write one file of a report's directory, synced, whole or not at all."""
    target = directory / name
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".new-{target.name}")
    with beside.open("wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(target)


def _swap(beside: Path, directory: Path) -> None:
    if directory.exists():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=directory.parent))
        directory.rename(old / "was")
        beside.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
    else:
        beside.rename(directory)


def _photos(document: Document, originals: Mapping[str, Path], told: Callable[[], None]) -> dict[str, bytes]:
    named = [str(one.get("sha256")) for one in document.get("photos") or ()]
    made = {}
    for sha256 in dict.fromkeys(named):
        if sha256 in originals and (body := small(originals[sha256])) is not None:
            made[sha256] = body
            told()
    return made
