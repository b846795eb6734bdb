"""What is wrong in a device file is said with the file, the place in it, and the key."""

import pytest

from producers.modbus.device_reading import parse
from schemas.errors import ConfigurationError

HEAD = """
name = "meter"
maker = "Maker"
model = "Model"
kind = "acuvim"
source = "manual 1.0"
"""
POINT = """
[[point]]
address = 0x10
type = "u16"
name = "ac_power_w"
"""


def test_a_file_can_be_short() -> None:
    map_ = parse(HEAD + POINT, "meter.toml")

    (point,) = map_.points
    assert (point.address, point.function, point.word_order, point.poll) == (16, 3, "big", "fast")
    assert (map_.max_registers, map_.unit, map_.port) == (125, 1, 502)


def test_what_a_file_says_once_holds_for_all_its_points() -> None:
    map_ = parse('word_order = "little"\nfunction = 4\n' + HEAD + POINT, "meter.toml")

    assert (map_.points[0].function, map_.points[0].word_order) == (4, "little")


def test_units_of_the_vendor_become_ours() -> None:
    text = (
        HEAD
        + POINT.replace("ac_power_w", "ac_energy_import_wh")
        + 'scale = "energy_scale"\ngiven_in = "kWh"\n'
    )
    map_ = parse(text + '[parameters.energy_scale]\ndefault = 0.1\nmeaning = "kWh"\n', "meter.toml")

    assert map_.points[0].scale == ("energy_scale", 1000)
    assert map_.points[0].parameters == ("energy_scale",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "meter.toml cannot be read"),
        (POINT, "meter.toml: name is missing"),
        (HEAD.replace('"meter"', '"other"'), "meter.toml: name must be meter"),
        (HEAD + "portt = 502", "meter.toml: portt is not known here: did you mean port?"),
        (HEAD + "max_registers = 200", "max_registers must be a whole number from 1 to 125, got 200"),
        (HEAD + 'word_order = "middle"', "word_order must be one of big, little, got 'middle'"),
        (HEAD + POINT + 'pol = "slow"', "meter.toml: point 1: pol is not known here: did you mean poll?"),
        (HEAD + POINT + 'poll = "often"', "poll must be one of fast, slow, once"),
        (HEAD + POINT.replace("u16", "u17"), "type must be one of u16, i16"),
        (HEAD + POINT.replace("u16", "str:4"), "is text, and only an identity can be text"),
        (HEAD + POINT.replace("0x10", "65536"), "address must be a whole number from 0 to 65535"),
        (HEAD + POINT.replace("0x10", "65535").replace("u16", "u32"), "address is too high for the type"),
        (HEAD + POINT.replace("ac_power_w", "power"), "name is not in schemas/measurements.toml: 'power'"),
        (HEAD + POINT.replace('name = "ac_power_w"', ""), "name is missing: a point has a name"),
        (HEAD + POINT + 'alarm = "overload"', "exclude each other"),
        (HEAD + POINT + 'given_in = "kWh"', "kWh does not fit ac_power_w, whose unit is W"),
        (HEAD + POINT + 'given_in = "horsepower"', "given_in must be one of"),
        (HEAD + POINT + 'scale = "gain"', "scale of ac_power_w: there is no gain"),
        (HEAD + POINT + 'scale = "sf:W_SF"', "scale of ac_power_w: there is no W_SF"),
        (HEAD + POINT + "scale = true", "scale must be a number, got True"),
        (HEAD + POINT + "missing = -1", "missing must be a whole number from 0 to 65535"),
        (HEAD + POINT + "bit = 16", "bit must be a whole number from 0 to 15"),
        (HEAD + POINT.replace("u16", "f32") + "bit = 1", "bit cannot be taken of f32"),
        (HEAD + POINT + "expect = 1", "expect and warning go together"),
        (HEAD + POINT + 'level = "alarm"', "alarm is missing"),
        (HEAD + POINT.replace("name", "alarm").replace("ac_power_w", "Over Load"), "must be a word of a-z"),
        (HEAD + POINT + POINT, "name ac_power_w is given twice"),
        (
            HEAD
            + POINT.replace("u16", "u32")
            + POINT.replace("0x10", "0x11").replace("ac_power_w", "ac_l1_power_w"),
            "address 17 of ac_l1_power_w lies within ac_power_w",
        ),
        (HEAD + POINT + "[[hole]]\nfrom = 16\nto = 20", "hole 16 to 20 holds the point ac_power_w"),
        (HEAD + "[[hole]]\nfrom = 20\nto = 16", "to must be a whole number from 20"),
        (HEAD + "[parameters.gain]\nmeaning = 'x'", "meter.toml: parameters.gain: default is missing"),
        (HEAD + "[parameters.gain]\nmeaning = 'x'\ndefault = 1\nchoices = [2]", "default must be one of"),
        (HEAD + '[power_check]\nparameter = "gain"\nplace = "ac"', "power_check: parameter must be one of"),
        (
            HEAD + "[[probe]]\naddress = 1\ntype = 'u16'\nwithin = [3]",
            "within must be the lowest and the highest",
        ),
        (HEAD + "[[example]]\naddress = 1\nhex = '123'", "hex must be"),
        (HEAD + "[[example]]\naddress = 1\nhex = '12'", "hex must be whole registers"),
        (HEAD + "point = 3", r"point must be written as \[\[point\]\] tables"),
        (
            HEAD + "[transformers]\nmode='m'\nsecondary=0\npt=['a','b']\nct=['c','d']",
            "transformers name the point m, which there is not",
        ),
    ],
)
def test_faults_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse(text, "meter.toml")
