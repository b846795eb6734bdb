"""Rules as data: those that come with the program, those of a site, and the mistakes people make in them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from detection.overrides import override
from detection.rules import Rule, load, read
from detection.run import rules_of
from schemas.errors import ConfigurationError
from schemas.occurrences import TABLE

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
RULE = '[[rule]]\nid = "x"\nraises = "i2c_error"\ntest = [{ reading = "soc_pct", above = 5 }]\n'


def test_every_occurrence_has_a_rule() -> None:
    told = {rule.raises for rule in load()} | {rule.ends for rule in load() if rule.ends}

    assert told == TABLE.occurrences.keys()


def test_the_document_names_every_rule_and_its_example_is_one() -> None:
    (example,) = re.findall(r"```toml\n(\[\[rule\]\].*?)```", DOCUMENT, re.DOTALL)

    assert [rule.id for rule in read([("docs", example)])] == ["cabinet_hot"]
    for rule in load():
        assert f"`{rule.id}`" in DOCUMENT


def test_a_site_adds_rules_and_replaces_those_of_the_same_id(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(RULE + RULE.replace('"x"', '"charged"'))
    found = {rule.id: rule for rule in load([path])}

    assert found["x"].raises == found["charged"].raises == "ups.i2c_error"
    assert len(found) == len(load()) + 1


def test_rules_are_judged_after_those_they_ask_for() -> None:
    order = [rule.id for rule in load()]

    assert order.index("temperature_high") < order.index("thermal_shutdown")
    assert order.index("ac_in_lost") < order.index("silent_on_battery")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('raises = "i2c_error"', 'raises = "i2c_eror"', "no occurrence ups.i2c_eror"),
        ('raises = "i2c_error"\n', "", "raises is missing"),
        ('id = "x"\n', "", "id is missing"),
        ("soc_pct", "soc", "no measurement soc"),
        ("above = 5", "abov = 5", "abov is not known"),
        ('[{ reading = "soc_pct", above = 5 }]', "[5]", "write a list of tables"),
        ("above = 5", "above = { lifepo4 = true, li_ion = 1, lead_acid = 1 }", "above cannot be"),
        ("above = 5", 'above = "high"', "above cannot be 'high'"),
        ("above = 5", "above = { lifepo4 = 3 }", "needs lifepo4, li_ion, lead_acid"),
        ("above = 5", 'above = 5, times = "volts"', "times is one of"),
        ("above = 5", 'above = 5, of = "most"', "of is one of first, any, all"),
        ("above = 5", 'above = 5, alarm = "x"', "ask for one of"),
        ('reading = "soc_pct", above = 5', 'rule = "y"', "no rule y"),
        ('reading = "soc_pct", above = 5', 'rule = "x"', "in a circle: x"),
        ('[{ reading = "soc_pct", above = 5 }]', "[]", "it tests nothing"),
        ("[[rule]]", "[[rule]", "cannot be read"),
        ('id = "x"', 'id = "x"\nhold_s = "6"', "hold_s cannot be '6'"),
        ('id = "x"', 'id = "x"\nkind = "edge"', "kind is one of"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, complaint: str) -> None:
    assert old in RULE

    with pytest.raises(ConfigurationError, match=complaint):
        read([("own.toml", RULE.replace(old, new))])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the rules in"):
        load([tmp_path / "none.toml"])


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"rules": {"temprature_high": {"above": 5}}}, "no rule temprature_high"),
        ({"rules": {"temperature_high": {"raises": "x"}}}, "raises cannot be changed"),
        ({"cells": 0}, "above 0"),
        ({"cels": 16}, "there is no cels"),
        ({"chemistry": "nickel"}, "chemistry is one of"),
        ({"cells": float("nan")}, "above 0"),
        ("16 cells", "as a table"),
        ({"rules": 3}, "write rules as a table"),
        ({"rules": {"temprature_high": {}}}, "; temperature_high?"),
        ({"rules": {"battery_low": 3}}, "battery_low: write what changes as a table"),
        ({"rules": {"ac_in_lost": {"enabled": "no"}}}, "enabled is true or false"),
        ({"rules": {"charging": {"first": "quiet"}}}, "first is one of raise, silent"),
        ({"rules": {"battery_low": {"hold_s": "6"}}}, "hold_s must be a number"),
        ({"rules": {"battery_low": {"hold_s": -1}}}, "hold_s must be at least 0"),
        ({"rules": {"temperature_high": {"above": "hot"}}}, "above must be a number, not 'hot'"),
        ({"rules": {"temperature_high": {"above": True}}}, "above must be a number, not True"),
        ({"rules": {"temperature_high": {"above": float("inf")}}}, "above must be a number"),
        ({"rules": {"temperature_high": {"below": 5}}}, "it has no below"),
        (
            {"rules": {"battery_low": {"below": 3.1}}},
            r"may mean % or volts per cell: .* cell_voltage = 3.1 }",
        ),
        ({"rules": {"battery_low": {"hysteresis": 0.05}}}, "hysteresis may mean % or volts per cell"),
        (
            {"rules": {"battery_low": {"below": {"charge": 30}}}},
            "no charge; there are: cell_voltage, .*lifepo4",
        ),
        ({"rules": {"battery_low": {"below": {"soc": "30"}}}}, "below.soc must be a number"),
        ({"rules": {"battery_low": {"hysteresis": {"lifepo4": 1}}}}, "hysteresis has no lifepo4"),
        ({"rules": {"charging": {"above": 5}}}, "above may mean A or W: say which one"),
    ],
)
def test_a_mistake_about_a_system_is_named(said: Any, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        rules_of(load(), {"rig_01": said})


def test_a_limit_of_one_system_changes_no_other() -> None:
    of = rules_of(load(), {"Rig 1": {"rules": {"temperature_high": {"above": 50, "hold_s": 1}}}})
    own = next(rule for rule in of("rig_1")[0] if rule.id == "temperature_high")
    other = next(rule for rule in of("rig_2")[0] if rule.id == "temperature_high")

    assert own.test[0].above == 50
    assert own.hold_s == 1
    assert other.test[0].above == 60


def limits(rules: dict[str, Any], id_: str, name: str) -> list[Any]:
    """Return what a limit of a rule becomes, test by test."""
    rule: Rule = next(one for one in override(load(), rules, "here") if one.id == id_)
    return [getattr(test, name) for test in rule.test]


def test_one_number_is_for_all_tests_that_mean_the_same() -> None:
    assert limits({"battery_overvoltage": {"above": 3.7}}, "battery_overvoltage", "above") == [3.7, 3.7, None]
    assert limits({"overcurrent": {"above": 1.2}}, "overcurrent", "above") == [1.2, 1.2, None, None]


def test_a_table_changes_the_limits_that_it_names_and_no_other() -> None:
    cells = {"lifepo4": 3.1, "li_ion": 3.6, "lead_acid": 1.95}
    charge = {"battery_low": {"below": {"soc": 30}, "hysteresis": {"soc": 2}}}
    both = {"battery_low": {"below": {"lifepo4": 3.1, "soc": 30}}}

    assert limits(both, "battery_low", "below") == [cells, cells, None, 30]
    assert limits(charge, "battery_low", "below")[2:] == [None, 30]
    assert limits(charge, "battery_low", "hysteresis") == [0.1, 0.1, 0, 2]
    assert limits({"battery_low": {"below": {"voltage": 3.2}}}, "battery_low", "below")[1] == 3.2


def test_a_limit_of_one_system_goes_before_what_it_is_registered_with() -> None:
    assert limits({"battery_low": {"below": {"lifepo4": 3.1}}}, "battery_low", "limit") == [None] * 4
    assert limits({"battery_low": {"below": {"soc": 30}}}, "battery_low", "limit")[0] == "low_cell_v"


def test_the_documents_example_for_one_system_is_accepted() -> None:
    (example,) = re.findall(r"```toml\n(\[detection.*?)```", DOCUMENT, re.DOTALL)
    of = rules_of(load(), tomllib.loads(example)["detection"]["systems"])
    own = {rule.id: rule for rule in of("rig_01")[0]}

    assert own["temperature_high"].test[0].above == 55
    assert own["battery_low"].test[0].below == {"lifepo4": 3.1, "li_ion": 3.6, "lead_acid": 1.95}
    assert own["battery_low"].test[3].below == 30
    assert "supply_lost" not in own


def test_nothing_said_changes_nothing() -> None:
    assert override(load(), {}, "here") == load()
