"""SunSpec chains as Fronius inverters and their meters, and Acuvim meters with a WEB module, give them."""

from collections.abc import Sequence

from producers.simulator.layouts import sunspec_models as models
from producers.simulator.modbus_image import Tell, Told
from producers.simulator.sunspec_image import Model, Point, SunSpecImage, floating, table

ACUVIM_BASE = 50_000
_PV, _PV_WITH_STORAGE = 4, 82
_SLEEPING, _TRACKING = 2, 4
_DISCHARGING, _CHARGING, _HOLDING = 3, 4, 6


def fronius_inverter(
    tell: Tell,
    *,
    floats: bool = False,
    phases: int = 3,
    trackers: int = 2,
    storage: bool | None = None,
    model: str = "",
    serial: str = "34119102",
) -> SunSpecImage:
    """Make the chain of an inverter.

    Args:
        tell: gives its readings.
        floats: its setting "Inverter SunSpec Model Type".
        phases: 1, 2 for split phase, or 3.
        trackers: of its PV.
        storage: it has a battery; None: it has one if it tells a state of charge now.
        model: as its name plate says.
        serial: as its name plate says.
    """
    if storage is None:
        storage = tell().get("soc_pct") is not None
    model = model or ("Symo GEN24 10.0 Plus" if storage else "Symo GEN24 10.0")
    readings = [(f"String {number}", f"pv_{number}") for number in range(1, trackers + 1)]
    if storage:
        readings += [(f"StCha {trackers + 1}", "charging"), (f"StDisCha {trackers + 2}", "discharging")]
    number = (110 if floats else 100) + phases
    chain = [
        _common("Fronius", model, serial),
        Model(number, floating(models.INVERTER) if floats else models.INVERTER),
        Model(120, table(models.NAMEPLATE.format(kind=_PV_WITH_STORAGE if storage else _PV))),
        Model(121, models.SETTINGS),
        Model(122, models.STATUS),
        Model(123, models.CONTROLS),
        Model(160, _modules(readings)),
    ]
    if storage:
        chain.append(Model(124, models.STORAGE))
    return SunSpecImage(tell, chain, derive=_of_hybrid)


def sunspec_meter(
    tell: Tell,
    *,
    floats: bool = False,
    kind: int = 3,
    maker: str = "Fronius",
    model: str = "Smart Meter TS 65A-3",
    serial: str = "1842530191",
    base: int = 40_000,
) -> SunSpecImage:
    """Make the chain of a meter; `kind` is 1 single-phase, 2 split-phase, 3 wye, 4 delta."""
    number = (210 if floats else 200) + kind
    points = floating(models.METER) if floats else models.METER
    return SunSpecImage(tell, [_common(maker, model, serial), Model(number, points)], base=base)


def _common(maker: str, model: str, serial: str) -> Model:
    texts = (("Mn", 16, maker), ("Md", 16, model), ("Opt", 8, ""), ("Vr", 8, "1.28.7-1"), ("SN", 16, serial))
    points = [Point(name, f"string:{count}", content=content) for name, count, content in texts]
    return Model(1, [*points, Point("DA", "uint16", content=1)])


def _modules(readings: Sequence[tuple[str, str]]) -> list[Point]:
    points = table(models.TRACKERS.format(modules=len(readings)))
    for number, (name, reading) in enumerate(readings, start=1):
        points += [
            Point("ID", "uint16", content=number),
            Point("IDStr", "string:8", content=name),
            *table(models.MODULE.format(reading=reading)),
        ]
    return [_numbered(point, at) for at, point in enumerate(points)]


def _numbered(point: Point, at: int) -> Point:
    """Tell points of one name apart: a model's values are kept by name."""
    if point.type in {"sunssf", "count"}:
        return point
    return Point(f"{point.name}@{at}", point.type, point.scale, point.reading, point.factor, point.content)


def _of_hybrid(told: Told) -> Told:
    """Add what a hybrid inverter works out of its own: states, and its battery as two modules, in and out."""
    battery_w, pv_w = told.get("battery_power_w"), told.get("pv_power_w")
    power_w, volts = told.get("ac_out_power_w"), told.get("battery_voltage_v")
    derived: dict[str, float | None] = {
        "inverter_state_code": _SLEEPING if not power_w and not pv_w else _TRACKING,
        "charging_energy_wh": told.get("battery_energy_charged_wh"),
        "discharging_energy_wh": told.get("battery_energy_discharged_wh"),
    }
    if battery_w is not None:
        derived["battery_charge_state_code"] = (
            _CHARGING if battery_w > 0 else _DISCHARGING if battery_w < 0 else _HOLDING
        )
        for module, watts in (("charging", max(0.0, battery_w)), ("discharging", max(0.0, -battery_w))):
            derived |= {
                f"{module}_power_w": watts,
                f"{module}_voltage_v": volts,
                f"{module}_current_a": watts / volts if volts else None,
            }
    if pv_w is not None or battery_w is not None:
        derived["dc_in_power_w"] = (pv_w or 0.0) - (battery_w or 0.0)
    return {**derived, **told}
