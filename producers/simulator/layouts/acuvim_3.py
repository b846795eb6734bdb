"""The Acuvim 3: measurements at 0x2114, demands at 0x6100, energies as doubles at 0x65C0.

Powers are in kW and energies in kWh; the neutral current stands before the mean.
"""

from producers.simulator.layouts.acuvim import per_phase
from producers.simulator.modbus_image import Image, Part, Tell, cells, filled

_KILO = 1000.0


def acuvim_3(tell: Tell) -> Image:
    """Make the registers of an Acuvim 3."""
    return Image(tell, [*_analog(), *_demands(), *_energies()])


def _analog() -> list[Part]:
    parts = [
        *cells(
            0x2114,
            "f32",
            "ac_frequency_hz",
            *per_phase("ac_{}_voltage_v"),
            "ac_voltage_v",
            "ac_l12_voltage_v",
            "ac_l23_voltage_v",
            "ac_l31_voltage_v",
            "ac_ll_voltage_v",
            *per_phase("ac_{}_current_a"),
            "ac_n_current_a",
            "ac_current_mean_a",
        ),
        *cells(
            0x2130,
            "f32",
            *per_phase("ac_{}_power_w"),
            "ac_power_w",
            *per_phase("ac_{}_reactive_power_var"),
            "ac_reactive_power_var",
            *per_phase("ac_{}_apparent_power_va"),
            "ac_apparent_power_va",
            per=_KILO,
        ),
        *cells(0x2150, "f32", *per_phase("ac_{}_power_factor_ratio"), "ac_power_factor_ratio"),
        *cells(0x2182, "f32", "ac_voltage_unbalance_pct"),
        *cells(0x218C, "f32", "ac_current_unbalance_pct"),
        *cells(0x219A, "f32", *per_phase("ac_{}_voltage_thd_pct")),
        *cells(0x21B2, "f32", *per_phase("ac_{}_current_thd_pct")),
    ]
    return filled(0x2114, 0x21E7, parts)


def _demands() -> list[Part]:
    parts = [
        *cells(0x6100, "f32", *per_phase("ac_{}_current_demand_a")),
        *cells(0x619E, "f32", "ac_power_demand_w", per=_KILO),
        *cells(0x61A6, "f32", "ac_reactive_demand_var", per=_KILO),
        *cells(0x61AE, "f32", "ac_apparent_demand_va", per=_KILO),
    ]
    return filled(0x6100, 0x61B0, parts)


def _energies() -> list[Part]:
    def lay(address: int, *names: str) -> list[Part]:
        return cells(address, "f64", *names, per=_KILO)

    parts = [
        *lay(0x65C0, *per_phase("ac_{}_energy_import_wh"), "ac_energy_import_wh"),
        *lay(0x65DC, "ac_reactive_energy_import_varh"),
        *lay(0x65E0, *per_phase("ac_{}_energy_export_wh"), "ac_energy_export_wh"),
        *lay(0x65FC, "ac_reactive_energy_export_varh"),
        *lay(0x660C, "ac_energy_net_wh"),
        *lay(0x662C, "ac_energy_total_wh"),
        *lay(0x664C, "ac_apparent_energy_vah"),
    ]
    return filled(0x65C0, 0x6650, parts)
