"""What is supported, as the document and the command line tell it."""

import ast
import re
from pathlib import Path

import pytest

from producers import supported
from producers.modbus.maps import all_maps
from schemas.measurements import MEASUREMENTS

DEVICES = supported.supported()


def test_the_document_is_up_to_date() -> None:
    assert supported.main(["--check"]) == 0, "run python -m producers.supported"


def test_every_map_and_producer_is_in_it() -> None:
    assert {one.name for one in DEVICES} == {"victron", "ups", "host", *all_maps()}


@pytest.mark.parametrize("one", DEVICES, ids=lambda one: one.name)
def test_everything_says_where_it_is_from_and_how_it_is_reached(one: supported.Supported) -> None:
    assert one.source
    assert one.reached
    assert one.device
    assert one.kind
    assert "|" not in f"{one.device}{one.reached}"


def test_the_tables_replace_what_stands_between_the_marks_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "devices.md"
    document.write_text(f"before\n\n{supported.BEGIN}\nold\n{supported.END}\n\nafter\n")

    assert supported.main(["--check", str(document)]) == 1
    assert supported.main([str(document)]) == 0
    assert supported.main(["--check", str(document)]) == 0

    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "`acuvim_ii`" in text
    assert "old" not in text.split(supported.BEGIN)[1].split("\n")[1:3]


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="begin"):
        supported.inserted("nothing", "table")


def asked_for(source: Path) -> set[str]:
    """List the keys that code asks a table of a device file for."""
    asks = {
        "text",
        "texts",
        "number",
        "numbers",
        "whole",
        "wholes",
        "flag",
        "map",
        "mixed",
        "table",
        "tables",
        "lists",
    }
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in asks
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }


@pytest.mark.parametrize("module", ["device_reading.py", "entry.py"])
def test_every_key_of_a_device_file_and_of_a_site_is_explained(module: str) -> None:
    text = supported.OUTPUT.read_text(encoding="utf-8")
    keys = asked_for(Path(supported.__file__).parent / "modbus" / module) | {"power_check", "energy_check"}

    assert len(keys) > 8
    assert not {key for key in keys if not re.search(rf"`(\[\[?)?{key}[`.\]]", text)}


def test_the_names_that_the_document_shows_are_in_the_vocabulary() -> None:
    text = supported.OUTPUT.read_text(encoding="utf-8")

    for name in (
        "ac_l1_voltage_v",
        "ac_energy_import_wh",
        "ups_on_battery_code",
        "clock_error_s",
        "clock_offset_s",
    ):
        assert name in text
        assert name in MEASUREMENTS
