"""A UPS as NUT's dummy driver reads it from a file: variables, and the words of its status. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Told = Mapping[str, float | None]
Tell = Callable[[], Told]
_VARIABLES: Sequence[tuple[str, str, int]] = (  # NUT's name, ours, decimals
    ("battery.charge", "soc_pct", 1),
    ("battery.runtime", "battery_time_to_go_s", 0),
    ("battery.voltage", "battery_voltage_v", 2),
    ("battery.temperature", "battery_temperature_c", 1),
    ("input.voltage", "ac_in_voltage_v", 1),
    ("input.frequency", "ac_in_frequency_hz", 2),
    ("input.current", "ac_in_current_a", 2),
    ("input.realpower", "ac_in_power_w", 0),
    ("output.voltage", "ac_out_voltage_v", 1),
    ("output.frequency", "ac_out_frequency_hz", 2),
    ("output.current", "ac_out_current_a", 2),
    ("ups.realpower", "ac_out_power_w", 0),
    ("ups.power", "ac_out_apparent_power_va", 0),
    ("ups.realpower.nominal", "ac_out_nominal_power_w", 0),
    ("ups.load", "ac_out_load_pct", 1),
    ("ups.temperature", "ups_temperature_c", 1),
    *((f"input.L{n}-N.voltage", f"ac_in_l{n}_voltage_v", 1) for n in (1, 2, 3)),
    *((f"input.L{n}.current", f"ac_in_l{n}_current_a", 2) for n in (1, 2, 3)),
    *((f"output.L{n}-N.voltage", f"ac_out_l{n}_voltage_v", 1) for n in (1, 2, 3)),
    *((f"output.L{n}.current", f"ac_out_l{n}_current_a", 2) for n in (1, 2, 3)),
)
_WORDS: Mapping[str, str] = {
    "ups_alarm_code": "ALARM",
    "ups_shutdown_code": "FSD",
    "ups_online_code": "OL",
    "ups_on_battery_code": "OB",
    "ups_low_battery_code": "LB",
    "ups_high_battery_code": "HB",
    "ups_replace_battery_code": "RB",
    "ups_charging_code": "CHRG",
    "ups_discharging_code": "DISCHRG",
    "ups_bypass_code": "BYPASS",
    "ups_calibrating_code": "CAL",
    "ups_off_code": "OFF",
    "ups_overloaded_code": "OVER",
    "ups_trimming_code": "TRIM",
    "ups_boosting_code": "BOOST",
}


@dataclass(frozen=True, slots=True)
class Ups:
    """A UPS to simulate.

    Attributes:
        tell: gives its readings; ignored when there is a sequence.
        sequence: a `.seq` text of NUT's dummy driver, which then repeats it.
    """

    tell: Tell = dict
    maker: str = "APC"
    model: str = "Smart-UPS 3000"
    serial: str = "AS1234567890"
    firmware: str = "UPS 09.3"
    alarm: str = "Replace battery!"
    sequence: str = ""


def status(told: Told) -> str:
    """Give the words of `ups.status`; without any flag, what the input voltage says."""
    words = [word for name, word in _WORDS.items() if told.get(name)]
    if words or any(name in told for name in _WORDS):
        return " ".join(words)
    return "OL" if told.get("ac_in_voltage_v") else "OB DISCHRG"


def lines(ups: Ups) -> str:
    """Give the text of its file: what it has no value for is taken away with an empty text."""
    told = ups.tell()
    variables = {
        "ups.mfr": ups.maker,
        "ups.model": ups.model,
        "ups.serial": ups.serial,
        "ups.firmware": ups.firmware,
        "device.mfr": ups.maker,
        "device.model": ups.model,
        "device.serial": ups.serial,
        "ups.status": status(told),
        "ups.alarm": ups.alarm if told.get("ups_alarm_code") else "",
    }
    for variable, name, decimals in _VARIABLES:
        if name in told:
            value = told[name]
            variables[variable] = "" if value is None else f"{value:.{decimals}f}"
    return "".join(f'{name}: "{text}"\n' for name, text in variables.items())
