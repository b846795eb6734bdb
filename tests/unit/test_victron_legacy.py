"""What the system before this one knew of GX devices is taken over, and what is not understood is named."""

import json
import tomllib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.victron import mapping_file
from producers.victron.legacy import Problem, TakenOver, take_over
from producers.victron.options import entries
from schemas.errors import ConfigurationError

HOST, PORTAL = "192.168.100.2", "c0619ab50f49"


def gx(document: Any) -> list[dict[str, Any]]:
    taken = take_over(json.dumps(document, indent=1))
    assert taken.problems == []
    found = tomllib.loads(taken.gx).get("gx", [])
    assert isinstance(found, list)
    entries({"gx": found})
    return found


@pytest.mark.parametrize(
    "document",
    [
        [{"host": HOST, "portal_id": PORTAL, "name": "Rig 01"}],
        {"Rig 01": {"ip": HOST, "portal": PORTAL}},
        {"systems": [{"address": HOST, "vrm_id": PORTAL, "system_id": "rig-01"}]},
        {"gx": {"rig_01": {"mqtt_host": HOST, "VRM_Portal_ID": PORTAL, "enabled": True}}},
        {"host": HOST, "portal": PORTAL, "name": "rig_01"},
        [{"host": f"mqtt://{HOST}/", "portal": PORTAL, "system": "rig 01", "note": None}],
    ],
)
def test_devices_are_found_however_they_are_listed(document: Any) -> None:
    assert gx(document) == [{"host": HOST, "portal_id": PORTAL, "system_id": "rig_01"}]


def test_ports_passwords_and_names_that_no_system_can_have_are_kept() -> None:
    assert gx({PORTAL: f"{HOST}:8883"}) == [{"host": HOST, "port": 8883, "portal_id": PORTAL}]
    assert gx([{"host": HOST, "port": "1884", "password": "geheim", "name": "Bühne / links"}]) == [
        {"host": HOST, "port": 1884, "password": "geheim", "name": "Bühne / links"}
    ]


def test_devices_that_cannot_be_are_named_with_their_line() -> None:
    text = json.dumps([{"host": "a", "name": "one"}, {"name": "two"}, {"host": "a"}, 5], indent=1)

    taken = take_over(text)

    assert [problem.line for problem in taken.problems] == [7, 3, 1]
    assert "no host" in str(taken.problems[0])
    assert "twice" in str(taken.problems[1])
    assert tomllib.loads(taken.gx) == {"gx": [{"host": "a", "system_id": "one"}]}
    assert take_over("{\n\n x").problems == [
        Problem("gx_systems.json", 3, "it is no JSON: Expecting property name enclosed in double quotes")
    ]


@pytest.mark.parametrize(
    "line",
    [
        "com.victronenergy.vebus\t/Ac/Out/P\tvictron_ac_out_power",
        "victron_ac_out_power\tvebus\t/Ac/Out/P\t1.0\tPower at the output",
        "/Ac/Out/P\tvictron_ac_out_power\tcom.victronenergy.vebus.ttyS4\tgauge",
        f"N/{PORTAL}/vebus/276/Ac/Out/P\tvictron_ac_out_power",
        "vebus/276/Ac/Out/P\tvictron_ac_out_power",
        "com.victronenergy.vebus/Ac/Out/P  victron_ac_out_power",
        "vebus,/Ac/Out/P,victron_ac_out_power",
        "# old\nservice\tpath\tmetric\n\nvebus\t/Ac/Out/P\tvictron_ac_out_power",
    ],
)
def test_a_line_of_a_map_is_understood_in_any_order_of_its_columns(line: str) -> None:
    taken = take_over(fast=line)

    assert taken.problems == []
    assert (taken.covered, taken.mapping) == (1, "")
    assert tomllib.loads(taken.names) == {"victron": {"ac_out_power": "ac_out_power_w"}}


def test_what_our_mapping_does_not_read_gets_a_name_of_its_own() -> None:
    fast = "vebus\t/Leds/Mains\tvictron_led_mains\nmeteo\t/Irradiance\tvictron_irradiance\n"
    fast += "com.victronenergy.evcharger.x\t/Ac/Power\tEV:power\n"

    taken = take_over(json.dumps([HOST]), fast, "vebus\t/Quirks\tquirks", mapping_path="old.toml")

    assert taken.problems == []
    assert tomllib.loads(taken.mapping) == {
        "services": {
            "evcharger": {"fast": {"/Ac/Power": "x_ev_power"}},
            "meteo": {"fast": {"/Irradiance": "x_irradiance"}},
            "vebus": {"fast": {"/Leds/Mains": "x_led_mains"}, "slow": {"/Quirks": "x_quirks"}},
        }
    }
    assert tomllib.loads(taken.gx)["gx"] == [{"host": HOST, "mapping": "old.toml"}]
    map_ = mapping_file.read(mapping_file.packaged_text(), taken.mapping)
    assert map_.services["vebus"].readings["/Leds/Mains"][0].name == "x_led_mains"
    assert map_.services["vebus"].readings["/Ac/Out/P"][0].name == "ac_out_power_w"
    assert map_.services["vebus"].named("x_led_mains", 2) == "x_led_mains_2"


def test_another_pace_and_another_unit_are_said() -> None:
    taken = take_over(
        fast="vebus\t/VebusError\tvictron_vebus_error",
        slow="vebus\t/Energy/InverterToAcOut\tvictron_inv_kwh",
    )

    assert [str(problem) for problem in taken.problems] == [
        "map_fast.tsv line 1: error_code is read at the slow pace now",
        "map_slow.tsv line 1: victron_inv_kwh had another unit or sign than energy_inverter_to_out_wh",
    ]
    assert tomllib.loads(taken.names) == {"victron": {"vebus_error": "error_code"}}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("vebus\tvictron_power", "no path"),
        ("/Dc/0/Voltage\tvictron_dc_voltage", "which service"),
        ("vebus\t/Ac/Out/P\t---", "no name of a metric"),
        ("vebus\t/Ac/Out/P", "no name of a metric"),
    ],
)
def test_a_line_that_is_not_understood_is_reported_with_its_number(line: str, why: str) -> None:
    taken = take_over(slow=f"# comment\nvebus\t/Soc\tvictron_soc\n{line}\n")

    (problem, *_) = [problem for problem in taken.problems if problem.line == 3]
    assert problem.file == "map_slow.tsv"
    assert why in problem.why


def test_a_path_that_only_one_service_has_needs_no_service() -> None:
    taken = take_over(fast="/Ac/ActiveIn/Connected\tvictron_ac_in_connected")

    assert taken.covered == 1
    assert tomllib.loads(taken.names) == {"victron": {"ac_in_connected": "ac_in_connected_code"}}


def test_nothing_gives_nothing() -> None:
    assert take_over() == TakenOver()


lines = st.lists(
    st.lists(
        st.sampled_from(
            ["vebus", "/Ac/Out/P", "N/a/b/1/c", "victron_x", "com.victronenergy.", "#", "1.5", "//"]
        )
        | st.text(max_size=12),
        max_size=5,
    ).map("\t".join),
    max_size=8,
).map("\n".join)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["host", "ip", "portal", "name", "systems", "port", "tls", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(documents.map(json.dumps) | st.text(max_size=80), lines, lines)
def test_anything_gives_files_that_we_can_read_and_problems(systems: str, fast: str, slow: str) -> None:
    taken = take_over(systems, fast, slow)

    entries(tomllib.loads(taken.gx))
    tomllib.loads(taken.names)
    tomllib.loads(taken.mapping)
    if taken.mapping:
        with suppress(ConfigurationError):
            mapping_file.read(mapping_file.packaged_text(), taken.mapping)
    assert all(problem.line >= 1 for problem in taken.problems)
