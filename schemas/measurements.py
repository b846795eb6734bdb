"""The vocabulary of readings: every measurement's name, unit, sign and meaning, from `measurements.toml`.

Names are data; this module only spells them out (places by positions by quantities).
`unknown` stands on the recorder's hot path: one set comparison for a sample whose names are all known.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from schemas.errors import ConfigurationError

FREE_PREFIX: Final = "x_"
LONGEST: Final = 128
"""Names of one's own begin with this; nothing is known about them."""

POSITIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "phase": {"l1": "phase L1", "l2": "phase L2", "l3": "phase L3"},
    "line": {
        "l12": "L1 to L2",
        "l23": "L2 to L3",
        "l31": "L3 to L1",
        "ll": "mean between the phases",
    },
    "neutral": {"n": "neutral"},
}

_NO_CODES: Final[Mapping[int, str]] = MappingProxyType({})
_NO_TABLE: Final[Mapping[str, Any]] = MappingProxyType({"values": {}, "source": ""})


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one name means.

    Attributes:
        name: as in `data.values`, such as `ac_out_l1_power_w`.
        unit: as people write it, such as `W`; `code` for an enumeration, `1` for a ratio.
        sign: what positive or negative means; empty where a value is never negative.
        meaning: one phrase.
        codes: number to word, for an enumeration; numbers not listed are possible.
        source: who defines the codes; empty for all others.
    """

    name: str
    unit: str
    sign: str
    meaning: str
    codes: Mapping[int, str] = field(default_factory=lambda: _NO_CODES)
    source: str = ""


def read(text: str) -> dict[str, Measurement]:
    """Spell out the vocabulary of one TOML document, sorted by name.

    Raises:
        ConfigurationError: a name is given twice, or has an unknown unit, set, position or code table.
    """
    document = tomllib.loads(text)
    vocabulary: dict[str, Measurement] = {}
    for key, place in document["places"].items():
        try:
            measurements = list(_of_place(document, place.get("prefix", key), place))
        except KeyError as error:
            raise ConfigurationError(f"measurements.toml: at {key}, {error.args[0]} is missing") from error
        if twice := [m.name for m in measurements if m.name in vocabulary]:
            raise ConfigurationError(f"measurements.toml: {twice[0]} is given twice")
        vocabulary |= {m.name: m for m in measurements}
    return dict(sorted(vocabulary.items()))


def unknown(values: Mapping[str, Any]) -> list[str]:
    """Return the names that are not in the vocabulary, and do not begin with `x_` or are too long."""
    if values.keys() <= _NAMES:
        return []
    free = values.keys() - _NAMES
    return sorted(name for name in free if len(name) > LONGEST or not name.startswith(FREE_PREFIX))


def _of_place(document: Mapping[str, Any], prefix: str, place: Mapping[str, Any]) -> Iterator[Measurement]:
    quantities = _quantities(document, place.get("sets", ())) | place.get("quantities", {})
    if not place.get("numbered_only", False):
        yield from _of_prefix(document, prefix, place, quantities)
    numbered = quantities | _quantities(document, place.get("numbered_sets", ()))
    for number in range(1, place.get("count", 0) + 1):
        yield from _of_prefix(document, f"{prefix}_{number}", place, numbered)


def _quantities(document: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    quantities: dict[str, Any] = {}
    for name in names:
        if name not in document["sets"]:
            raise ConfigurationError(f"measurements.toml: there is no set {name}")
        quantities |= document["sets"][name]
    return quantities


def _of_prefix(
    document: Mapping[str, Any], prefix: str, place: Mapping[str, Any], quantities: Mapping[str, Any]
) -> Iterator[Measurement]:
    for quantity, given in quantities.items():
        what: Mapping[str, Any] = {"meaning": given} if isinstance(given, str) else given
        unit = document["units"].get(quantity.rpartition("_")[2])
        if unit is None:
            raise ConfigurationError(f"measurements.toml: {prefix} {quantity} ends in no known unit")
        codes: Mapping[str, Any] = document["codes"][what["codes"]] if unit == "code" else _NO_TABLE
        words = MappingProxyType({int(number): word for number, word in codes["values"].items()})
        for position, phrase in _positions(what.get("per", ())):
            name = "_".join(part for part in (prefix, position, quantity) if part)
            meaning = ", ".join(part for part in (what["meaning"], place["of"], phrase) if part)
            sign = place["flow"] if what.get("flow") else what.get("sign", "")
            yield Measurement(name, unit, sign, meaning, words, codes["source"])


def _positions(per: list[str]) -> Iterator[tuple[str, str]]:
    yield "", ""
    for kind in per:
        yield from POSITIONS[kind].items()


MEASUREMENTS: Final[Mapping[str, Measurement]] = MappingProxyType(
    read(files("schemas").joinpath("measurements.toml").read_text(encoding="utf-8"))
)
_NAMES: Final = frozenset(MEASUREMENTS)
