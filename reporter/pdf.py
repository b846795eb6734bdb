"""A document as PDF: A4 pages with numbers, tagged for readers of screens, with its data if wanted (PDF/A-3).

Rules that must stay true here: nothing is loaded from anywhere; the same document and photos give the same
bytes with the same fonts; the attached data are the bytes of data.json.
"""

import hashlib
import io
import logging
import warnings
from collections.abc import Mapping
from typing import Final

from weasyprint import HTML, Attachment  # type: ignore[import-untyped]
from weasyprint.urls import URLFetcher  # type: ignore[import-untyped]

from reporter.html import html
from reporter.moments import instant
from reporter.system_report import encode
from reporter.voice import Document

VARIANT: Final = "pdf/a-3a"


def pdf(document: Document, photos: Mapping[str, str] | None = None, *, attached: bool = True) -> bytes:
    """Write a document as PDF; photos as `html` takes them, files beside the page are named only.

    With `attached` the document itself is inside: that is not for everybody who may see the pages.
    """
    for name in ("weasyprint", "weasyprint.progress"):
        logging.getLogger(name).setLevel(logging.ERROR)
    made = instant(document["window"]["to"])
    data = encode(document)
    source = Attachment(
        file_obj=io.BytesIO(data),
        name="data.json",
        description="data.json",
        created=made,
        modified=made,
        relationship="Source",
    )
    page = html(document, photos, paper=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # its colour profile is closed by being forgotten
        out: bytes = HTML(string=page, url_fetcher=URLFetcher(allowed_protocols=("data",))).write_pdf(
            pdf_variant=VARIANT,
            pdf_identifier=hashlib.sha256(data).hexdigest()[:32].encode(),
            attachments=[source] if attached else None,
            jpeg_quality=80,
        )
    return out
