"""Turn a schema violation into an `InputError` that a person at a terminal can act on."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import jsonschema_rs

from schemas.errors import InputError

_TYPES: Final = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_SHOWN: Final = 40
_LISTED: Final = 12


def explain(error: jsonschema_rs.ValidationError, schema: Mapping[str, Any]) -> InputError:
    """Name the field, what is wrong with it, and what it should be."""
    path = [str(part) for part in error.instance_path]
    where, rule = _rule(schema, error.schema_path)
    keyword = error.schema_path[-1] if error.schema_path else ""
    named, hint = _of_member(error, keyword, where)
    if named:
        path.append(named)
    if not hint:
        hint = _of_value(error, keyword, rule, where)
    return InputError("schema", ".".join(["data", *(part[:_SHOWN] for part in path)]), hint)


def _rule(schema: Mapping[str, Any], path: Sequence[str | int]) -> tuple[Mapping[str, Any], Any]:
    where: Any = schema
    for part in path[:-1]:
        where = where[part]
    return where, where.get(path[-1]) if path and isinstance(where, Mapping) else None


def _of_member(
    error: jsonschema_rs.ValidationError, keyword: str | int, where: Mapping[str, Any]
) -> tuple[str, str]:
    """Explain what is wrong with the members of an object: one is missing, or should not be there."""
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            described = where.get("properties", {}).get(name, {}).get("description", "")
            return name, f"{name} is missing. {described}".strip()
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            return names[0], _unexpected(names[0], where)
    if keyword == "oneOf":
        ways = " or ".join(" and ".join(way.get("required", ())) for way in where["oneOf"])
        return "", f"give exactly one of {ways}"
    if keyword == "dependencies":
        pairs = ", ".join(
            f"{name} with {' and '.join(needs)}" for name, needs in where["dependencies"].items()
        )
        return "", f"these belong together: {pairs}"
    return "", ""


def _unexpected(name: str, where: Mapping[str, Any]) -> str:
    known = list(where.get("properties", ()))
    if patterns := list(where.get("patternProperties", ())):
        return f"{name!r:.{_SHOWN}} is no name of the form {patterns[0]}"
    if near := get_close_matches(name, known, n=1):
        return f"there is no field {name!r:.{_SHOWN}} here; did you mean {near[0]}?"
    return f"there is no field {name!r:.{_SHOWN}} here; known are {', '.join(known[:_LISTED]) or 'none'}"


def _of_value(
    error: jsonschema_rs.ValidationError, keyword: str | int, rule: Any, where: Mapping[str, Any]
) -> str:
    got = f"got {error.instance!r:.{_SHOWN}}"
    described = where.get("description", "")
    match keyword:
        case "type":
            types = rule if isinstance(rule, list) else [rule]
            if error.instance is None and "null" in types:
                return "give a finite number or null; NaN and infinities cannot be recorded"
            return f"give {' or '.join(_TYPES[name] for name in types)}, {got}"
        case "enum":
            return f"give one of {', '.join(map(str, rule))}, {got}"
        case "const":
            return f"give {str(rule).lower() if isinstance(rule, bool) else rule}, or leave it out, {got}"
        case "minimum" | "maximum":
            return f"give a number from {where.get('minimum', 'any')} to {where.get('maximum', 'any')}, {got}"
        case "minLength" | "maxLength":
            return f"give {where.get('minLength', 0)} to {where.get('maxLength', 'more')} characters, {got}"
        case "minItems" | "maxItems" | "minProperties" | "maxProperties":
            low, high = (where.get(f"{bound}{str(keyword)[3:]}", "any") for bound in ("min", "max"))
            return f"give {low} to {high} entries"
        case "format" | "pattern":
            return f"{described} {got[0].upper()}{got[1:]}".strip()
    return f"{error.message[:200]}. {described}".strip()
