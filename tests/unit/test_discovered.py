"""How what a probe found is told."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovr.discovered import Discovered, for_site, shown, toml
from producers.adapter import AlarmSeen, Description

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ac_l1_voltage_v", 230.1, "230.1 V"),
        ("ac_energy_import_wh", 17_807_783_300.0, "17,807,783,300 Wh"),
        ("ac_power_factor_ratio", -0.995, "-0.995"),
        ("state_code", 3.0, "3 (bulk)"),
        ("state_code", 3, "3 (bulk)"),
        ("state_code", 999.0, "999"),
        ("host_load_1m_count", 2.0, "2"),
        ("x_mine", 2.5, "2.5"),
    ],
)
def test_readings_have_their_unit_or_the_word_of_their_code(name: str, value: float, text: str) -> None:
    assert shown(name, value) == text


@given(
    st.dictionaries(
        st.sampled_from(["host", "port", "tls", "parameters", "confirm"]),
        st.one_of(
            TEXTS, st.integers(-(2**60), 2**60), st.booleans(), st.lists(TEXTS), st.dictionaries(TEXTS, TEXTS)
        ),
    )
)
def test_any_entry_can_be_read_back(entry: dict[str, object]) -> None:
    text = toml("producers.modbus.devices", entry)

    assert tomllib.loads(text) == {"producers": {"modbus": {"devices": [entry]}}}


def test_what_is_less_likely_is_a_remark() -> None:
    first = Discovered(
        "modbus", "a", "acuvim_ii", entry=toml("producers.modbus.devices", {"map": "acuvim_ii"})
    )
    other = Discovered(
        "modbus", "a", "x", entry=toml("producers.modbus.devices", {"map": "x"}), alternative=True
    )
    silent = Discovered("modbus", "b", "y")

    text = for_site([first, other, silent])

    assert tomllib.loads(text) == {"producers": {"modbus": {"devices": [{"map": "acuvim_ii"}]}}}
    assert '# map = "x"' in text


def test_a_device_is_told_with_what_it_reads_and_what_is_wrong() -> None:
    device = Discovered(
        "ups",
        "rack@127.0.0.1:3493",
        "ups",
        Description(maker="APC", model="Smart-UPS", serial="S1", firmware="9"),
        {"soc_pct": 64.0, "ac_in_voltage_v": None},
        [AlarmSeen("on_battery", "warning"), AlarmSeen("overload", None)],
        notes=["look at it"],
    )

    assert list(device.lines()) == [
        "rack@127.0.0.1:3493: APC Smart-UPS, serial S1, firmware 9 (ups)",
        "  soc_pct  64 %",
        "  1 more have no value now",
        "  warning: on_battery",
        "  note: look at it",
    ]
    assert device.json()["alarms"] == [{"alarm": "on_battery", "level": "warning", "phase": "", "text": ""}]
