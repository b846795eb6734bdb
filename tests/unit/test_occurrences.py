"""The table of occurrences: complete, and with the specification's own figures."""

import pytest

from schemas.errors import ConfigurationError
from schemas.occurrences import TABLE, Threshold, read
from schemas.registry import Registry


def test_every_occurrence_has_a_schema_and_every_schema_is_counted() -> None:
    types = {type_ for type_ in Registry.load().types() if type_.startswith("ups.")}

    assert set(TABLE.occurrences) == types


def test_the_specifications_nineteen_types_are_there_and_one_for_other_buses() -> None:
    assert len(TABLE.occurrences) == 20
    assert TABLE.get("ups.communication_error").severity == TABLE.get("ups.i2c_error").severity == "error"


@pytest.mark.parametrize(
    ("name", "category", "severity"),
    [
        ("AC_POWER_LOSS", "power", "warning"),
        ("DC_OUTPUT_LOSS", "power", "critical"),
        ("BATTERY_LOW", "battery", "warning"),
        ("BATTERY_CRITICAL", "battery", "critical"),
        ("TEMPERATURE_HIGH", "system", "warning"),
        ("I2C_ERROR", "system", "error"),
        ("THERMAL_SHUTDOWN", "safety", "critical"),
        ("CHARGE_CYCLE_COUNT", "battery", "info"),
    ],
)
def test_category_and_severity_are_the_specifications(name: str, category: str, severity: str) -> None:
    found = TABLE.get(f"ups.{name.lower()}")

    assert (found.label, found.category, found.severity) == (name, category, severity)


def test_limits_of_both_tables_of_the_specification_hold() -> None:
    assert dict(TABLE.thresholds) == {
        "ups.i2c_error": Threshold(10, 5),
        "ups.battery_low": Threshold(5, 2),
        "ups.battery_critical": Threshold(2, 1),
        "ups.ac_power_loss": Threshold(3, 1),
        "ups.temperature_high": Threshold(2, 1),
    }


@pytest.mark.parametrize(
    ("score", "grade"),
    [
        (100, "excellent"),
        (90, "excellent"),
        (89.9, "good"),
        (80, "good"),
        (70, "fair"),
        (60, "poor"),
        (0, "critical"),
    ],
)
def test_grades_begin_where_the_specification_says(score: float, grade: str) -> None:
    assert TABLE.health.grade(score) == grade


def test_an_unknown_type_is_counted_as_other() -> None:
    found = TABLE.get("ups.earth_fault")

    assert (found.category, found.severity, found.counts) == ("other", "info", "earth fault")


def test_what_ends_an_occurrence_is_found() -> None:
    assert TABLE.ended_by("ups.ac_power_loss") == "ups.ac_power_restored"
    assert TABLE.ended_by("ups.battery_critical") == "ups.battery_recovered"
    assert TABLE.ended_by("ups.i2c_error") is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('[occurrences.x]\ncategory = "none"\nseverity = "info"\ncounts = "x"', "no category none"),
        ('[occurrences.x]\ncategory = "power"\nseverity = "bad"\ncounts = "x"', "no severity bad"),
        ('[occurrences.x]\ncategory = "power"\nseverity = "info"\ncounts = "x"\nends = ["y"]', "ends y"),
        ("[thresholds]\nz = { daily = 1 }", "no occurrence ups.z"),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(line: str, complaint: str) -> None:
    whole = '[categories]\npower = "Power"\n'
    if "thresholds" not in line:
        whole += "[thresholds]\n"
    if "occurrences" not in line:
        whole += "[occurrences]\n"

    with pytest.raises(ConfigurationError, match=complaint):
        read(whole + line)
