"""The sample reports under `docs`, made from the sample documents of the tests.

`python -m tests.report_sample` writes them anew.
"""

from pathlib import Path
from typing import Any, Final

import orjson

from reporter.html import html
from reporter.render import PAGE, PAPER, paper

ROOT: Final = Path(__file__).parents[1]
DIRECTORY: Final = ROOT / "docs" / "report-sample"
DOCUMENTS: Final = {"report_event": DIRECTORY, "report_system": DIRECTORY / "rig_01"}


def document(name: str) -> dict[str, Any]:
    """Read a sample document."""
    found: dict[str, Any] = orjson.loads((ROOT / "tests" / "samples" / f"{name}.json").read_bytes())
    return found


def main() -> None:
    """Write the sample reports anew."""
    for name, directory in DOCUMENTS.items():
        (directory / PAGE).write_text(html(document(name)), encoding="utf-8")
        (directory / PAPER).write_bytes(paper(document(name)))


if __name__ == "__main__":
    main()
