"""The simulated devices by name: what answers at which unit."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from producers.simulator.layouts.acuvim_3 import acuvim_3
from producers.simulator.layouts.acuvim_ii import acuvim_ii
from producers.simulator.layouts.acuvim_l import acuvim_l
from producers.simulator.layouts.deye import deye_hybrid
from producers.simulator.layouts.sma import UNIT as SMA_UNIT
from producers.simulator.layouts.sma import sunny_island
from producers.simulator.layouts.sungrow import sungrow
from producers.simulator.layouts.sunspec import ACUVIM_BASE, fronius_inverter, sunspec_meter
from producers.simulator.layouts.victron_gx import victron_gx
from producers.simulator.modbus_image import Several, Tell
from producers.simulator.modbus_pdu import Registers

Units = Mapping[int, Registers]
FRONIUS_METER, DATAMANAGER_METER = 200, 240


def _acuvim_ii_with_web_module(tell: Tell, *, serial: str = "AH15090001", **options: Any) -> Registers:
    web = sunspec_meter(tell, maker="Accuenergy", model="Acuvim II", serial=serial, base=ACUVIM_BASE)
    return Several(acuvim_ii(tell, serial=serial, **options), web)


def _at(unit: int, make: Callable[..., Registers]) -> Callable[..., Units]:
    def units(tell: Tell, **options: Any) -> Units:
        return {unit: make(tell, **options)}

    return units


LAYOUTS: Mapping[str, Callable[..., Units]] = {
    "acuvim_ii": _at(1, _acuvim_ii_with_web_module),
    "acuvim_l": _at(1, acuvim_l),
    "acuvim_l_fast": _at(1, partial(acuvim_l, fast_read=True)),
    "acuvim_3": _at(1, acuvim_3),
    "fronius": _at(1, fronius_inverter),
    "fronius_float": _at(1, partial(fronius_inverter, floats=True)),
    "fronius_meter": _at(FRONIUS_METER, sunspec_meter),
    "fronius_meter_float": _at(FRONIUS_METER, partial(sunspec_meter, floats=True)),
    "datamanager_meter": _at(DATAMANAGER_METER, sunspec_meter),
    "sungrow_sh": _at(1, sungrow),
    "sma_sunny_island": _at(SMA_UNIT, sunny_island),
    "deye_hybrid": _at(1, deye_hybrid),
    "deye_hybrid_hv": _at(1, partial(deye_hybrid, high_voltage=True)),
    "victron_gx": victron_gx,
}


def units(layout: str, tell: Tell, **options: Any) -> Units:
    """Make a device; the options are those of its layout, such as `serial` or `secondary`."""
    return LAYOUTS[layout](tell, **options)
