"""Limits from every place that can say one: which counts, and what is refused."""

from pathlib import Path

import pytest

from detection.limits import Limit, limits_of, packaged, read
from ovr import config
from ovr.alerts import limits
from schemas.errors import ConfigurationError

SPECIFIED = """
# config/event_counters.yaml
event_counters:
  storage_file: "data/event_counters.json"
  auto_save_interval: 300  # 5 minutes
  history_retention_days: 365
  max_history_per_event: 10000

alert_thresholds:
  I2C_ERROR:
    daily: 10
    hourly: 5
    severity: "WARNING"

  BATTERY_CRITICAL:
    daily: 2
    hourly: 1
    severity: "CRITICAL"

  AC_POWER_LOSS:
    daily: 3
    hourly: 1
    severity: "WARNING"

reporting:
  auto_generate_daily_report: true
  export_formats: ["json", "csv"]
"""


def holding(path: Path, site: str, yaml: str | None = None, system: str = "rig_01") -> dict[str, Limit]:
    """Read a site.toml and the file beside it, and return what holds for a system."""
    (path / "site.toml").write_text(site)
    if yaml is not None:
        (path / "event_counters.yaml").write_text(yaml)
    found = limits(config.load(path / "site.toml", {}).alerts)
    return {one.alert: one for one in found(system)}


def test_what_comes_with_the_program_is_the_specification_and_its_yaml_together(tmp_path: Path) -> None:
    found = holding(tmp_path, "")

    assert {name: (one.most, one.severity) for name, one in found.items()} == {
        "ac_power_loss_daily": (3, "warning"),
        "ac_power_loss_hourly": (1, "critical"),
        "battery_critical_daily": (2, "warning"),
        "battery_critical_hourly": (1, "critical"),
        "battery_low_daily": (5, "warning"),
        "battery_low_hourly": (2, "critical"),
        "i2c_error_daily": (10, "warning"),
        "i2c_error_hourly": (5, "critical"),
        "temperature_high_daily": (2, "warning"),
        "temperature_high_hourly": (1, "critical"),
    }


def test_the_specifications_yaml_is_read_as_it_stands(tmp_path: Path) -> None:
    found = holding(tmp_path, '[alerts]\nyaml = "event_counters.yaml"\n', SPECIFIED)

    assert found["i2c_error_hourly"] == Limit("ups.i2c_error", "hourly", 5, "warning")
    assert found["battery_critical_daily"] == Limit("ups.battery_critical", "daily", 2, "critical")
    assert found["battery_low_hourly"] == Limit("ups.battery_low", "hourly", 2, "critical")


def test_what_is_said_nearer_counts_more_and_the_rest_stays(tmp_path: Path) -> None:
    site = """
    [alerts]
    yaml = "event_counters.yaml"
    thresholds.ac_power_loss = { daily = 7 }
    thresholds.i2c_error = { hourly = "off" }
    [alerts.systems."Rig 01"]
    ac_power_loss = { hourly = 4, severity = "critical" }
    thermal_shutdown = { daily = 0 }
    """

    rig = holding(tmp_path, site, SPECIFIED)
    other = holding(tmp_path, site, SPECIFIED, system="rig_02")

    assert rig["ac_power_loss_daily"] == Limit("ups.ac_power_loss", "daily", 7, "critical")
    assert rig["ac_power_loss_hourly"].most == 4
    assert rig["thermal_shutdown_daily"].most == 0
    assert other["ac_power_loss_daily"] == Limit("ups.ac_power_loss", "daily", 7, "warning")
    assert other["ac_power_loss_hourly"].most == 1
    assert "thermal_shutdown_daily" not in other
    assert "i2c_error_hourly" not in rig.keys() | other.keys()
    assert "i2c_error_daily" in rig


def test_off_may_be_written_as_yaml_reads_it(tmp_path: Path) -> None:
    yaml = "alert_thresholds:\n  I2C_ERROR: {daily: off, hourly: 0}\n"

    found = holding(tmp_path, '[alerts]\nyaml = "event_counters.yaml"\n', yaml)

    assert "i2c_error_daily" not in found
    assert found["i2c_error_hourly"].most == 0


def test_a_file_without_limits_changes_none(tmp_path: Path) -> None:
    said = '[alerts]\nyaml = "event_counters.yaml"\n'

    assert holding(tmp_path, said, "event_counters: {}\nalert_thresholds:\n") == holding(tmp_path, "")


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"ac_power_los": {"daily": 1}}, "there is no occurrence ac_power_los; there are: ac_power_loss"),
        ({"ac_power_loss": 3}, "with daily, hourly and severity"),
        ({"ac_power_loss": {"weekly": 3}}, "there is no weekly"),
        ({"ac_power_loss": {"daily": -1}}, "daily: must be a whole number, or off, got -1"),
        ({"ac_power_loss": {"daily": 1.5}}, "got 1.5"),
        ({"ac_power_loss": {"daily": True}}, "got True"),
        ({"ac_power_loss": {"severity": "BAD"}}, "severity is one of info, warning, error, critical"),
        (["ac_power_loss"], "write it as a table"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_to_write(said: object, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read(said, "alerts.thresholds")


@pytest.mark.parametrize(
    ("site", "complaint"),
    [
        ("alerts = 3", "write alerts as a table"),
        ("[alerts]\nthresholds = 3", "write alerts.thresholds as a table"),
        ("[alerts]\nurls = 'x'", "did you mean alerts.url"),
        ("[alerts]\nevery_s = 0", "alerts.every_s must be at least 1"),
        ("[alerts]\nyaml = 'no.yaml'", "alerts.yaml: .*no.yaml cannot be read"),
        ("[alerts]\nyaml = 'site.toml'", "alerts.yaml: .*site.toml cannot be read|holds no table"),
        ("[alerts.systems.rig_01]\nx = {}", "alerts.systems.rig_01: there is no occurrence x"),
        ("[alerts.systems.'°°']\ni2c_error = {}", "alerts.systems.°°: "),
    ],
)
def test_a_wrong_configuration_says_where_and_what(tmp_path: Path, site: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        holding(tmp_path, site)


def test_limits_can_be_made_of_nothing() -> None:
    assert limits_of()("rig_01") == ()
    assert len(limits_of(packaged())("rig_01")) == 10
