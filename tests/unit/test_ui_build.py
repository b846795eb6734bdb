"""The committed UI is the one that its sources give: who runs a node has no Node.js to build it."""

import gzip
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

WEB = Path(__file__).parents[2] / "web"
SOURCES = (
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
)
FIRST_LOAD_BYTES = 150_000


@pytest.fixture(scope="module")
def build() -> dict[str, Any]:
    said = orjson.loads((WEB / "static" / "build.json").read_bytes())
    assert isinstance(said, dict)
    return said


def test_the_build_is_up_to_date(build: dict[str, Any]) -> None:
    """When this fails: run web/ui/build and commit web/static."""
    assert build["sources"] == source_hash()


def test_every_file_of_the_build_is_there_and_compressed_alike(build: dict[str, Any]) -> None:
    for name, size in build["files"].items():
        body = (WEB / "static" / name).read_bytes()
        assert len(body) == size["bytes"], name
        packed = WEB / "static" / f"{name}.gz"
        assert not packed.exists() or gzip.decompress(packed.read_bytes()) == body, name


def test_the_first_load_is_small(build: dict[str, Any]) -> None:
    """What the first screen and the live connection need, compressed; other screens come later."""
    sizes = {name: build["files"][name]["gzip"] for name in build["first"]}
    assert {"index.html"} < sizes.keys()
    assert any("live_worker" in name for name in sizes)
    assert sum(sizes.values()) < FIRST_LOAD_BYTES, sizes


def test_nothing_is_fetched_from_elsewhere(build: dict[str, Any]) -> None:
    """A page on a network without internet gets everything from its node."""
    for name in build["files"]:
        if name.endswith((".html", ".css", ".webmanifest")):
            assert "//" not in (WEB / "static" / name).read_text().replace("/*", ""), name
    lock = (WEB / "ui" / "package-lock.json").read_text()
    assert '"resolved"' not in lock


def source_hash() -> str:
    """Hash the sources as `web/ui/vite.config.ts` does."""
    root = WEB / "ui"
    paths = [
        path
        for name in SOURCES
        for path in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))
    ]
    done = hashlib.sha256()
    for name in sorted(path.relative_to(root).as_posix() for path in paths if path.is_file()):
        done.update(f"{name}\0".encode() + hashlib.sha256((root / name).read_bytes()).digest())
    return done.hexdigest()


def test_the_vocabulary_is_that_of_the_schemas() -> None:
    said = orjson.loads((WEB / "ui" / "src" / "vocabulary.json").read_bytes())
    schemas = WEB.parent / "schemas" / "measurements.toml"
    assert said == tomllib.loads(schemas.read_text(encoding="utf-8"))
