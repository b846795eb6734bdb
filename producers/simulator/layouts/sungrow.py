"""Sungrow SH hybrid inverters: input registers, numbers of 32 bits with their low word first.

Battery power and current count discharging as positive, the grid counts export.
"""

from producers.simulator.modbus_image import Image, Part, Tell, Told, cells, filled, numbers, text
from producers.simulator.modbus_pdu import READ_INPUT

_FLOWING_W = 10.0
_RUNNING = 0x0040
_NO_METER = 0x7FFFFFFF
_PV, _CHARGING, _DISCHARGING, _LOAD, _EXPORT, _IMPORT = 1, 2, 4, 8, 16, 32
_DEVICE_TYPE = 0x0E03


def sungrow(tell: Tell, *, serial: str = "A2281700123", rated_w: float = 10_000.0) -> Image:
    """Make the registers of an SH10RT."""
    return Image(
        lambda: _with_states(tell()),
        [
            *filled(4989, 5035, [*_identity(serial, rated_w), *_ac_and_pv()]),
            *filled(5213, 5242, _battery_and_frequency()),
            *filled(5600, 5636, _meter()),
            *filled(12_999, 13_047, _totals()),
        ],
        functions=(READ_INPUT,),
        swapped=True,
    )


def _identity(serial: str, rated_w: float) -> list[Part]:
    return [text(4989, 10, serial), numbers(4999, _DEVICE_TYPE, round(rated_w / 100))]


def _ac_and_pv() -> list[Part]:
    return [
        *cells(5007, "i16", "inverter_temperature_c", per=0.1),
        *cells(5010, "u16", "pv_1_voltage_v", "pv_1_current_a", "pv_2_voltage_v", "pv_2_current_a", per=0.1),
        *cells(5016, "u32", "pv_power_w"),
        *cells(5018, "u16", "ac_out_l1_voltage_v", "ac_out_l2_voltage_v", "ac_out_l3_voltage_v", per=0.1),
        *cells(5032, "i32", "ac_out_reactive_power_var"),
        *cells(5034, "i16", "ac_out_power_factor_ratio", per=0.001),
    ]


def _battery_and_frequency() -> list[Part]:
    return [
        *cells(5213, "i32", "battery_power_w", per=-1.0),
        *cells(5241, "u16", "ac_out_frequency_hz", per=0.01),
    ]


def _meter() -> list[Part]:
    return [
        *cells(
            5600,
            "i32",
            "grid_power_w",
            "grid_l1_power_w",
            "grid_l2_power_w",
            "grid_l3_power_w",
            absent=_NO_METER,
        ),
        *cells(5630, "i16", "battery_current_a", per=-0.1),
    ]


def _totals() -> list[Part]:
    return [
        *cells(12_999, "u16", "inverter_vendor_state_code", "inverter_power_flow_code"),
        *cells(13_001, "u16", "pv_energy_today_wh", per=100.0),
        *cells(13_002, "u32", "pv_energy_wh", per=100.0),
        *cells(13_007, "i32", "load_power_w", absent=_NO_METER),
        *cells(13_009, "i32", "grid_power_w", per=-1.0, absent=_NO_METER),
        *cells(13_019, "u16", "battery_voltage_v", per=0.1),
        *cells(13_020, "i16", "battery_current_a", per=-0.1),
        *cells(13_021, "i16", "battery_power_w", per=-1.0),
        *cells(13_022, "u16", "soc_pct", "soh_pct", per=0.1),
        *cells(13_024, "i16", "battery_temperature_c", per=0.1),
        *cells(13_025, "u16", "battery_energy_discharged_today_wh", per=100.0),
        *cells(13_026, "u32", "battery_energy_discharged_wh", per=100.0),
        *cells(13_030, "i16", "ac_out_l1_current_a", "ac_out_l2_current_a", "ac_out_l3_current_a", per=0.1),
        *cells(13_033, "i32", "ac_out_power_w"),
        *cells(13_036, "u32", "grid_energy_import_wh", per=100.0),
        *cells(13_040, "u32", "battery_energy_charged_wh", per=100.0),
        *cells(13_045, "u32", "grid_energy_export_wh", per=100.0),
    ]


def _with_states(told: Told) -> Told:
    """Add what the inverter itself makes of its flows."""

    def watts(name: str) -> float:
        return told.get(name) or 0.0

    flows = {
        _PV: watts("pv_power_w"),
        _CHARGING: watts("battery_power_w"),
        _DISCHARGING: -watts("battery_power_w"),
        _LOAD: watts("load_power_w"),
        _EXPORT: -watts("grid_power_w"),
        _IMPORT: watts("grid_power_w"),
    }
    flowing = sum(bit for bit, power in flows.items() if power > _FLOWING_W)
    return {"inverter_power_flow_code": flowing, "inverter_vendor_state_code": _RUNNING, **told}
