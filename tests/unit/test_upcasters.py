"""The mechanism, shown with a type of its own: `tank.filled`, litres → cubic metres → a named tank."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.errors import ConfigurationError, InputError
from schemas.registry import Registry
from schemas.upcasters import Upcaster


def to_cubic_metres(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"volume_m3": data["litres"] / 1000}


def with_a_name(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**data, "tank": "main"}


CHAIN: Mapping[tuple[str, int], Upcaster] = {
    ("tank.filled", 1): to_cubic_metres,
    ("tank.filled", 2): with_a_name,
}


def publish(directory: Path, version: int, **properties: str) -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
    (directory / f"tank.filled.{version}.json").write_bytes(orjson.dumps(schema))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    publish(tmp_path, 1, litres="number")
    publish(tmp_path, 2, volume_m3="number")
    publish(tmp_path, 3, volume_m3="number", tank="string")
    (tmp_path / "README.md").write_text("not a schema")
    return tmp_path


@pytest.mark.parametrize(
    ("version", "stored"),
    [(1, {"litres": 1500}), (2, {"volume_m3": 1.5}), (3, {"volume_m3": 1.5, "tank": "main"})],
)
def test_data_of_any_version_is_read_as_the_newest(
    directory: Path, version: int, stored: dict[str, Any]
) -> None:
    registry = Registry.load(directory, CHAIN)
    before = dict(stored)

    read = registry.upcast("tank.filled", version, stored)

    assert read == {"volume_m3": 1.5, "tank": "main"}
    assert stored == before


def test_each_version_is_checked_against_its_own_schema(directory: Path) -> None:
    registry = Registry.load(directory, CHAIN)
    registry.check("tank.filled", 1, {"litres": 3})
    with pytest.raises(InputError, match="litres"):
        registry.check("tank.filled", 2, {"litres": 3})
    with pytest.raises(InputError, match="versions 1 to 3 are known, not 4"):
        registry.check("tank.filled", 4, {})


def test_the_newest_data_is_passed_on_untouched(directory: Path) -> None:
    stored = {"volume_m3": 1.5, "tank": "main"}
    assert Registry.load(directory, CHAIN).upcast("tank.filled", 3, stored) is stored


@pytest.mark.parametrize(("type_", "version"), [("tank.filled", 4), ("tank.filled", 0), ("tank.emptied", 1)])
def test_data_of_newer_software_is_refused_not_guessed(directory: Path, type_: str, version: int) -> None:
    with pytest.raises(InputError):
        Registry.load(directory, CHAIN).upcast(type_, version, {})


def test_a_missing_step_is_noticed_when_loading(directory: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"upcasters missing.*\('tank.filled', 2\)"):
        Registry.load(directory, {("tank.filled", 1): to_cubic_metres})


def test_a_missing_version_is_noticed_when_loading(directory: Path) -> None:
    (directory / "tank.filled.2.json").unlink()
    with pytest.raises(ConfigurationError, match=r"schemas missing.*\('tank.filled', 2\)"):
        Registry.load(directory, CHAIN)


def test_a_step_that_leads_nowhere_is_noticed_when_loading(directory: Path) -> None:
    with pytest.raises(ConfigurationError, match="without a newer version"):
        Registry.load(directory, {**CHAIN, ("tank.filled", 3): with_a_name})
