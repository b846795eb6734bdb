"""What was published stays as it was, and stays readable."""

import hashlib
from importlib.resources import files
from pathlib import Path

import orjson
import pytest

from schemas.registry import Registry

SAMPLES = Path(__file__).parents[1] / "samples"
EVENTS = Path(str(files("schemas").joinpath("events")))
REGISTRY = Registry.load()
LINES = (SAMPLES / "published.sha256").read_text().splitlines()
PUBLISHED = {name: digest for digest, name in (line.split("  ") for line in LINES)}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_a_published_schema_is_never_edited(name: str) -> None:
    digest = hashlib.sha256((EVENTS / name).read_bytes()).hexdigest()
    assert digest == PUBLISHED[name], f"{name} was edited: write the next version and an upcaster instead"


def test_every_schema_is_listed_as_published() -> None:
    assert {path.name for path in EVENTS.glob("*.json")} == PUBLISHED.keys(), (
        "add new ones: (cd schemas/events && sha256sum *.json) > tests/samples/published.sha256"
    )


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_a_stored_sample_of_every_published_version_can_be_read(name: str) -> None:
    type_, version = name.removesuffix(".json").rsplit(".", 1)
    stored = orjson.loads((SAMPLES / name).read_bytes())
    REGISTRY.check(type_, int(version), stored)

    read = REGISTRY.upcast(type_, int(version), stored)

    REGISTRY.check(type_, REGISTRY.newest(type_), read)
    assert stored == orjson.loads((SAMPLES / name).read_bytes())
