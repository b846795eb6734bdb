"""The Acuvim L family: measurements at 0x0600, integers at 0x0130, energies, settings, Fast Read mode.

Powers are in W at 0x0600; the integers are what reaches the meter, before the transformer ratios.
In Fast Read mode the meter answers nothing but its fast blocks.
"""

from producers.simulator.layouts.acuvim import Transformers, per_phase, with_load_type
from producers.simulator.modbus_image import Image, Part, Tell, Told, cells, numbers

_LINES = ("ac_l12_voltage_v", "ac_l23_voltage_v", "ac_l31_voltage_v")
_VOLTAGES = (*per_phase("ac_{}_voltage_v"), *_LINES)
_CURRENTS = tuple(per_phase("ac_{}_current_a"))
_POWERS = (*per_phase("ac_{}_power_w"), "ac_power_w")
_REACTIVES = (*per_phase("ac_{}_reactive_power_var"), "ac_reactive_power_var")
_FACTORS = (*per_phase("ac_{}_power_factor_ratio"), "ac_power_factor_ratio")
_UNBALANCE = ("ac_voltage_unbalance_pct", "ac_current_unbalance_pct")
_DEMANDS = ("ac_apparent_demand_va", "ac_power_demand_w", "ac_reactive_demand_var")
_INTEGERS = "at the meter: "
_WH = 100.0


def acuvim_l(tell: Tell, *, transformers: Transformers | None = None, fast_read: bool = False) -> Image:
    """Make the registers of an Acuvim L; `fast_read` is the mode set in its web page."""
    ratios = transformers or Transformers()

    def told() -> Told:
        line = with_load_type(tell())
        return dict(line) | {_INTEGERS + name: value for name, value in ratios.secondary(line).items()}

    return Image(tell, _fast()) if fast_read else Image(told, [*_ordinary(), _settings(ratios)])


def _ordinary() -> list[Part]:
    import_export = [
        f"ac_{phase}_{kind}energy_{way}_{unit}"
        for kind, unit in (("", "wh"), ("reactive_", "varh"))
        for phase in ("l1", "l2", "l3")
        for way in ("import", "export")
    ]
    return [
        *_integers(),
        *cells(
            0x0156,
            "u32",
            "ac_energy_import_wh",
            "ac_energy_export_wh",
            "ac_reactive_energy_import_varh",
            "ac_reactive_energy_export_varh",
            "ac_apparent_energy_vah",
            *import_export,
            per=_WH,
        ),
        *cells(
            0x0400, "u16", *per_phase("ac_{}_voltage_thd_pct"), *per_phase("ac_{}_current_thd_pct"), per=0.01
        ),
        *cells(
            0x0600,
            "f32",
            "ac_frequency_hz",
            *_VOLTAGES,
            *_CURRENTS,
            "ac_n_current_a",
            *_POWERS,
            *_REACTIVES,
            "ac_apparent_power_va",
            *_FACTORS,
            *_UNBALANCE,
            "ac_load_type_code",
            *per_phase("ac_{}_apparent_power_va"),
            "",
            *_DEMANDS,
            *per_phase("ac_{}_current_demand_a"),
            "",
        ),
    ]


def _integers() -> list[Part]:
    """Lay F/100, U/10, I/1000, P, Q and S in W, var and VA, PF/1000 and the load, all before the ratios."""

    def lay(address: int, kind: str, names: tuple[str, ...], per: float) -> list[Part]:
        return cells(address, kind, *(_INTEGERS + name for name in names), per=per)

    return [
        *lay(0x0130, "u16", ("ac_frequency_hz",), 0.01),
        *lay(0x0131, "u16", _VOLTAGES, 0.1),
        *lay(0x0137, "u16", (*_CURRENTS, "ac_n_current_a"), 0.001),
        *lay(0x013B, "i16", (*_POWERS, *_REACTIVES), 1.0),
        *lay(0x0143, "u16", ("ac_apparent_power_va",), 1.0),
        *lay(0x0144, "i16", _FACTORS, 0.001),
        numbers(0x0148, 0, 0),
        *cells(0x014A, "u16", "ac_load_type_code"),
        numbers(0x014B, *(0,) * 11),
    ]


def _fast() -> list[Part]:
    """Lay the fast blocks; at 0x3400 in the order of the manual's list, which nobody has confirmed."""
    per_phase_unknown = ("", "", "")
    return [
        *cells(0x3000, "f32", "ac_frequency_hz", *per_phase("ac_{}_voltage_v"), "", *_LINES, ""),
        *cells(0x3012, "f32", *_CURRENTS, "", "", *_POWERS, *per_phase_unknown, "ac_reactive_power_var"),
        *cells(0x302C, "f32", *per_phase_unknown, "ac_apparent_power_va"),
        *cells(0x3034, "f32", *per_phase_unknown, "ac_power_factor_ratio"),
        *cells(
            0x3400,
            "f32",
            *_VOLTAGES,
            *_CURRENTS,
            "ac_power_w",
            "ac_reactive_power_var",
            "ac_frequency_hz",
            *per_phase_unknown,
        ),
    ]


def _settings(ratios: Transformers) -> Part:
    high, low = divmod(round(ratios.pt1_v * 10), 0x10000)
    return numbers(0x0103, 0, 0, high, low, round(ratios.pt2_v * 10), ratios.ct1_a, ratios.ct2_a)
