"""The catalogue of reports: every word that a document may hold, every key asked for, none for nothing."""

import ast
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from jinja2 import Environment, nodes

from reporter.findings_said import said as finding_said
from reporter.html import EVENT, GLOSSARY, SYSTEM
from reporter.texts import texts
from reporter.voice import voice

ROOT: Final = Path(__file__).parents[2]
REPORTER: Final = Path(str(files("reporter")))
GROUPS: Final[Mapping[str, str | None]] = {
    "figure/why": "why",
    "apparent_energy_vah/why": "why",
    "load_factor_ratio/why": "why",
    "power_factor_ratio/why": "why",
    "phases/configuration": "configuration",
    "phases/source": "source",
    "nominal/source": "source",
    "energy/chosen": "energy.method",
    "energy/why": "energy.chosen_why",
    "methods/method": "energy.method",
    "methods/why": "energy.why",
    "peaks/kind": "demand.kind",
    "events/class": "voltage.classes",
    "limits/direction": "voltage.row",
    "notes": "quality.note",
    "billing/source": "billing.sources",
    "billing/why": "billing.why",
    "load/basis": "load.about",
    "battery/capacity_source": "capacity_source",
    "counterfactual/curve": "green.curves",
    "counterfactual/source": "green.stated_by",
    "counterfactual/why": "why",
    "why_not": "why",
    "event_row/why_not": "rank",
    "systems/source": "billing.sources",
    "factor/scope": "scopes",
    "factor/unit": "factor_units",
    "findings/finding": "finding",
    "findings/severity": "severities",
    "green_note": "green.note",
    "shares/source": "source_names",
    "shaving/method": "shaving.method",
    "sustainability/actual_method": "green.actual_methods",
    "why": "why",
}
"""Where a word of the schema stands -> the group of the catalogue that says it."""

NOT_SAID: Final = {
    "grade",
    "remark/kind",
    "removed/place",
    "arrays/method",
    "arrays/side",
    "battery/method",
    "counterfactual/fuel_source",
    "factor/gases",
    "factor/status",
    "genset/method",
    "genset/running_by",
    "genset/rated_source",
    "grid/method",
    "sustainability/actual_fuel_source",
    "system/rated_source",
    "phases/live",
    "nominal/between",
    "nominal/frequency_source",
    "power_factor_ratio/source",
    "methods/unit",
    "registers/direction",
    "resets/kind",
    "imbalance/voltage_source",
    "suggestion/suggestion",
    "voltage/between",
}
"""Words that no reader sees: they choose what is drawn or said."""


def enums(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    if isinstance(found, dict):
        if isinstance(found.get("enum"), list):
            yield "/".join(path[-2:]), [word for word in found["enum"] if word is not None]
        for key, one in found.items():
            if key in {"properties", "items", "definitions", "anyOf", "oneOf"} or key.isdigit():
                yield from enums(one, path)
            else:
                yield from enums(one, (*path, key))
    elif isinstance(found, list):
        for one in found:
            yield from enums(one, path)


def schema() -> list[tuple[str, list[str]]]:
    return sorted(dict(enums(orjson.loads((REPORTER / "document.schema.json").read_bytes()))).items())


@pytest.mark.parametrize(
    ("place", "words"), schema(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_word_of_the_schema_can_be_said(place: str, words: list[str]) -> None:
    last = place.rsplit("/", 1)[-1]
    if place in NOT_SAID or last in NOT_SAID:
        return
    group = GROUPS.get(place) or GROUPS.get(last)

    assert group is not None, f"{place}: say in this test which group of the catalogue has these words"
    assert [word for word in words if not texts("en").knows(f"{group}.{word}")] == []


@pytest.mark.parametrize("name", ["report_system", "report_event"])
def test_the_open_words_of_the_samples_can_be_said(name: str) -> None:
    document = orjson.loads((ROOT / "tests" / "samples" / f"{name}.json").read_bytes())
    green = document.get("sustainability") or {}
    words = [
        *(f"methods.{word}.what" for word in document["methods_used"]),
        *(f"quality.note.{word}" for word in document["quality"]["notes"]),
        *(f"key.{key}" for key in (document.get("summary") or {})),
        *(f"key.{key}" for key, one in (document.get("totals") or {}).items() if isinstance(one, dict)),
        *(f"why.{word}" for word in whys(document)),
        *(f"finding.{one['finding']}" for one in document.get("findings", ())),
        *(f"severities.{one['severity']}" for one in document.get("findings", ())),
        *(f"green.note.{word}" for word in green.get("notes", ())),
        *(f"fuels.{one['fuel']}" for one in green.get("factors", ())),
        *(f"scopes.{one['scope']}" for one in green.get("factors", ())),
        *(f"factor_units.{one['unit']}" for one in green.get("factors", ())),
        *(f"kinds.{one['kind']}" for one in document.get("systems", ())),
        *(f"source_names.{one['source']}" for one in (document.get("sources") or {}).get("shares", ())),
    ]

    assert [word for word in words if not texts("en").knows(word)] == []


def whys(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if "value" in found and found["value"] is None:
            yield found["why"]
        for one in found.values():
            yield from whys(one)
    elif isinstance(found, list):
        for one in found:
            yield from whys(one)


def test_words_that_code_gives_as_a_reason_can_be_said() -> None:
    given: set[str] = set()
    for path in REPORTER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "why" and isinstance(node.value, ast.Constant):
                given.add(str(node.value.value))

    assert [word for word in sorted(given) if not texts("en").knows(f"why.{word}")] == []


def test_every_finding_that_code_makes_has_a_sentence() -> None:
    tree = ast.parse((REPORTER / "findings.py").read_text(encoding="utf-8"))
    made = {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_finding"
        and isinstance(node.args[0], ast.Constant)
    }

    assert made
    assert [word for word in sorted(made) if not texts("en").knows(f"finding.{word}")] == []


def test_findings_are_said_with_names_and_units() -> None:
    document = orjson.loads((ROOT / "tests" / "samples" / "report_event.json").read_bytes())
    names = {one["system_id"]: one["name"] for one in document["systems"]}

    told = [finding_said(one, names, voice(document)) for one in document["findings"]]

    assert "Main stage right reached 96.0\u202f% of its 36\u202fkW: no room for more load." in told
    assert not [sentence for sentence in told if "{" in sentence or "None" in sentence]


@pytest.mark.parametrize("scope", ["system", "event"])
def test_sections_and_glossary_have_their_texts(scope: str) -> None:
    sections = {"system": SYSTEM, "event": EVENT}[scope]

    assert [key for key in sections if not texts("en").knows(f"section.{key}")] == []
    assert [key for key in GLOSSARY[scope] if not texts("en").knows(f"glossary.{key}.means")] == []


def test_every_text_can_be_filled_in() -> None:
    class Anything(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return "7"

    for key, text in texts("en").entries.items():
        assert text.format_map(Anything()), key


def asked() -> Iterator[str]:
    """Give the keys and groups that templates and code name, as prefixes where they are put together."""
    for path in [*REPORTER.glob("*.py"), *(ROOT / "projectors").glob("report*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    for template in [
        *(REPORTER / "templates" / "report").glob("*.html"),
        REPORTER / "templates" / "mail.html",
    ]:
        tree = Environment(autoescape=True).parse(template.read_text(encoding="utf-8"))
        for const in tree.find_all(nodes.Const):
            if isinstance(const.value, str):
                yield const.value


def test_no_text_is_there_for_nothing() -> None:
    named = set(asked())
    begun = tuple(one for one in named if re.fullmatch(r"[a-z_]+\.[a-z_.]*[_.]", one))
    groups = {re.sub(r"\.$", "", one) for one in named}

    def used(key: str) -> bool:
        parts = key.split(".")
        forms = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
        return key in named or bool(forms & groups) or key.startswith(begun)

    assert [key for key in texts("en").entries if not used(key)] == []
