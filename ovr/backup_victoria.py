"""A snapshot of VictoriaMetrics for a backup: its files as they were at one moment.

Rules that must stay true here:
- a snapshot is deleted when it was copied: its hard links keep files on the disk that are long replaced;
- one that a killed backup left is deleted by the next.
"""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ovr.backup_files import Found
from ovr.layout import Layout
from schemas.errors import ConfigurationError, TransientError

_PATIENCE_S = 120.0


@contextmanager
def snapshot(url: str, layout: Layout) -> Iterator[Iterator[Found]]:
    """Make a snapshot and give its files, as they lie in the data directory; delete it in the end.

    Raises:
        TransientError: VictoriaMetrics does not answer.
        ConfigurationError: its files are not on this machine.
    """
    left = layout.run / "victoria-snapshot"
    if left.exists():
        _ask(url, "delete_all" if not left.read_text() else f"delete?snapshot={left.read_text()}")
    layout.run.mkdir(exist_ok=True)
    name = str(_ask(url, "create")["snapshot"])
    left.write_text(name)
    try:
        root = layout.victoria / "snapshots" / name
        if not root.is_dir():
            raise ConfigurationError(
                f"VictoriaMetrics at {url} does not keep its files in {layout.victoria}: leave out --victoria"
            )
        yield _files(root, layout)
    finally:
        _ask(url, f"delete?snapshot={urllib.parse.quote(name)}")
        left.unlink(missing_ok=True)


def _files(root: Path, layout: Layout) -> Iterator[Found]:
    """Yield the files of a snapshot; it has links to directories of files."""
    for part in sorted(root.rglob("*")):
        for one in sorted(part.resolve().rglob("*")) if part.is_symlink() else [part]:
            if one.is_file():
                inside = (
                    part.relative_to(root) / one.relative_to(part.resolve()) if part.is_symlink() else None
                )
                inside = inside or part.relative_to(root)
                yield Found((Path(layout.victoria.name) / inside).as_posix(), one, must=True)


def _ask(url: str, what: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{url}/snapshot/{what}", timeout=_PATIENCE_S) as answer:  # noqa: S310 - the configured place
            said = orjson.loads(answer.read())
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
        raise TransientError(f"VictoriaMetrics at {url} makes no snapshot: {error}") from error
    if not isinstance(said, dict) or said.get("status") != "ok":
        raise TransientError(f"VictoriaMetrics at {url} makes no snapshot: {said!r:.200}")
    return said
