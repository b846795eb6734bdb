"""SMA Sunny Island: numbers of 32 bits, high word first, and all ones or the lowest number for no value.

Power counts what leaves the device (discharging) as positive.
"""

from producers.simulator.modbus_image import Image, Tell, Told, cells, numbers
from producers.simulator.modbus_pdu import READ_HOLDING, READ_INPUT

UNIT = 3
_OK = 307
_NAN_U32, _NAN_U64, _NAN_I32 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0x80000000


def sunny_island(tell: Tell, *, serial: str = "1990123456") -> Image:
    """Make the registers of a Sunny Island 8.0H."""
    return Image(
        lambda: _with_state(tell()),
        [
            numbers(30057, *divmod(int(serial), 0x10000)),
            *cells(30201, "u32", "inverter_vendor_state_code", absent=_NAN_U32),
            *cells(30513, "u64", "ac_out_energy_import_wh", absent=_NAN_U64),
            *cells(
                30595, "u32", "battery_energy_charged_wh", "battery_energy_discharged_wh", absent=_NAN_U32
            ),
            *cells(
                30775,
                "i32",
                "ac_out_power_w",
                "ac_out_l1_power_w",
                "ac_out_l2_power_w",
                "ac_out_l3_power_w",
                absent=_NAN_I32,
            ),
            *cells(
                30783,
                "u32",
                "ac_out_l1_voltage_v",
                "ac_out_l2_voltage_v",
                "ac_out_l3_voltage_v",
                per=0.01,
                absent=_NAN_U32,
            ),
            *cells(30845, "u32", "soc_pct", absent=_NAN_U32),
        ],
        functions=(READ_HOLDING, READ_INPUT),
    )


def _with_state(told: Told) -> Told:
    return {"inverter_vendor_state_code": _OK, **told}
