"""Options of producers: a table of site.toml, and the devices of a file that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from producers.devices_file import Options, arrays, merged
from schemas.errors import ConfigurationError

METERS = (
    '[[devices]]\nhost = "192.168.1.13"\n[[devices]]\nhost = "192.168.1.14"\n[[gx]]\nhost = "192.168.1.20"\n'
)


def options(tmp_path: Path, table: Mapping[str, Any], kind: str = "modbus") -> Options:
    site = tmp_path / "site.toml"
    site.touch()
    return Options(kind, lambda: table, site)


def test_without_a_file_the_options_are_those_of_the_table(tmp_path: Path) -> None:
    assert options(tmp_path, {"fast_ms": 500}).load() == {"fast_ms": 500}


def test_the_devices_of_the_file_are_added_to_those_of_the_table_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(METERS)
    own = {"host": "192.168.1.12"}

    loaded = options(tmp_path, {"devices": [own], "fast_ms": 1, "devices_file": "devices.toml"}).load()

    assert loaded == {"devices": [own, {"host": "192.168.1.13"}, {"host": "192.168.1.14"}], "fast_ms": 1}


def test_a_file_that_does_not_exist_yet_holds_no_devices_and_is_seen_when_it_appears(tmp_path: Path) -> None:
    said = options(tmp_path, {"devices_file": "devices.toml"})
    assert said.load() == {}
    assert not said.changed()

    (tmp_path / "devices.toml").write_text(METERS)

    assert said.changed()
    assert len(said.load()["devices"]) == 2
    assert not said.changed()


def test_both_files_are_watched(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(METERS)
    said = options(tmp_path, {"devices_file": "devices.toml"})
    said.load()
    for name in ("site.toml", "devices.toml"):
        assert not said.changed()
        with (tmp_path / name).open("a") as file:
            file.write("\n")
        assert said.changed()
        said.load()


def test_a_file_that_is_not_named_any_more_is_not_watched(tmp_path: Path) -> None:
    (tmp_path / "devices.toml").write_text(METERS)
    table = {"devices_file": "devices.toml"}
    said = options(tmp_path, table)
    said.load()
    table.clear()
    assert said.load() == {}

    (tmp_path / "devices.toml").write_text("")

    assert not said.changed()


def test_a_file_that_was_wrong_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    path.write_text("[[devices]")
    said = options(tmp_path, {"devices_file": "devices.toml"})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        said.load()
    assert not said.changed()

    path.write_text(METERS)

    assert said.changed()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[device]]\n", "not device"),
        ("fast_ms = 1\n", "not fast_ms"),
        ("devices = 3\n", r"\[\[devices\]\]"),
        ("devices = [3]\n", r"\[\[devices\]\]"),
        ("\x00", "cannot be read"),
    ],
)
def test_what_is_no_devices_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "devices.toml"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=says):
        arrays(path)


@pytest.mark.parametrize("named", ["", 3, ["devices.toml"]])
def test_a_name_that_is_none_is_refused(tmp_path: Path, named: object) -> None:
    with pytest.raises(ConfigurationError, match="devices_file"):
        options(tmp_path, {"devices_file": named}).load()


def test_a_table_whose_devices_are_no_list_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"producers\.modbus\.devices"):
        merged({"devices": "all"}, {"devices": [{}]}, "modbus")


def test_only_producers_with_devices_take_such_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="host"):
        options(tmp_path, {"devices_file": "devices.toml"}, "host").load()
