"""A UPS in a rack: it hands its input on and charges, or lives off its battery until that is empty. Pure.

Rules that must stay true here: what it takes is what it gives plus what its battery takes plus losses.
"""

from dataclasses import dataclass

from producers.simulator.scenario import Ups

_TAPER_FROM = 0.9


@dataclass(frozen=True, slots=True)
class UpsFlow:
    """What flows through a UPS. Battery positive = charging."""

    live: bool
    in_w: float
    out_w: float
    battery_w: float

    @property
    def losses_w(self) -> float:
        """Give what became heat."""
        return self.in_w - self.out_w - self.battery_w


def through(ups: Ups, soc: float, seconds: float, *, live: bool) -> UpsFlow:
    """Work out a UPS at a state of charge, over a stretch of time in which its battery cannot hold more."""
    room_w = (1.0 - soc) * ups.capacity_wh * 3600.0 / seconds if seconds else float("inf")
    if live:
        taper = min(1.0, (1.0 - soc) / (1.0 - _TAPER_FROM))
        charge_w = min(ups.charge_w * taper, room_w)
        return UpsFlow(live, (ups.load_w + charge_w) / ups.efficiency, ups.load_w, charge_w)
    left_w = soc * ups.capacity_wh * 3600.0 / seconds if seconds else float("inf")
    drain_w = min(ups.load_w / ups.efficiency, left_w) if soc > 0.0 else 0.0
    return UpsFlow(live, 0.0, drain_w * ups.efficiency, -drain_w)


def moved(ups: Ups, soc: float, flow: UpsFlow, seconds: float) -> float:
    """Give the state of charge afterwards."""
    return min(1.0, max(0.0, soc + flow.battery_w * seconds / 3600.0 / ups.capacity_wh))
