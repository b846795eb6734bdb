"""What an inverter/charger does with what there is: the balance of one rig at one moment. Pure.

Rules that must stay true here (battery positive = charging, AC input positive = import):
- AC side    what the inverter/charger takes (+) or gives (-) = AC input - AC output
- DC side    battery = PV + what the inverter/charger makes of it
- together   AC input + PV = AC output + battery + losses, and losses are never negative
- PV that nobody takes is held back, that on the DC side first.
"""

from dataclasses import dataclass

from producers.simulator.scenario import Rig

_NEXT_TO_NOTHING_W = 1e-9


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is at a moment.

    Attributes:
        load_w: what hangs on the output draws.
        pv_w: what the sun offers on the DC side; `pv_ac_w` on the output.
        accepts_w: the most the battery takes.
        empty: it must not give anything.
        most_w: the most that may come from the source; `least_w` is below zero where it takes power back.
        charge_w: the most that charges from the source.
        balanced: the battery evens everything out, and the source gives what is short.
    """

    load_w: float
    pv_w: float
    pv_ac_w: float
    accepts_w: float
    empty: bool
    most_w: float
    least_w: float
    charge_w: float
    balanced: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """What comes of it."""

    ac_in_w: float
    dc_w: float
    pv_w: float
    pv_ac_w: float

    @property
    def battery_w(self) -> float:
        """Give what the battery takes (+) or gives (-)."""
        return self.pv_w + self.dc_w


def settle(rig: Rig, offer: Offer, *, source: bool) -> Settled:
    """Share out what there is, with a source at the input or without."""
    net_w = offer.load_w - offer.pv_ac_w
    if source:
        ac_in_w = _from_source(rig, offer, net_w)
        dc_w = to_dc(rig, ac_in_w - net_w)
    else:
        ac_in_w, dc_w = 0.0, to_dc(rig, -net_w)
    excess_w = offer.pv_w + dc_w - offer.accepts_w
    if excess_w <= _NEXT_TO_NOTHING_W:
        return Settled(ac_in_w, dc_w, offer.pv_w, offer.pv_ac_w)
    if excess_w <= offer.pv_w:
        return Settled(ac_in_w, dc_w, offer.pv_w - excess_w, offer.pv_ac_w)
    pv_ac_w = max(0.0, offer.load_w - ac_in_w + to_ac(rig, offer.accepts_w))
    return Settled(ac_in_w, to_dc(rig, ac_in_w - offer.load_w + pv_ac_w), 0.0, pv_ac_w)


def to_dc(rig: Rig, ac_w: float) -> float:
    """Give the DC power of an AC power that the inverter/charger takes (+) or gives (-)."""
    return (ac_w * rig.efficiency if ac_w > 0 else ac_w / rig.efficiency) - rig.standby_w


def to_ac(rig: Rig, dc_w: float) -> float:
    """Give the AC power that the inverter/charger takes for a DC power: `to_dc` the other way round."""
    needed_w = dc_w + rig.standby_w
    return needed_w / rig.efficiency if needed_w > 0 else needed_w * rig.efficiency


def _from_source(rig: Rig, offer: Offer, net_w: float) -> float:
    if offer.balanced:
        lowest_w = -offer.pv_w if offer.empty else float("-inf")
        dc_w = min(max(to_dc(rig, -net_w), lowest_w), offer.accepts_w - offer.pv_w)
    else:
        spare_w = max(0.0, to_dc(rig, -net_w))
        dc_w = min(offer.accepts_w, offer.pv_w + max(offer.charge_w, spare_w)) - offer.pv_w
    most_w = offer.most_w
    if offer.empty:  # an empty battery cannot help the source
        most_w = max(most_w, net_w + to_ac(rig, -offer.pv_w))
    return max(offer.least_w, min(net_w + to_ac(rig, dc_w), most_w))
