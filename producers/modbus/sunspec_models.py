"""SunSpec models as data: what stands where in a model, from the files in `producers/devices/sunspec`.

Rules that must stay true here:
- offsets count from the register that holds the model's number, as in the Alliance's own files;
- what "not implemented" looks like belongs to the type, never to a point.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from producers.modbus.device_file import Example
from producers.modbus.device_reading import read_example
from producers.modbus.points import DYNAMIC, IDENTITIES, Merge, Point, Poll
from producers.modbus.table import Table
from schemas.errors import ConfigurationError
from schemas.measurements import unknown

_FIRST: Final = 2
"""The offset of a model's first point, behind its number and its length."""

_MOST_MODULES: Final = 8
_SCALE_FACTOR: Final = "sunssf"
_TYPES: Final[Mapping[str, tuple[str, int | None]]] = MappingProxyType(
    {
        "int16": ("i16", 0x8000),
        "uint16": ("u16", 0xFFFF),
        "acc16": ("acc16", None),
        "enum16": ("u16", 0xFFFF),
        "bitfield16": ("bits", 0xFFFF),
        "count": ("u16", 0xFFFF),
        _SCALE_FACTOR: ("i16", 0x8000),
        "int32": ("i32", 0x80000000),
        "uint32": ("u32", 0xFFFFFFFF),
        "acc32": ("acc32", None),
        "enum32": ("u32", 0xFFFFFFFF),
        "bitfield32": ("bits32", 0xFFFFFFFF),
        "int64": ("i64", 0x8000000000000000),
        "uint64": ("u64", 0xFFFFFFFFFFFFFFFF),
        "acc64": ("acc64", None),
        "float32": ("f32", None),
        "float64": ("f64", None),
    }
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A point of a model that has no address yet.

    Attributes:
        point: its address is the offset; `{n}` in its name is the number of the module.
        only: the models of the file that have it; all when empty.
        optional: it is left out while the device does not implement it.
        pv_only: it holds only where nothing but PV is behind the device.
    """

    point: Point
    only: frozenset[int] = frozenset()
    optional: bool = False
    pv_only: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of module.

    Attributes:
        begins: how the labels of such modules begin; empty takes any.
        unlabelled: which module it is, on a device with storage that labels none.
        most: how many there can be.
    """

    begins: tuple[str, ...]
    unlabelled: int | None
    most: int
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Modules:
    """The part of a model that repeats.

    Attributes:
        at: the offset of the first module in its model.
        length: of one module.
        count: the id of the point that says how many there are.
        label: the name that a module has; its address is the offset in the module.
    """

    at: int
    length: int
    count: str
    label: Point
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One file: models that have the same layout.

    Attributes:
        role: the first model of each role in a device counts.
        phases: how many phases a device with this model has, by its number.
        asleep: a measurement, and those of its values after which silence is normal for PV.
        reversed_makers: whose meters count power to the grid as positive.
    """

    numbers: tuple[int, ...]
    role: str
    source: str
    slots: tuple[Slot, ...]
    phases: Mapping[int, int]
    asleep: tuple[str, frozenset[float]] | None = None
    reversed_makers: tuple[str, ...] = ()
    modules: Modules | None = None
    examples: tuple[tuple[int, Example], ...] = ()


@cache
def load_models() -> Mapping[int, Model]:
    """Read the models that we know, by number.

    Raises:
        ConfigurationError: a file is wrong.
    """
    known: dict[int, Model] = {}
    for path in sorted(files("producers").joinpath("devices/sunspec").iterdir(), key=lambda each: each.name):
        if path.name.endswith(".toml"):
            model = parse_model(path.read_text(encoding="utf-8"), f"sunspec/{path.name}")
            if twice := known.keys() & set(model.numbers):
                raise ConfigurationError(f"sunspec/{path.name}: models: {min(twice)} is in two files")
            known |= dict.fromkeys(model.numbers, model)
    return known


def parse_model(text: str, where: str) -> Model:
    """Read one file.

    Raises:
        ConfigurationError: something is wrong.
    """
    try:
        table = Table(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} cannot be read: {error}") from error
    numbers = table.wholes("models", high=0xFFFE)
    modules = table.table("module")
    asleep = table.table("asleep")
    model = Model(
        numbers=numbers,
        role=table.text("role"),
        source=table.text("source"),
        slots=tuple(_slot(each) for each in table.tables("point")),
        phases=dict(zip(numbers, table.wholes("phases", high=3), strict=False)),
        asleep=(asleep.text("name"), frozenset(asleep.numbers("values"))) if asleep else None,
        reversed_makers=table.texts("reversed_makers"),
        modules=_modules(modules) if modules else None,
        examples=tuple(_example(each) for each in table.tables("example")),
    )
    table.done()
    _check(table, model)
    return model


def _slot(table: Table) -> Slot:
    type_ = table.text("type")
    register, name = table.text("register"), table.text("name", "")
    own, missing = _type(table, type_)
    sf = table.text("sf", "")
    identity = table.text("identity", "", among=IDENTITIES)
    id_ = table.text("id", register if type_ == _SCALE_FACTOR else "")
    if unknown({name.format(n=1): 0} if name else {}):
        raise table.fault("name", f"is not in schemas/measurements.toml: {name!r}")
    point = Point(
        address=table.whole("at"),
        type=own,
        name=name,
        id=id_,
        register=register,
        scale=(*((DYNAMIC + sf,) if sf else ()), *table.mixed("scale")),
        missing=frozenset() if missing is None else frozenset({missing}),
        poll="once" if identity or id_ else cast("Poll", table.text("poll", "fast", among=get_args(Poll))),
        flip=table.flag("flip"),
        bit=table.whole("bit", high=31) if "bit" in table else None,
        share=table.flag("share"),
        merge=cast("Merge", table.text("merge", "", among=get_args(Merge))),
        alarm=table.text("alarm", ""),
        level=table.text("level", "", among=("warning", "alarm")),
        when=table.numbers("when"),
        identity=identity,
    )
    slot = Slot(
        point,
        frozenset(table.wholes("only", high=0xFFFE)),
        table.flag("optional"),
        table.flag("pv_only"),
    )
    table.done()
    return slot


def _type(table: Table, type_: str) -> tuple[str, int | None]:
    if type_.startswith("string:"):
        return f"str:{type_.removeprefix('string:')}", None
    if type_ not in _TYPES:
        raise table.fault("type", f"must be one of {', '.join(_TYPES)}, string:N, got {type_!r}")
    return _TYPES[type_]


def _modules(table: Table) -> Modules:
    label = table.table("label")
    modules = Modules(
        at=table.whole("at", low=_FIRST),
        length=table.whole("length", low=1),
        count=table.text("count"),
        label=_label(label) if label else Point(address=0, type="str:1"),
        kinds=tuple(_kind(each) for each in table.tables("kind")),
    )
    table.done()
    return modules


def _label(table: Table) -> Point:
    point = Point(
        address=table.whole("at"),
        type=_type(table, table.text("type"))[0],
        register=table.text("register"),
        poll="once",
    )
    table.done()
    return point


def _kind(table: Table) -> Kind:
    kind = Kind(
        begins=table.texts("begins"),
        unlabelled=table.whole("unlabelled") if "unlabelled" in table else None,
        most=table.whole("most", _MOST_MODULES),
        slots=tuple(_slot(each) for each in table.tables("point")),
    )
    table.done()
    return kind


def _example(table: Table) -> tuple[int, Example]:
    """Read a whole model with its head; its number is its first register."""
    example = read_example(table, 3)
    return example.words[0], replace(example, address=0)


def _check(table: Table, model: Model) -> None:
    """Every scale factor that a point names is in its model, and every offset behind the head."""
    ids = {slot.point.id for slot in model.slots}
    of_modules = [slot for kind in model.modules.kinds for slot in kind.slots] if model.modules else []
    for slot in (*model.slots, *of_modules):
        if lacking := set(slot.point.needs) - ids:
            raise table.fault("point", f"{slot.point.register}: there is no {min(lacking)}")
        if slot.only - set(model.numbers):
            raise table.fault("point", f"{slot.point.register}: only {sorted(slot.only)} are not all models")
    if any(slot.point.address < _FIRST for slot in model.slots):
        raise table.fault("point", "at is within the model's head")
    if model.modules and model.modules.count not in ids:
        raise table.fault("module", f"count: there is no point {model.modules.count}")


def label_of(said: Any) -> str:
    """Give a module's label as it is compared: `StCha 3` is `stcha3`."""
    return "".join(said.lower().split()) if isinstance(said, str) else ""
