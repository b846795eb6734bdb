"""The sample reports under docs are what the software makes of the sample documents."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from reporter.html import html
from reporter.render import PAGE, PAPER
from reporter.system_report import encode
from tests.report_sample import DOCUMENTS, document

ANEW = "write them anew: python -m tests.report_sample"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_is_what_the_document_gives(name: str) -> None:
    assert (DOCUMENTS[name] / PAGE).read_text(encoding="utf-8") == html(document(name)), ANEW


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_pdf_is_of_the_same_document(name: str) -> None:
    reader = PdfReader(BytesIO((DOCUMENTS[name] / PAPER).read_bytes()))

    assert reader.attachments["data.json"] == [encode(document(name))], ANEW
