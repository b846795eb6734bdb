"""The Acuvim II: measurements at 0x4000, their 100 ms twins at 0x3000, energies, settings and identity.

Powers are in W, not kW; unbalance is a ratio.
"""

from producers.simulator.layouts.acuvim import Transformers, per_phase, with_load_type
from producers.simulator.modbus_image import Image, Part, Tell, Told, cells, numbers, text

_FAST_BLOCK, _BLOCK = 0x3000, 0x4000
_ANALOG = (
    "ac_frequency_hz",
    *per_phase("ac_{}_voltage_v"),
    "ac_voltage_v",
    "ac_l12_voltage_v",
    "ac_l23_voltage_v",
    "ac_l31_voltage_v",
    "ac_ll_voltage_v",
    *per_phase("ac_{}_current_a"),
    "ac_current_mean_a",
    "ac_n_current_a",
    *per_phase("ac_{}_power_w"),
    "ac_power_w",
    *per_phase("ac_{}_reactive_power_var"),
    "ac_reactive_power_var",
    *per_phase("ac_{}_apparent_power_va"),
    "ac_apparent_power_va",
    *per_phase("ac_{}_power_factor_ratio"),
    "ac_power_factor_ratio",
)
"""Vendor's order: F, V1 V2 V3 Vavg, V12 V23 V31 Vlavg, I1 I2 I3 Iavg In, P, Q, S and PF with their totals."""
_PERCENT_PER_RATIO = 100.0
_PRIMARY_WH, _SECONDARY_WH = 100.0, 1.0
_SECONDARY_ENERGY = 1
_SETTINGS = 0x1000
_SETTINGS_COUNT = 0x40


def acuvim_ii(
    tell: Tell,
    *,
    serial: str = "AH15090001",
    transformers: Transformers | None = None,
    secondary: bool = False,
    energy_display: int = 0,
) -> Image:
    """Make the registers of an Acuvim II.

    Args:
        tell: gives the readings of the line.
        serial: 12 characters at most.
        transformers: the ratios set in the meter.
        secondary: the meter shows what reaches it, not what is on the line.
        energy_display: 0 counts 0.1 kWh of the line, 1 counts 0.001 kWh of what reaches the meter.
    """
    ratios = transformers or Transformers()
    parts = [
        *cells(_FAST_BLOCK, "f32", *_ANALOG),
        *cells(_BLOCK, "f32", *_ANALOG),
        *cells(0x403C, "f32", "ac_voltage_unbalance_pct", "ac_current_unbalance_pct", per=_PERCENT_PER_RATIO),
        *cells(
            0x4040,
            "f32",
            "ac_load_type_code",
            "ac_power_demand_w",
            "ac_reactive_demand_var",
            "ac_apparent_demand_va",
        ),
        *_energies(_SECONDARY_WH if energy_display == _SECONDARY_ENERGY else _PRIMARY_WH),
        *cells(
            0x405A,
            "u16",
            *per_phase("ac_{}_voltage_thd_pct"),
            "ac_voltage_thd_pct",
            *per_phase("ac_{}_current_thd_pct"),
            "ac_current_thd_pct",
            per=0.01,
        ),
        *cells(0x4600, "f32", *per_phase("ac_{}_current_demand_a")),
        _settings(ratios, secondary=secondary, energy_display=energy_display),
        text(61440, 2, "IIW"),
        text(61504, 6, serial),
        numbers(61552, 1),
    ]

    def told() -> Told:
        line = tell()
        shown = ratios.secondary(line) if secondary else line
        counted = ratios.secondary(line) if energy_display == _SECONDARY_ENERGY else line
        energies = {name: value for name, value in counted.items() if name.endswith(("wh", "varh", "vah"))}
        return with_load_type({**shown, **energies})

    return Image(told, parts)


def _energies(per: float) -> list[Part]:
    counters = (
        ("u32", ("ac_energy_import_wh", "ac_energy_export_wh")),
        ("u32", ("ac_reactive_energy_import_varh", "ac_reactive_energy_export_varh")),
        ("u32", ("ac_energy_total_wh",)),
        ("i32", ("ac_energy_net_wh",)),
        ("u32", ("ac_reactive_energy_total_varh",)),
        ("i32", ("ac_reactive_energy_net_varh",)),
        ("u32", ("ac_apparent_energy_vah",)),
    )
    parts: list[Part] = []
    address = 0x4048
    for kind, names in counters:
        parts += cells(address, kind, *names, per=per)
        address += 2 * len(names)
    of_phases = [
        f"ac_{phase}_{kind}energy_{way}_{unit}"
        for kind, unit in (("", "wh"), ("reactive_", "varh"))
        for phase in ("l1", "l2", "l3")
        for way in ("import", "export")
    ]
    return parts + cells(0x4620, "u32", *of_phases, *per_phase("ac_{}_apparent_energy_vah"), per=per)


def _settings(ratios: Transformers, *, secondary: bool, energy_display: int) -> Part:
    settings = [0] * _SETTINGS_COUNT
    settings[0x03] = 0  # wiring 3LN
    settings[0x05], settings[0x06] = divmod(round(ratios.pt1_v * 10), 0x10000)
    settings[0x07] = round(ratios.pt2_v * 10)
    settings[0x08], settings[0x09] = ratios.ct1_a, ratios.ct2_a
    settings[0x19] = energy_display
    settings[0x1D] = 0 if secondary else 1
    return numbers(_SETTINGS, *settings)
