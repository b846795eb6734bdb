"""The files of SunSpec models: they say what the Alliance's own do, and decode their examples."""

from collections.abc import Iterator

import pytest

from producers.modbus.decode import Decoded, Decoder
from producers.modbus.device_file import Example
from producers.modbus.plan import Block
from producers.modbus.points import Point
from producers.modbus.sunspec_chain import Chain, Link
from producers.modbus.sunspec_layout import candidates, choose, questions
from producers.modbus.sunspec_models import Model, Slot, load_models, parse_model
from schemas.errors import ConfigurationError
from schemas.measurements import MEASUREMENTS
from tests.sunspec_images import definition, offsets
from tests.unit.test_device_files import UNITS, same

MODELS = load_models()
FILES = {model.numbers: model for model in MODELS.values()}
TYPES = {
    "int16": "i16",
    "uint16": "u16",
    "enum16": "u16",
    "count": "u16",
    "sunssf": "i16",
    "bitfield16": "bits",
    "bitfield32": "bits32",
    "acc32": "acc32",
    "acc64": "acc64",
    "float32": "f32",
}
EXAMPLES = [(model, number, example) for model in FILES.values() for number, example in model.examples]


def role_of(model: Model) -> str:
    return f"{model.role}-{model.numbers[0]}"


def name_of(each: object) -> str | None:
    return (
        role_of(each)
        if isinstance(each, Model)
        else f"{each.address}-{len(each.words)}"
        if isinstance(each, Example)
        else None
    )


def slots(model: Model, number: int) -> Iterator[Slot]:
    return (slot for slot in model.slots if not slot.only or number in slot.only)


def in_modules(model: Model) -> Iterator[Slot]:
    return (slot for kind in model.modules.kinds for slot in kind.slots) if model.modules else iter(())


def scale_of(point: Point) -> str | None:
    return next((id_ for id_ in point.needs), None)


def plain(name: str) -> str:
    """Give a name of the Alliance's without what differs from model to model."""
    return name.lower().replace("ppvph", "phvph")


@pytest.mark.parametrize("number", MODELS)
def test_points_are_where_the_alliance_has_them(number: int) -> None:
    group = definition(number)
    model = MODELS[number]
    known = offsets(group["points"])
    of_module = offsets(group["groups"][0]["points"]) if model.modules else {}
    for slot, place in [
        *((slot, known) for slot in slots(model, number)),
        *((slot, of_module) for slot in in_modules(model)),
    ]:
        theirs = place[slot.point.address]
        type_ = f"str:{theirs['size']}" if theirs["type"] == "string" else TYPES[theirs["type"]]
        assert plain(slot.point.register) == plain(theirs["name"])
        assert slot.point.type == type_
        assert scale_of(slot.point) == theirs.get("sf")


def test_modules_are_as_long_as_the_alliance_says() -> None:
    modules = MODELS[160].modules
    assert modules is not None
    group = definition(160)
    assert modules.at == sum(point["size"] for point in group["points"])
    assert modules.length == sum(point["size"] for point in group["groups"][0]["points"])
    label = offsets(group["groups"][0]["points"])[modules.label.address]
    assert (label["name"], modules.label.type) == ("IDStr", f"str:{label['size']}")


@pytest.mark.parametrize("model", FILES.values(), ids=role_of)
def test_names_are_of_the_vocabulary_and_each_stands_once(model: Model) -> None:
    assert len(model.source) > 20
    for number in model.numbers:
        names = [slot.point.name for slot in slots(model, number) if slot.point.name and not slot.pv_only]
        assert len(set(names)) == len(names)
    for slot in (*model.slots, *in_modules(model)):
        name = slot.point.name.format(n=8)
        assert not name or MEASUREMENTS[name].unit == UNITS[name.rpartition("_")[2]]


def read_example(number: int, example: Example) -> Decoded:
    link = Link(number, 0, len(example.words) - 2)
    chosen = choose(Chain(0, (link,)), MODELS)

    def read(points: tuple[Point, ...]) -> Decoded:
        block = Block(None, 3, 0, len(example.words), points)
        return Decoder([block], {"meter_sign": 1, **example.parameters})([example.words])

    possible, _ = candidates(chosen, read(questions(chosen)).held)
    return read(tuple(each.point for each in possible))


@pytest.mark.parametrize("model", FILES.values(), ids=role_of)
def test_every_file_has_an_example(model: Model) -> None:
    assert model.examples


@pytest.mark.parametrize(("model", "number", "example"), EXAMPLES, ids=name_of)
def test_examples_decode(model: Model, number: int, example: Example) -> None:
    assert number in model.numbers
    assert example.words[1] == len(example.words) - 2
    decoded = read_example(number, example)
    for name, value in example.values.items():
        assert same(decoded.values[name], value), f"{name}: {decoded.values[name]}, not {value}"
    levels = {alarm.alarm: alarm.level or "none" for alarm in decoded.alarms}
    assert {alarm: levels.get(alarm) for alarm in example.alarms} == example.alarms
    assert {field: decoded.identity.get(field) for field in example.identity} == example.identity


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{ at = 2, register = "A", type = "uint17" }', "type must be one of"),
        ('{ at = 2, register = "A", type = "uint16", name = "amps" }', "not in schemas/measurements.toml"),
        (
            '{ at = 2, register = "A", type = "uint16", sf = "A_SF", name = "ac_current_a" }',
            "there is no A_SF",
        ),
        ('{ at = 1, register = "L", type = "uint16", id = "L" }', "within the model's head"),
        ('{ at = 2, register = "A", type = "uint16", name = "ac_current_a", only = [5] }', "not all models"),
        ('{ at = 2, register = "A", type = "uint16", nmae = "ac_current_a" }', "did you mean name"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(line: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_model(f'models = [7]\nrole = "x"\nsource = "y"\npoint = [ {line} ]\n', "sunspec/x.toml")
