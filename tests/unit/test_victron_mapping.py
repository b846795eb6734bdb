"""The mapping of a GX's paths: what it may say, and what a site may say otherwise."""

from pathlib import Path

import pytest

from producers.simulator.gx_paths import PATHS
from producers.victron.describing import version
from producers.victron.mapping import AlarmPath, Pace, Reading
from producers.victron.mapping_file import of_site, packaged, read
from producers.victron.numbers import Numbers
from schemas.errors import ConfigurationError
from schemas.measurements import MEASUREMENTS

HEAD = "[scales]\n[decimals]\nw = 1\n[description]\n[gx]\n[sums]\n"


def test_every_name_is_in_the_vocabulary_for_the_first_and_for_the_second_of_its_kind() -> None:
    for service in packaged().services.values():
        for path, readings in service.readings.items():
            for reading in readings:
                names = {service.named(reading.name, number) for number in range(1, service.most + 1)} - {
                    None
                }
                assert names, f"{service.type} {path}: {reading.name}"
                assert names <= MEASUREMENTS.keys()


def test_the_simulated_gx_which_was_written_apart_tells_the_same_of_every_path() -> None:
    for type_, rows in PATHS.items():
        for row in rows:
            readings = packaged().services[type_].readings.get(row.path, ())
            if row.path == "/Yield/System":  # the same counter as /Yield/User, which users may reset
                continue
            assert {reading.name for reading in readings} & set(row.names), f"{type_} {row.path}"
            assert all(reading.scale * row.scale == 1 or reading.magnitude for reading in readings), row.path


def test_names_are_numbered_from_the_second_on_where_the_place_has_numbers() -> None:
    tank, vebus, inputs = (packaged().services[name] for name in ("tank", "vebus", "digitalinput"))

    assert [tank.named("tank_level_pct", number) for number in (1, 2, 9)] == [
        "tank_level_pct",
        "tank_2_level_pct",
        None,
    ]
    assert [vebus.named("ac_out_power_w", number) for number in (1, 2)] == ["ac_out_power_w", None]
    assert inputs.named("input_state_code", 1) == "input_1_state_code"
    assert (tank.most, vebus.most, inputs.most) == (8, 1, 8)


@pytest.mark.parametrize(
    ("type_", "path", "name", "scale", "pace"),
    [
        ("vebus", "/Ac/Out/L3/P", "ac_out_l3_power_w", 1.0, Pace.FAST),
        ("vebus", "/Energy/AcIn1ToAcOut", "energy_in1_to_out_wh", 1000.0, Pace.SLOW),
        ("vebus", "/Alarms/L2/Ripple", "alarm_l2_ripple_code", 1.0, Pace.SLOW),
        ("system", "/Relay/0/State", "relay_1_state_code", 1.0, Pace.FAST),
        ("battery", "/ConsumedAmphours", "battery_consumed_ah", -1.0, Pace.SLOW),
        ("multi", "/Pv/3/V", "pv_4_voltage_v", 1.0, Pace.FAST),
        ("genset", "/Engine/OperatingHours", "genset_engine_operating_s", 1.0, Pace.SLOW),
    ],
)
def test_some_paths(type_: str, path: str, name: str, scale: float, pace: Pace) -> None:
    (reading,) = packaged().services[type_].readings[path]

    assert (reading.name, reading.scale, reading.pace) == (name, scale, pace)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (20.43000030517578, 20.43),
        (936, 936.0),
        (True, 1.0),
        (-0.0, 0.0),
        (None, None),
        ("12", None),
        ([1], None),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (10**400, None),
    ],
)
def test_a_value_is_a_finite_number_without_the_noise_of_single_precision(
    raw: object, value: float | None
) -> None:
    said = Reading("dc_voltage_v", Pace.FAST, 1.0, 3, magnitude=False, rank=0).value(raw)

    assert said == value
    assert str(said) != "-0.0"


def test_a_count_of_charge_has_no_sign_however_the_device_counts() -> None:
    drawn = packaged().services["battery"].readings["/History/TotalAhDrawn"][0]

    assert drawn.value(-13653.2998047) == 13653.3
    assert drawn.value(59.099998474121094) == 59.1


@pytest.mark.parametrize(
    ("raw", "level"),
    [(0, None), (1, "warning"), (2, "alarm"), (7, "alarm"), (None, None), ("x", None), (0.0, None)],
)
def test_levels_of_an_alarm(raw: object, level: str | None) -> None:
    assert AlarmPath("overload").level(raw) == level


def test_a_fault_is_an_alarm_with_its_number() -> None:
    fault = AlarmPath("error", fault=True)

    assert (fault.level(0), fault.level(1), fault.code(17)) == (None, "alarm", 17.0)


@pytest.mark.parametrize(
    ("number", "type_", "text"),
    [
        (1362, "vebus", "552"),
        (356, "solarcharger", "1.64"),
        (67327, "battery", "1.06"),
        (0x010602, "battery", "1.06~2"),
        (2, "grid", "2"),
    ],
)
def test_versions_read_as_on_victrons_own_screens(number: int, type_: str, text: str) -> None:
    assert version(number, type_) == text


def test_a_site_may_say_otherwise_path_by_path(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[services.vebus.slow]\n"/Dc/1/Soc" = "soc_pct"\n"/Soc" = ""\n'
        '[services.meteo]\nplace = "sensor"\n'
        '[services.meteo.slow]\n"/CellTemperature" = "sensor_temperature_c"\n'
        '[services.vebus.alarms]\n"/Alarms/GridLost" = "mains_gone"\n'
    )
    with pytest.raises(ConfigurationError, match="both paces"):
        of_site(own)
    own.write_text(own.read_text().replace('"/Dc/1/Soc" = "soc_pct"\n', ""))

    services = of_site(own).services

    assert services["vebus"].readings["/Soc"] == ()
    assert [reading.name for reading in services["vebus"].readings["/Ac/Out/P"]] == ["ac_out_power_w"]
    assert services["meteo"].readings["/CellTemperature"][0].name == "sensor_temperature_c"
    assert services["vebus"].alarms["/Alarms/GridLost"] == (AlarmPath("mains_gone"),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "there is no x"),
        ("[services.a]\nx = 1", "there is no x"),
        ('[services.a.fast]\n"Soc" = "soc_pct"', "a path begins with /"),
        ('[services.a.fast]\n"/A" = "soc"', "not in the vocabulary"),
        ('[services.a.fast]\n"/A" = { name = "dc_power_w", factor = 2 }', "there is no factor"),
        ('[services.a.fast]\n"/A" = 5', "own"),
        ("[services.a.fast\n", "own"),
        ("services = 5", "own"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        read(HEAD + "[services.vebus.fast]\n" + '"/Dc/0/Power" = "dc_power_w"\n', text, where="own.toml")

    assert "own.toml" in str(caught.value)


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml"):
        of_site(tmp_path / "none.toml")


def test_numbers_are_taken_over_only_when_all_are_taken_and_from_who_is_not_there() -> None:
    numbers = Numbers()
    there = {1, 2}
    for instance in (1, 2):
        numbers.give("tank", instance, "", most=2, there=there.__contains__)

    assert numbers.give("tank", 3, "", most=2, there=there.__contains__) == 0
    there = {2, 3}
    assert numbers.give("tank", 3, "", most=2, there=there.__contains__) == 1
    assert numbers.give("tank", 2, "", most=2, there=there.__contains__) == 2


def test_a_box_that_took_anothers_place_is_known_by_its_serial_number_only_when_that_one_is_gone() -> None:
    numbers = Numbers({"solarcharger/1": [1, "A"], "solarcharger/2": [2, "B"]})

    def give(instance: int, serial: str, *there: int) -> int:
        return numbers.give("solarcharger", instance, serial, most=8, there=there.__contains__)

    assert give(2, "B", 1, 2) == 2
    assert give(5, "A", 2, 5) == 1
    assert give(1, "C", 2, 5, 1) == 3
    assert Numbers(numbers.dump()).dump() == {
        "solarcharger/5": [1, "A"],
        "solarcharger/2": [2, "B"],
        "solarcharger/1": [3, "C"],
    }


@pytest.mark.parametrize(
    "said", [{"tank/1": [0, ""]}, {"tank/x": [1, ""]}, {"tank/1": ["1", ""]}, {"tank/1": 5}]
)
def test_numbers_that_are_none_are_refused(said: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Numbers(said)
