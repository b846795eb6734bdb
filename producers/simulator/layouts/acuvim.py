"""What the Acuvim meters have in common: transformer ratios, and the kind of load that a meter works out."""

from dataclasses import dataclass

from producers.simulator.modbus_image import Told

_INDUCTIVE, _CAPACITIVE, _RESISTIVE = 76.0, 67.0, 82.0
_NEGLIGIBLE = 0.01
PHASES = ("l1", "l2", "l3")


@dataclass(frozen=True, slots=True)
class Transformers:
    """The ratios that are set in a meter: what is on the line, and what reaches the meter."""

    pt1_v: float = 400.0
    pt2_v: float = 400.0
    ct1_a: int = 600
    ct2_a: int = 5

    @property
    def voltage(self) -> float:
        """Give line volts per volt at the meter."""
        return self.pt1_v / self.pt2_v

    @property
    def current(self) -> float:
        """Give line amperes per ampere at the meter."""
        return self.ct1_a / self.ct2_a

    def secondary(self, told: Told) -> Told:
        """Turn readings of the line into what reaches the meter."""
        share = {
            "v": self.voltage,
            "a": self.current,
            **dict.fromkeys(("w", "var", "va", "wh", "varh", "vah"), self.voltage * self.current),
        }
        return {
            name: None if value is None else value / share.get(name.rpartition("_")[2], 1.0)
            for name, value in told.items()
        }


def with_load_type(told: Told) -> Told:
    """Add the kind of load, unless it was told."""
    power, reactive = told.get("ac_power_w") or 0.0, told.get("ac_reactive_power_var") or 0.0
    kind = _INDUCTIVE if reactive > 0 else _CAPACITIVE
    if abs(reactive) <= _NEGLIGIBLE * abs(power):
        kind = _RESISTIVE
    return {"ac_load_type_code": kind, **told}


def per_phase(pattern: str) -> list[str]:
    """Name a reading of the three phases: `ac_{}_voltage_v`."""
    return [pattern.format(phase) for phase in PHASES]
