"""Deye three-phase hybrids: holding registers, numbers of 32 bits with their low word first.

Battery power counts discharging as positive, the grid counts import; high-voltage models count tens of W.
"""

from producers.simulator.modbus_image import Image, Tell, cells, filled

_TENTH_KWH = 100.0


def deye_hybrid(tell: Tell, *, high_voltage: bool = False) -> Image:
    """Make the registers of a SUN-12K-SG04LP3, or of its high-voltage sister."""
    per = 10.0 if high_voltage else 1.0
    counters = [
        *cells(516, "u32", "battery_energy_charged_wh", "battery_energy_discharged_wh", per=_TENTH_KWH),
        *cells(522, "u32", "grid_energy_import_wh", "grid_energy_export_wh", per=_TENTH_KWH),
        *cells(534, "u32", "pv_energy_wh", per=_TENTH_KWH),
    ]
    measured = [
        *cells(588, "u16", "soc_pct"),
        *cells(590, "i16", "battery_power_w", per=-per),
        *cells(598, "u16", "grid_l1_voltage_v", "grid_l2_voltage_v", "grid_l3_voltage_v", per=0.1),
        *cells(613, "i16", "grid_l1_current_a", "grid_l2_current_a", "grid_l3_current_a", per=0.01),
        *cells(625, "i16", "grid_power_w"),
    ]
    trackers = cells(672, "u16", "pv_1_power_w", "pv_2_power_w", "pv_3_power_w", "pv_4_power_w", per=per)
    return Image(
        tell,
        [*filled(516, 539, counters), *filled(588, 626, measured), *filled(667, 676, trackers)],
        swapped=True,
    )
