"""Grafana's own schema, as the models of its SDK hold it: does a document fit, key by key, type by type?"""

import json
import typing
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Union

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard, prometheus

NUMBERS = {float: (int, float), int: (int,)}


def faults(said: dict[str, Any]) -> list[str]:
    """Say where a dashboard does not fit: unknown keys, wrong types; options and queries of panels too."""
    found = list(_document(said, dashboard.Dashboard, "dashboard"))
    for place, panel in enumerate(said["panels"]):
        if panel["type"] == "row":
            continue
        models, at = _models(panel["type"]), f"panels[{place}]"
        found += _document(panel["options"], models.Options, f"{at}.options")
        custom = panel["fieldConfig"]["defaults"].get("custom")
        if custom is not None:
            found += _document(custom, models.FieldConfig, f"{at}.custom")
        for target in panel["targets"]:
            found += _document(target, prometheus.Dataquery, f"{at}.target")
    return found


def _models(kind: str) -> Any:
    return import_module(f"grafana_foundation_sdk.models.{kind.replace('-', '')}")


def _document(said: dict[str, Any], kind: Any, at: str) -> Iterator[str]:
    model = kind.from_json(said)
    again = json.loads(json.dumps(model, cls=JSONEncoder))
    yield from _lost(said, again, at)
    yield from _fits(model, kind, at)


def _lost(said: Any, again: Any, at: str) -> Iterator[str]:
    """Say what a model did not take over: it does not know it."""
    if isinstance(said, dict) and isinstance(again, dict):
        for name in said:
            if name not in again:
                yield f"{at}.{name}: unknown"
            else:
                yield from _lost(said[name], again[name], f"{at}.{name}")
    elif isinstance(said, list) and isinstance(again, list) and len(said) == len(again):
        for place, (one, other) in enumerate(zip(said, again, strict=True)):
            yield from _lost(one, other, f"{at}[{place}]")
    elif said != again:
        yield f"{at}: {said!r} became {again!r}"


def _fits(value: Any, kind: Any, at: str) -> Iterator[str]:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in {Any, object}:
        return
    if origin in {Union, UnionType}:
        found = {one: list(_fits(value, one, at)) for one in inner}
        if all(found.values()):
            yield from min((said for one, said in found.items() if one is not NoneType), key=len)
    elif origin is typing.Literal:
        yield from _wrong(value, at, good=value in inner)
    elif origin in {list, dict}:
        yield from _wrong(value, at, good=isinstance(value, origin))
        pairs = (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        )
        for name, one in pairs:
            yield from _fits(one, inner[-1], f"{at}.{name}")
    else:
        yield from _fits_class(value, kind, at)


def _fits_class(value: Any, kind: type, at: str) -> Iterator[str]:
    if kind in NUMBERS:
        yield from _wrong(value, at, good=isinstance(value, NUMBERS[kind]) and not isinstance(value, bool))
    elif kind in {str, bool, NoneType}:
        yield from _wrong(value, at, good=isinstance(value, kind))
    elif issubclass(kind, Enum):
        yield from _wrong(value, at, good=value in [one.value for one in kind])
    elif isinstance(value, dict) and hasattr(kind, "from_json"):
        yield from _document(value, kind, at)  # some lists the SDK leaves as they were read
    elif not isinstance(value, kind):
        yield f"{at}: {type(value).__name__} is no {kind.__name__}"
    else:
        hints = typing.get_type_hints(kind)
        for name, one in vars(value).items():
            yield from _fits(one, hints.get(name, Any), f"{at}.{name}")


def _wrong(value: Any, at: str, *, good: bool) -> Iterator[str]:
    if not good:
        yield f"{at}: {value!r} is of the wrong type"
