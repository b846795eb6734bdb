"""The unit of power is found from voltage times current, never from one answer or without load."""

import pytest

from producers.modbus.power import AGREE, PowerWatch, apparent_va, suggests, told_va

FOUR_WIRE = {
    "ac_l1_voltage_v": 230.0, "ac_l2_voltage_v": 231.0, "ac_l3_voltage_v": 229.0,
    "ac_l12_voltage_v": 399.0, "ac_l23_voltage_v": 398.0, "ac_l31_voltage_v": 397.0,
    "ac_l1_current_a": 10.0, "ac_l2_current_a": 12.0, "ac_l3_current_a": 8.0,
    "ac_apparent_power_va": 6904.0, "ac_power_w": -6200.0, "ac_power_factor_ratio": -0.9,
}  # fmt: skip
THREE_WIRE = FOUR_WIRE | {"ac_l1_voltage_v": 0.0, "ac_l2_voltage_v": 0.0, "ac_l3_voltage_v": 0.0}
ONE_PHASE = {
    "ac_l1_voltage_v": 230.0, "ac_l2_voltage_v": 0.0, "ac_l3_voltage_v": 0.0,
    "ac_l1_current_a": 10.0, "ac_l2_current_a": 0.0, "ac_l3_current_a": 0.0, "ac_apparent_power_va": 2300.0,
}  # fmt: skip
TWO_WIRES = {"ac_l12_voltage_v": 400.0, "ac_l1_current_a": 10.0, "ac_apparent_power_va": 4000.0}
CHOICES = (1.0, 1000.0)


@pytest.mark.parametrize("values", [FOUR_WIRE, THREE_WIRE, ONE_PHASE, TWO_WIRES])
def test_both_apparent_powers_agree_in_every_wiring(values: dict[str, float]) -> None:
    assert suggests(values, "ac", CHOICES, 1.0) == 1.0
    in_kva = values | {"ac_apparent_power_va": values["ac_apparent_power_va"] / 1000}
    assert suggests(in_kva, "ac", CHOICES, 1.0) == 1000.0
    assert suggests(values, "ac", CHOICES, 1000.0) == 1000.0, "what was decoded with 1000 agrees with it"


def test_power_and_power_factor_do_where_apparent_power_is_not_told() -> None:
    without = {name: value for name, value in FOUR_WIRE.items() if name != "ac_apparent_power_va"}
    assert told_va(without, "ac") == pytest.approx(6888.9, abs=0.1)
    assert suggests(without, "ac", CHOICES, 1.0) == 1.0


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"ac_apparent_power_va": 5.0},
        ONE_PHASE | {"ac_l1_current_a": 0.0},
        ONE_PHASE | {"ac_l1_current_a": 0.04, "ac_apparent_power_va": 0.0092},
        ONE_PHASE | {"ac_apparent_power_va": 0.0},
        ONE_PHASE | {"ac_apparent_power_va": 100.0},
        ONE_PHASE | {"ac_l1_voltage_v": None},
        ONE_PHASE | {"ac_apparent_power_va": None},
    ],
)
def test_nothing_is_said_without_load_or_evidence(values: dict[str, float | None]) -> None:
    assert suggests(values, "ac", CHOICES, 1.0) is None


def test_apparent_power_is_that_of_the_phases() -> None:
    assert apparent_va(FOUR_WIRE, "ac") == pytest.approx(230 * 10 + 231 * 12 + 229 * 8)


def test_only_answers_in_a_row_change_what_is_believed() -> None:
    wrong = ONE_PHASE | {"ac_apparent_power_va": 2.3}
    watch = PowerWatch("ac", CHOICES, 1.0)

    assert watch.look(wrong) == 1000.0
    assert watch.look(ONE_PHASE) is None, "an inrush that voltage and current told before power did"
    assert watch.agree == 0

    for count in range(1, AGREE + 1):
        assert watch.look(wrong) == 1000.0
        assert watch.look({}) is None, "an answer without evidence neither helps nor hurts"
        assert watch.agree == count
    watch.believe(1000.0)
    assert (watch.scale, watch.agree) == (1000.0, 0)
    assert watch.look(ONE_PHASE) is None
