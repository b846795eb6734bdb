"""Reading device files: TOML in, checked values out.

Rules that must stay true here:
- whatever a file says is checked here, once; errors name the file, the place in it and the key;
- every file says where it is from, every point has a role, and no two points share a part of their registers.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, cast, get_args

from producers.modbus.device_checks import LAST_ADDRESS, check, check_point
from producers.modbus.device_file import (
    DeviceFile,
    Example,
    Probe,
    Transformers,
    Unverified,
)
from producers.modbus.points import (
    IDENTITIES,
    MOST_REGISTERS,
    Check,
    Hole,
    Merge,
    Parameter,
    Point,
    Poll,
    WordOrder,
    width,
)
from producers.modbus.table import Table
from schemas.errors import ConfigurationError
from schemas.measurements import MEASUREMENTS, unknown

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LAST_UNIT: Final = 255
_LEVELS: Final = ("warning", "alarm")
_GIVEN_IN: Final[Mapping[str, tuple[str, float]]] = {
    "kW": ("W", 1000),
    "MW": ("W", 1_000_000),
    "kvar": ("var", 1000),
    "kVA": ("VA", 1000),
    "kWh": ("Wh", 1000),
    "MWh": ("Wh", 1_000_000),
    "kvarh": ("varh", 1000),
    "kVAh": ("VAh", 1000),
    "mV": ("V", 0.001),
    "mA": ("A", 0.001),
    "mHz": ("Hz", 0.001),
    "min": ("s", 60),
    "h": ("s", 3600),
    "ratio": ("%", 100),
    "percent": ("1", 0.01),
    "kohm": ("Ω", 1000),
}


class Defaults(NamedTuple):
    """What a file says once for all its points."""

    word_order: WordOrder
    function: int


@cache
def load_all() -> Mapping[str, DeviceFile]:
    """Read every Modbus map that comes with us, by name, those to be looked for first in front.

    Raises:
        ConfigurationError: a file is wrong.
    """
    maps: list[DeviceFile] = []
    for path in files("producers").joinpath("devices").iterdir():
        if path.name.endswith(".toml"):
            document = _document(path.read_text(encoding="utf-8"), path.name)
            if "point" in document or "unverified" in document:
                maps.append(_device_file(Table(document, path.name), path.name.removesuffix(".toml")))
    return {each.name: each for each in sorted(maps, key=lambda each: (each.priority, each.name))}


def parse(text: str, file_name: str) -> DeviceFile:
    """Read one map; its name must be the file's.

    Raises:
        ConfigurationError: something is wrong.
    """
    return _device_file(Table(_document(text, file_name), file_name), file_name.removesuffix(".toml"))


def _document(text: str, file_name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file_name} cannot be read: {error}") from error


def _device_file(table: Table, stem: str) -> DeviceFile:
    name = table.text("name")
    if name != stem or not _NAME.fullmatch(name):
        raise table.fault("name", f"must be {stem}, as the file, in a-z, 0-9 and _; got {name!r}")
    defaults = Defaults(_word_order(table, "big"), _function(table, 3))
    parameters = {key: _parameter(table, key) for key in table.map("parameters")}
    points = tuple(_point(each, defaults) for each in table.tables("point"))
    unverified = tuple(_unverified(each, defaults) for each in table.tables("unverified"))
    found = DeviceFile(
        name=name,
        maker=table.text("maker"),
        model=table.text("model"),
        kind=table.text("kind"),
        source=table.text("source"),
        notes=table.text("notes", ""),
        points=points,
        parameters=parameters,
        probes=tuple(_probe(each, defaults) for each in table.tables("probe")),
        holes=tuple(_hole(each, defaults.function) for each in table.tables("hole")),
        examples=tuple(read_example(each, defaults.function) for each in table.tables("example")),
        unverified=unverified,
        transformers=_transformers(table),
        power_check=_check_of(table, "power_check", parameters),
        energy_check=_check_of(table, "energy_check", parameters),
        max_registers=table.whole("max_registers", MOST_REGISTERS, low=1, high=MOST_REGISTERS),
        min_gap_ms=table.whole("min_gap_ms", 0, high=60_000),
        bridge=table.whole("bridge", 24, high=MOST_REGISTERS),
        unit=table.whole("unit", 1, high=_LAST_UNIT),
        port=table.whole("port", 502, low=1),
        priority=table.whole("priority", 50, high=1000),
    )
    table.done()
    check(table, found)
    return found


def _parameter(table: Table, key: str) -> Parameter:
    said = table.map("parameters")[key]
    inner = Table(said if isinstance(said, Mapping) else {}, f"{table.where}: parameters.{key}")
    choices = inner.numbers("choices")
    parameter = Parameter(key, inner.number("default"), inner.text("meaning"), choices)
    if choices and parameter.default not in choices:
        raise inner.fault("default", f"must be one of {list(choices)}")
    inner.done()
    return parameter


def _point(table: Table, defaults: Defaults) -> Point:
    name = table.text("name", "")
    if unknown({name: 0} if name else {}):
        raise table.fault("name", f"is not in schemas/measurements.toml: {name!r}")
    type_ = _type(table)
    scale = table.mixed("scale")
    if (given_in := table.text("given_in", "", among=_GIVEN_IN)) != "":
        scale = (*scale, _conversion(table, name, given_in))
    point = Point(
        address=table.whole("address", high=LAST_ADDRESS),
        type=type_,
        name=name,
        id=table.text("id", ""),
        register=table.text("register", ""),
        scale=tuple(each for each in scale if each != 1),
        offset=table.number("offset", 0.0),
        missing=frozenset(table.wholes("missing", high=2 ** (16 * width(type_)) - 1)),
        word_order=_word_order(table, defaults.word_order),
        function=_function(table, defaults.function),
        unit=table.whole("unit", high=_LAST_UNIT) if "unit" in table else None,
        poll=cast("Poll", table.text("poll", "fast", among=get_args(Poll))),
        flip=table.flag("flip"),
        bit=table.whole("bit", high=16 * width(type_) - 1) if "bit" in table else None,
        alarm=table.text("alarm", ""),
        level=table.text("level", "", among=_LEVELS),
        share=table.flag("share"),
        merge=cast("Merge", table.text("merge", "", among=get_args(Merge))),
        when=table.numbers("when"),
        phase=table.text("phase", "", among=("l1", "l2", "l3")),
        identity=table.text("identity", "", among=IDENTITIES),
        expect=table.numbers("expect"),
        warning=table.text("warning", ""),
    )
    table.done()
    check_point(table, point)
    return point


def _conversion(table: Table, name: str, given_in: str) -> float:
    unit, factor = _GIVEN_IN[given_in]
    if name and (MEASUREMENTS[name].unit if name in MEASUREMENTS else unit) != unit:
        raise table.fault(
            "given_in", f"{given_in} does not fit {name}, whose unit is {MEASUREMENTS[name].unit}"
        )
    return factor


def _probe(table: Table, defaults: Defaults) -> Probe:
    point = Point(
        address=table.whole("address", high=LAST_ADDRESS),
        type=_type(table),
        id="probe",
        register=table.text("register", ""),
        word_order=_word_order(table, defaults.word_order),
        function=_function(table, defaults.function),
        unit=table.whole("unit", high=_LAST_UNIT) if "unit" in table else None,
    )
    within = table.numbers("within")
    if within and (len(within) != 2 or within[0] > within[1]):  # noqa: PLR2004 - from, to
        raise table.fault("within", "must be the lowest and the highest value")
    probe = Probe(
        point,
        table.numbers("equals") + table.numbers("in"),
        (within[0], within[1]) if within else None,
        table.numbers("named"),
        table.text("begins", ""),
    )
    table.done()
    return probe


def _hole(table: Table, function: int) -> Hole:
    first = table.whole("from")
    hole = Hole(first, table.whole("to", low=first), _function(table, function), table.flag("readable"))
    table.done()
    return hole


def _unverified(table: Table, defaults: Defaults) -> Unverified:
    address, type_ = table.whole("address"), _type(table)
    count, orders = table.whole("count", low=1, high=MOST_REGISTERS), table.lists("orders")
    for names in orders:
        if unknown(dict.fromkeys(filter(None, names), 0)) or len(names) > count:
            raise table.fault("orders", f"must each be at most {count} measurements")
    if not orders:
        raise table.fault("orders", "is missing: give the likely order, at least")
    points = tuple(
        Point(
            address=address + index * width(type_),
            type=type_,
            id=f"{table.text('id')}_{index}",
            function=_function(table, defaults.function),
            word_order=defaults.word_order,
        )
        for index in range(count)
    )
    block = Unverified(table.text("id"), points, orders, table.text("meaning"))
    table.done()
    return block


def _transformers(table: Table) -> Transformers | None:
    if (inner := table.table("transformers")) is None:
        return None
    pt, ct = inner.texts("pt"), inner.texts("ct")
    if len(pt) != 2 or len(ct) != 2:  # noqa: PLR2004 - primary, secondary
        raise inner.fault("pt", "and ct must be the ids of the primary and the secondary")
    mode, secondary = inner.text("mode"), inner.number("secondary")
    found = Transformers(mode, secondary, (pt[0], pt[1]), (ct[0], ct[1]), inner.numbers("ct_secondary"))
    inner.done()
    return found


def _check_of(table: Table, key: str, parameters: Mapping[str, Parameter]) -> Check | None:
    if (inner := table.table(key)) is None:
        return None
    found = Check(inner.text("parameter"), inner.text("place"))
    if found.parameter not in parameters:
        raise inner.fault("parameter", f"must be one of the parameters, got {found.parameter!r}")
    inner.done()
    return found


def read_example(table: Table, function: int) -> Example:
    """Read registers with known values.

    Raises:
        ConfigurationError: something is wrong.
    """
    try:
        raw = bytes.fromhex(table.text("hex"))
    except ValueError as error:
        raise table.fault("hex", f"must be bytes in hexadecimal: {error}") from error
    if len(raw) % 2:
        raise table.fault("hex", "must be whole registers")
    example = Example(
        address=table.whole("address"),
        function=_function(table, function),
        words=tuple(int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2)),
        values={name: None if value == "missing" else value for name, value in table.map("values").items()},
        alarms=table.map("alarms"),
        identity=table.map("identity"),
        parameters=table.map("parameters"),
        confirm=table.text("confirm", ""),
    )
    table.done()
    return example


def _type(table: Table) -> str:
    type_ = table.text("type")
    try:
        width(type_)
    except ConfigurationError as error:
        raise table.fault("type", str(error).removeprefix("type ")) from error
    return type_


def _function(table: Table, default: int) -> int:
    return table.whole("function", default, low=3, high=4)


def _word_order(table: Table, default: WordOrder) -> WordOrder:
    return cast("WordOrder", table.text("word_order", default, among=get_args(WordOrder)))
