"""Finding a device by its file: its probes, then its settings and identity.

Rules that must stay true here:
- what the device refuses of its settings is left out; that it is silent is an error, never "not this one";
- a device is found without its identity.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from producers.adapter import Description, DeviceError
from producers.modbus.decode import Decoded, Decoder, Value
from producers.modbus.device_file import DeviceFile, Transformers
from producers.modbus.plan import plan, plan_poll
from producers.modbus.points import Layout, Parameter, Point, Poll
from producers.modbus.registers import RefusedError, Registers, read_all

_RATIOS = {
    "pt_ratio": Parameter("pt_ratio", 1, "primary to secondary voltage, when the meter does not tell"),
    "ct_ratio": Parameter("ct_ratio", 1, "primary to secondary current, when the meter does not tell"),
}
_TEXTS = frozenset({"maker", "model", "serial", "firmware", "hardware", "product_id"})


class FileMap:
    """One device file as a map."""

    def __init__(self, file: DeviceFile) -> None:
        self.file = file
        self.name = file.name
        self.kind = file.kind
        self.priority = file.priority
        self.automatic = bool(file.probes)
        self.parameters: Mapping[str, Parameter] = dict(file.parameters) | (
            _RATIOS if file.transformers else {}
        )
        self.unit = file.unit
        self.units: Collection[int] = (file.unit,)
        self.port = file.port
        self.blocks = {block.id: len(block.points) for block in file.unverified}
        confirmable: set[Poll] = {"fast"} if self.blocks else set()
        self.polls: Collection[Poll] = {
            each.poll for each in file.points if each.poll != "once"
        } | confirmable

    async def find(
        self,
        registers: Registers,
        parameters: Mapping[str, float],
        confirm: Mapping[str, Sequence[str]],
        *,
        named: bool = False,
    ) -> Layout | None:
        """Look whether the unit is one of these; None when it is not."""
        registers.gap_s = self.file.min_gap_ms / 1000
        if not await self._is_one(registers, named=named):
            return None
        file = self.file
        points = (*file.points, *confirmed(file, confirm))
        factors = {name: each.default for name, each in file.parameters.items()} | dict(parameters)
        layout = Layout(
            map=file.name,
            kind=file.kind,
            points=points,
            holes=file.holes,
            factors=factors,
            power_check=file.power_check,
            energy_check=file.energy_check,
            max_registers=file.max_registers,
            bridge=file.bridge,
            min_gap_ms=file.min_gap_ms,
        )
        settings = await _once(registers, layout, [point for point in points if not point.identity])
        ratios, warnings = _ratios(file.transformers, settings.held, parameters)
        try:
            identity = (
                await _once(registers, layout, [point for point in points if point.identity])
            ).identity
        except DeviceError:  # some meters are silent about what they do not have
            identity = {}
        return replace(
            layout,
            factors=factors | ratios,
            description=_description(file, identity),
            warnings=(*warnings, *_unexpected(points, settings.held)),
        )

    async def _is_one(self, registers: Registers, *, named: bool) -> bool:
        """Ask the probes one after the other: a device that is something else is soon known."""
        for probe in self.file.probes:
            (block,) = plan([probe.point])
            try:
                words = await registers.read(block.function, block.address, block.count, block.unit)
            except RefusedError:
                return False
            if not probe.holds(Decoder([block], {})([words]).held["probe"], named=named):
                return False
        return True


def confirmed(file: DeviceFile, confirm: Mapping[str, Sequence[str]]) -> tuple[Point, ...]:
    """Make the points of those of the file's unverified blocks that a site has confirmed."""
    return tuple(
        replace(point, name=name, id="")
        for block in file.unverified
        for point, name in zip(block.points, confirm.get(block.id, ()), strict=False)
        if name
    )


def _ratios(
    transformers: Transformers | None, held: Mapping[str, Value], given: Mapping[str, float]
) -> tuple[dict[str, float], list[str]]:
    """Work out what voltages and currents are to be multiplied with; what the site says counts.

    Raises:
        DeviceError: nobody says it.
    """
    if transformers is None:
        return {}, []
    none: dict[str, float] = {"pt_ratio": 1, "ct_ratio": 1}
    said = {name: ratio for name, ratio in given.items() if name in none}
    mode = held.get(transformers.mode)
    if mode is None:
        return none | said, [
            "the meter does not tell whether it shows primary values: compare with its display"
        ]
    if mode != transformers.secondary:
        return none | said, []
    pt1, pt2, ct1, ct2 = (held.get(id_) for id_ in (*transformers.pt, *transformers.ct))
    warnings = []
    if transformers.ct_secondary and ct2 not in transformers.ct_secondary:
        warnings.append(f"the secondary of the current transformers reads {ct2}: taken for 1")
        ct2 = 1
    ratios = {"pt_ratio": _ratio(pt1, pt2), "ct_ratio": _ratio(ct1, ct2)} | said
    known = {name: ratio for name, ratio in ratios.items() if ratio}
    if known.keys() != none.keys():
        raise DeviceError(
            "the meter shows secondary values and does not tell the ratios of its transformers: "
            "set parameters = { pt_ratio = …, ct_ratio = … }, or primary mode at the meter",
            reason="refused",
        )
    return known, warnings


def _ratio(primary: Value, secondary: Value) -> float | None:
    if isinstance(primary, str) or isinstance(secondary, str) or not primary or not secondary:
        return None
    return primary / secondary


def _unexpected(points: Sequence[Point], held: Mapping[str, Value]) -> list[str]:
    return [
        f"{point.warning} ({point.register or point.id} reads {held[point.id]})"
        for point in points
        if point.expect and held.get(point.id) is not None and held[point.id] not in point.expect
    ]


async def _once(registers: Registers, layout: Layout, points: Sequence[Point]) -> Decoded:
    blocks = plan_poll(replace(layout, points=points), "once")
    return await read_all(registers, blocks, layout.factors)


def _description(file: DeviceFile, identity: Mapping[str, Value]) -> Description:
    said: dict[str, Any] = {"maker": file.maker, "model": file.model}
    known = {field.name for field in fields(Description)}
    for name, value in identity.items():
        if value is not None and name in known:
            said[name] = str(value) if name in _TEXTS else value
    return Description(**said)
