"""What NUT's variables mean: vectors as real drivers write them, and laws."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.adapter import AlarmSeen
from producers.ups import meaning_file
from producers.ups.meaning import Readings, number, status_words
from schemas.errors import ConfigurationError
from schemas.measurements import unknown

MEANING = meaning_file.packaged()
WORDS = sorted({word for flag in MEANING.flags for word in flag.words})


def values(**variables: str) -> Readings:
    return MEANING.of(
        {name.replace("__", "-").replace("_", "."): text for name, text in variables.items()}
    ).values


def told(status: str) -> set[str]:
    return {name.removeprefix("ups_").removesuffix("_code") for name, value in flags(status).items() if value}


def flags(status: str) -> Readings:
    return {name: value for name, value in values(ups_status=status).items() if name.startswith("ups_")}


def alarms(**variables: str) -> dict[str, AlarmSeen]:
    said = MEANING.of({name.replace("_", "."): text for name, text in variables.items()})
    return {seen.alarm: seen for seen in said.alarms}


def active(**variables: str) -> set[str]:
    return {name for name, seen in alarms(**variables).items() if seen.level is not None}


def test_every_name_of_the_table_is_in_the_vocabulary() -> None:
    names = [one.name for group in (MEANING.readings, MEANING.flags, MEANING.coded) for one in group]

    assert not unknown(dict.fromkeys(names))
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("OL", {"online"}),
        ("OL CHRG", {"online", "charging"}),
        ("OB DISCHRG", {"on_battery", "discharging"}),
        ("OB LB DISCHRG", {"on_battery", "low_battery", "discharging"}),
        ("FSD OB LB", {"on_battery", "low_battery", "shutdown"}),
        ("ALARM OL", {"online", "alarm"}),
        ("OL BYPASS", {"online", "bypass"}),
        ("LB OL CHRG", {"online", "low_battery", "charging"}),
        ("OL LB OVER RB BOOST", {"online", "low_battery", "overloaded", "replace_battery", "boosting"}),
        ("OL HE", {"online", "eco"}),
        ("ol  trim ", {"online", "trimming"}),
        ("OFF", {"off"}),
        ("OL CAL", {"online", "calibrating"}),
        ("OB # the driver's remark: OL RB", {"on_battery"}),
    ],
)
def test_a_status_is_a_set_of_words(status: str, words: set[str]) -> None:
    assert told(status) == words


@pytest.mark.parametrize(
    "status",
    ["OL OB", "OL DISCHRG OB #BAD: Actually the UPS is online", "TRIM", "OFF", "", "  ", "#OL", "WAIT"],
)
def test_what_contradicts_itself_or_says_nothing_is_unknown_and_not_on_battery(status: str) -> None:
    assert flags(status)["ups_on_battery_code"] is None
    assert flags(status)["ups_online_code"] is None
    assert "on_battery" not in alarms(ups_status=status)


@pytest.mark.parametrize("status", ["", "WAIT", "# nothing yet"])
def test_an_empty_status_tells_nothing_at_all(status: str) -> None:
    assert set(flags(status).values()) == {None}
    assert not active(ups_status=status)


@given(
    st.lists(st.sampled_from(WORDS)).flatmap(lambda said: st.tuples(st.just(said), st.permutations(said * 2)))
)
def test_order_and_repetition_of_words_mean_nothing(given_words: tuple[list[str], list[str]]) -> None:
    words, shuffled = given_words

    assert flags(" ".join(shuffled)) == flags(" ".join(words))


@given(st.text(max_size=60))
def test_any_status_gives_codes_or_unknown(status: str) -> None:
    assert set(flags(status).values()) <= {0.0, 1.0, None}
    assert not (flags(status)["ups_online_code"] and flags(status)["ups_on_battery_code"])


@given(st.dictionaries(st.sampled_from(["ups.status", "battery.charge", "ups.alarm", "x"]), st.text()))
def test_any_variables_give_numbers_or_nothing(variables: dict[str, str]) -> None:
    said = MEANING.of(variables)

    assert all(value is None or isinstance(value, float) for value in said.values.values())
    MEANING.describe(variables)


def test_words_that_nobody_knows_are_told_apart() -> None:
    assert MEANING.of({"ups.status": "OL NEWWORD"}).strange == {"NEWWORD"}
    assert MEANING.of({"ups.status": "OL #NEWWORD"}).strange == set()


def test_a_remark_ends_the_words() -> None:
    assert status_words("OL  chrg # OB") == {"OL", "CHRG"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("042.7", 42.7), ("21,52", 21.52), ("-5.3", -5.3), (" 100 ", 100.0), ("+3", 3.0)],
)
def test_numbers_are_read_as_drivers_write_them(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    "text", ["", "N/A", "nan", "inf", "1e3", "0x10", "12 V", "1.2.3", "-", "٣", "9" * 400]
)
def test_what_is_no_number_is_no_value(text: str) -> None:
    assert number(text) is None
    assert values(battery_charge=text) == {"soc_pct": None}


def test_a_single_phase_ups() -> None:
    assert values(
        battery_charge="100",
        battery_runtime="4320",
        battery_voltage="27.1",
        input_voltage="229.5",
        input_frequency="50.0",
        output_voltage="230.2",
        output_current="1.4",
        ups_load="23",
        ups_realpower="172",
        ups_temperature="31.4",
        input_transfer_low="180",
    ) == {
        "soc_pct": 100.0,
        "battery_time_to_go_s": 4320.0,
        "battery_voltage_v": 27.1,
        "ac_in_voltage_v": 229.5,
        "ac_in_frequency_hz": 50.0,
        "ac_out_voltage_v": 230.2,
        "ac_out_current_a": 1.4,
        "ac_out_load_pct": 23.0,
        "ac_out_power_w": 172.0,
        "ups_temperature_c": 31.4,
        "ac_in_transfer_low_v": 180.0,
    }


def test_a_three_phase_ups_has_its_phases_and_their_sum() -> None:
    said = values(
        input_phases="3",
        input_voltage="227.0",
        input_current="99.0",
        input_L1__L2_voltage="393.0",
        input_L3__L1_voltage="390.0",
        input_L2__N_voltage="231",
        input_L1_current="137.0",
        input_bypass_L3__N_voltage="232",
        output_phases="3",
        output_current="99",
        output_L1_realpower="30900",
        output_L2_realpower="35300",
        output_L3_realpower="32600",
        output_L2_power_percent="88",
    )

    assert said == {
        "ac_in_phases_count": 3.0,
        "ac_in_voltage_v": 227.0,
        "ac_in_current_a": None,  # drivers disagree on what it is: a mean, a sum or L1
        "ac_in_l12_voltage_v": 393.0,
        "ac_in_l31_voltage_v": 390.0,
        "ac_in_l2_voltage_v": 231.0,
        "ac_in_l1_current_a": 137.0,
        "ac_bypass_l3_voltage_v": 232.0,
        "ac_out_phases_count": 3.0,
        "ac_out_current_a": None,
        "ac_out_l1_power_w": 30900.0,
        "ac_out_l2_power_w": 35300.0,
        "ac_out_l3_power_w": 32600.0,
        "ac_out_power_w": 98800.0,
        "ac_out_l2_load_pct": 88.0,
    }


def test_the_sum_of_three_phases_comes_before_a_total_that_may_be_the_first_phase() -> None:
    phases = {f"output_L{n}_realpower": "100" for n in (1, 2, 3)}

    assert values(ups_realpower="100", output_phases="3", **phases)["ac_out_power_w"] == 300.0
    assert values(ups_power="34656.00", output_phases="3")["ac_out_apparent_power_va"] is None
    assert values(ups_power="500", output_phases="1")["ac_out_apparent_power_va"] == 500.0
    assert "ac_out_power_w" not in values(output_L1_realpower="100", output_L2_realpower="100")
    assert values(**{**phases, "output_L2_realpower": "-"})["ac_out_power_w"] is None


@pytest.mark.parametrize("text", ["65534", "65535", "-1"])
def test_a_runtime_without_an_end_is_no_value(text: str) -> None:
    assert values(battery_runtime=text) == {"battery_time_to_go_s": None}


@pytest.mark.parametrize("status", ["", "WAIT"])
def test_a_device_is_not_described_before_its_driver_knows_it(status: str) -> None:
    assert MEANING.describe({"ups.status": status, "ups.mfr": "APC"}) is None
    assert MEANING.describe({"ups.mfr": "APC"}) is not None


def test_minus_one_is_how_drivers_say_that_there_is_no_runtime_and_no_shutdown() -> None:
    assert values(battery_runtime="-1", ups_timer_shutdown="-1") == {
        "battery_time_to_go_s": None,
        "ups_shutdown_in_s": None,
    }


@pytest.mark.parametrize(
    ("status", "current", "value"),
    [
        ("OL CHRG", "2.5", 2.5),
        ("OL CHRG", "-2.5", 2.5),
        ("OB DISCHRG", "12", -12.0),
        ("OB", "-12", -12.0),
        ("OL", "0.0", 0.0),
        ("OL", "0.3", None),
        ("OL OB", "4", None),
    ],
)
def test_the_status_gives_the_direction_of_the_battery_current(
    status: str, current: str, value: object
) -> None:
    assert values(ups_status=status, battery_current=current)["battery_current_a"] == value


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("L", 1.0),
        ("brownout", 1.0),
        ("High Line Voltage", 2.0),
        ("input frequency out of range", 4.0),
        ("zz", 255.0),
    ],
)
def test_the_reason_of_the_last_transfer_is_a_code(reason: str, code: float) -> None:
    assert values(input_transfer_reason=reason) == {"ups_transfer_reason_code": code}


@pytest.mark.parametrize(
    ("status", "names"),
    [
        ("OL", set()),
        ("OB DISCHRG", {"on_battery"}),
        ("OB LB", {"on_battery", "low_battery"}),
        ("FSD OB LB", {"on_battery", "low_battery", "forced_shutdown"}),
        ("OL RB OVER", {"replace_battery", "overload"}),
        ("OL BYPASS", {"bypass"}),
        ("OFF", {"output_off"}),
        ("ALARM OL", {"ups_alarm"}),
        ("OL TRIM", set()),
        ("OL CAL", set()),
    ],
)
def test_states_that_somebody_must_know_of_are_alarms(status: str, names: set[str]) -> None:
    assert active(ups_status=status) == names


def test_an_alarm_that_is_not_active_is_told_as_such() -> None:
    seen = alarms(ups_status="OL")

    assert seen["on_battery"] == AlarmSeen("on_battery", None)
    assert seen["high_temperature"] == AlarmSeen("high_temperature", None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Replace battery! Fan failure!", {"replace_battery", "fan_failure", "ups_alarm"}),
        ("Temperature too high!", {"high_temperature", "ups_alarm"}),
        ("No battery installed!", {"no_battery", "ups_alarm"}),
        ("Battery voltage too low!", {"low_battery_voltage", "ups_alarm"}),
        ("something new", {"ups_alarm"}),
    ],
)
def test_the_text_of_the_alarms_is_understood_where_it_can_be(text: str, names: set[str]) -> None:
    assert active(ups_status="ALARM OL", ups_alarm=text) == names
    assert alarms(ups_status="ALARM OL", ups_alarm=text)["ups_alarm"].text == text


def test_a_self_test_that_failed_is_an_alarm() -> None:
    assert active(ups_status="OL", ups_test_result="Done and error") == {"self_test_failed"}
    assert active(ups_status="OL", ups_test_result="Done and passed") == set()


def test_a_device_is_described_by_what_it_says() -> None:
    description = MEANING.describe(
        {
            "device.mfr": "American Power Conversion ",
            "ups.mfr": "APC",
            "device.model": "",
            "ups.model": "Smart-UPS 750",
            "ups.serial": "AS1316113420  ",
            "ups.firmware": "UPS 09.8 / ID=18",
            "ups.power.nominal": "750",
            "ups.realpower.nominal": "0",
            "output.phases": "1",
        }
    )

    assert description is not None
    assert (description.maker, description.model) == ("American Power Conversion", "Smart-UPS 750")
    assert (description.serial, description.firmware) == ("AS1316113420", "UPS 09.8 / ID=18")
    assert (description.rated_va, description.rated_w, description.phases) == (750.0, None, 1)


def test_a_faulty_table_is_refused() -> None:
    text = files("producers").joinpath("devices/nut.toml").read_text(encoding="utf-8")

    for wrong in (
        "[[",
        text.replace("[status]", "[other]"),
        text.replace('level = "alarm"', 'lvl = "alarm"'),
    ):
        with pytest.raises(ConfigurationError, match="NUT"):
            meaning_file.read(wrong)
