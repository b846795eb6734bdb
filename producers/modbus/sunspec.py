"""SunSpec devices: inverters, hybrids and meters that tell themselves what they have.

Rules that must stay true here:
- what the device does not implement is not asked for again before it is looked for anew;
- a device that is silent is an error, one without the marker is something else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from producers.adapter import Description, DeviceError
from producers.modbus.decode import Value
from producers.modbus.plan import plan
from producers.modbus.points import Layout, Parameter, Point, Poll
from producers.modbus.registers import RefusedError, Registers, read_all
from producers.modbus.sunspec_chain import BASES, Chain, walk
from producers.modbus.sunspec_layout import Candidate, Chosen, candidates, choose, may_sleep, questions
from producers.modbus.sunspec_models import Model, load_models

_HOLDING: Final = 3
_LAST: Final = 0xFFFF
_TEXTS: Final = frozenset({"maker", "model", "serial", "firmware", "hardware", "product_id"})
_PARAMETERS: Final = (
    Parameter("base", BASES[0], "address of the marker `SunS`, when it is none of 40000, 0 and 50000"),
    Parameter(
        "meter_sign",
        1,
        "-1 when a meter counts power to the grid as positive; known of SolarEdge",
        choices=(1, -1),
    ),
)


class SunSpecMap:
    """All SunSpec devices as a map."""

    name = "sunspec"
    kind = "sunspec"
    maker = "SunSpec"
    model = "inverters, hybrids and meters (Fronius, SolarEdge and others)"
    source = "SunSpec Alliance models (sunspec/models@7abdf89); unit ids: evcc-io/evcc fronius-gen24.yaml"
    notes = """
Found by the marker `SunS` at 40000, 0 or 50000, and read model by model: 1, 101-103, 111-113, 120, 122, 124,
160, 201-204, 211-214. Integers with scale factors and floats are read alike.
What the device does not implement is left out.
Unit 1 is a Fronius inverter, unit 200 the meter of a GEN24, Tauro or Verto, unit 240 that of a Datamanager:
entries of their own.
On a hybrid, PV is `pv_power_w` and `pv_1_…`, the battery `battery_…` (positive = charging), and
`dc_in_power_w` the sum of both. Energies of trackers are those of the DC side.
Meters count import as positive; SolarEdge's, which do not, are turned.
A PV inverter that falls silent after it went to sleep is disconnected with the reason `asleep`: that is
normal at night.
"""
    priority = 30
    automatic = True
    parameters: Mapping[str, Parameter] = {each.name: each for each in _PARAMETERS}
    blocks: Mapping[str, int] = {}
    polls: Collection[Poll] = ("fast", "slow")
    unit = 1
    units: Collection[int] = (1, 200, 240)
    port = 502

    def __init__(self, models: Mapping[int, Model] | None = None) -> None:
        self._models = load_models() if models is None else models

    @property
    def readings(self) -> int:
        """Tell how many measurements such a device can have."""
        slots = [slot for model in set_of(self._models) for slot in model.slots]
        kinds = [kind for model in set_of(self._models) if model.modules for kind in model.modules.kinds]
        names = {slot.point.name for slot in slots}
        for kind in kinds:
            numbers = range(1, kind.most + 1)
            names |= {slot.point.name.format(n=number) for slot in kind.slots for number in numbers}
        return len(names - {""})

    async def find(
        self,
        registers: Registers,
        parameters: Mapping[str, float],
        confirm: Mapping[str, Sequence[str]],  # noqa: ARG002 - nothing here is unverified
        *,
        named: bool = False,
    ) -> Layout | None:
        """Look whether the unit is one of these; None when it is not."""
        chain = await walked(registers, _bases(parameters))
        if chain is None:
            return None
        chosen = choose(chain, self._models)
        if not chosen.measures:
            if not named:
                return None
            numbers = ", ".join(str(link.model) for link in chain.links) or "none"
            raise DeviceError(f"speaks SunSpec, with no model that we know: {numbers}", reason="refused")
        return await self._read(registers, parameters, chosen)

    async def _read(self, registers: Registers, parameters: Mapping[str, float], chosen: Chosen) -> Layout:
        asked = await read_all(registers, plan(questions(chosen), holes=chosen.holes), {})
        possible, warnings = candidates(chosen, asked.held)
        factors = {each.name: each.default for each in _PARAMETERS} | dict(parameters)
        told = await read_all(registers, plan(_asking(possible), holes=chosen.holes), factors)
        points = tuple(
            candidate.point
            for at, candidate in enumerate(possible)
            if not candidate.optional or told.held.get(_question(at)) is not None
        )
        description = _description(told.identity, chosen)
        return Layout(
            map=self.name,
            kind=self.kind,
            points=points,
            holes=chosen.holes,
            factors=factors | _sign(chosen, description, parameters),
            description=description,
            warnings=(*chosen.warnings, *warnings),
            asleep=_asleep(chosen, points),
        )


async def walked(registers: Registers, bases: Sequence[int] = BASES) -> Chain | None:
    """Walk through a device.

    Raises:
        DeviceError: there is no answer.
    """
    steps = walk(bases)
    try:
        address, count = next(steps)
        while True:
            try:
                words = await registers.read(_HOLDING, address, count)
            except RefusedError:
                words = None
            address, count = steps.send(words)
    except StopIteration as end:
        found: Chain | None = end.value
        return found


def _bases(parameters: Mapping[str, float]) -> Sequence[int]:
    """Give where to look for the marker.

    Raises:
        DeviceError: the site names an address that there is not.
    """
    if "base" not in parameters:
        return BASES
    base = parameters["base"]
    if not 0 <= base < _LAST or base % 1:
        raise DeviceError(f"base must be an address from 0 to {_LAST - 1}, got {base:g}", reason="refused")
    return (int(base),)


def set_of(models: Mapping[int, Model]) -> list[Model]:
    """Give each file once."""
    return list({id(model): model for model in models.values()}.values())


def _asking(possible: Sequence[Candidate]) -> list[Point]:
    """Give what tells whether the optional points are implemented, and who the device is."""
    asked = [
        replace(each.point, id=_question(at), name="", alarm="", merge="")
        for at, each in enumerate(possible)
        if each.optional
    ]
    asked += [each.point for each in possible if each.point.identity]
    needed = {id_ for point in asked for id_ in point.needs}
    return asked + [each.point for each in possible if each.point.id in needed]


def _question(at: int) -> str:
    return f"optional.{at}"


def _sign(chosen: Chosen, description: Description, given: Mapping[str, float]) -> dict[str, float]:
    """Turn the meters of makers that are known to count the other way, unless the site says how."""
    meter = chosen.parts.get("meter")
    if meter is None or "meter_sign" in given:
        return {}
    maker = (description.maker or "").lower()
    return {"meter_sign": -1} if maker.startswith(tuple(meter.model.reversed_makers)) else {}


def _asleep(chosen: Chosen, points: Sequence[Point]) -> tuple[str, frozenset[float]] | None:
    return chosen.parts["inverter"].model.asleep if may_sleep(chosen, points) else None


def _description(identity: Mapping[str, Value], chosen: Chosen) -> Description:
    said: dict[str, Any] = {}
    known = {field.name for field in fields(Description)}
    for name, value in identity.items():
        if value and name in known:
            said[name] = str(value) if name in _TEXTS else value
    for role in ("inverter", "meter"):
        if role in chosen.parts and "phases" not in said:
            part = chosen.parts[role]
            said["phases"] = part.model.phases.get(part.link.model)
    return Description(**said)
