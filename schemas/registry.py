"""The registry of event types: which there are, in which versions, and what their data must look like.

One file per type and version, `events/<type>.<version>.json`, draft-07 and closed. A published file is never
edited: a test compares them with `tests/samples/published.sha256`. Bounds of numbers are written as integers:
the validator takes eight times as long to compare with a float.
`Registry.check` and `Registry.upcast` stand on hot paths: nothing is built there unless something is wrong.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, Self

import jsonschema_rs
import orjson

from schemas.errors import ConfigurationError, InputError
from schemas.hints import explain
from schemas.upcasters import UPCASTERS, Upcaster

_FILE: Final = re.compile(r"(?P<type>[a-z0-9_]+\.[a-z0-9_]+)\.(?P<version>[1-9][0-9]*)\.json")


@dataclass(frozen=True, slots=True)
class Registry:
    """All event types with their schemas and upcasters; made by `Registry.load`."""

    _schemas: Mapping[tuple[str, int], dict[str, Any]]
    _newest: Mapping[str, int]
    _upcasters: Mapping[tuple[str, int], Upcaster]
    _validators: dict[tuple[str, int], jsonschema_rs.Draft7Validator] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        directory: Traversable | None = None,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
    ) -> Self:
        """Read all schemas, ours unless another directory is given.

        Raises:
            ConfigurationError: a version or an upcaster is missing, so that stored events could not be read.
        """
        folder = directory or files("schemas").joinpath("events")
        schemas = {}
        for entry in folder.iterdir():
            if match := _FILE.fullmatch(entry.name):
                schemas[match["type"], int(match["version"])] = orjson.loads(entry.read_bytes())
        newest: dict[str, int] = {}
        for type_, version in schemas:
            newest[type_] = max(version, newest.get(type_, 0))
        _check_complete(schemas.keys(), newest, upcasters.keys())
        return cls(schemas, newest, upcasters)

    def types(self) -> list[str]:
        """List all event types, sorted."""
        return sorted(self._newest)

    def newest(self, type_: str) -> int:
        """Return the newest version of a type.

        Raises:
            InputError: there is no such type.
        """
        if (version := self._newest.get(type_)) is not None:
            return version
        if near := get_close_matches(type_, self._newest, n=3):
            hint = f"did you mean {' or '.join(near)}?"
        else:
            hint = "they begin with " + ", ".join(
                sorted({known.split(".")[0] + "." for known in self._newest})
            )
        raise InputError("unknown_type", "type", f"there is no event type {type_!r:.80}; {hint}")

    def schema(self, type_: str, version: int) -> dict[str, Any]:
        """Return the JSON Schema of one version of a type.

        Raises:
            InputError: there is no such type or version.
        """
        try:
            return self._schemas[type_, version]
        except KeyError:
            newest = self.newest(type_)
            known = "version 1 is known" if newest == 1 else f"versions 1 to {newest} are known"
            raise InputError("unknown_version", "dataschema", f"of {type_}, {known}, not {version}") from None

    def check(self, type_: str, version: int, data: Mapping[str, Any]) -> None:
        """Make sure that `data` is what its schema says.

        Raises:
            InputError: it is not, or there is no such type or version; field and hint say what to change.
        """
        validator = self._validators.get((type_, version)) or self._compile(type_, version)
        try:
            if validator.is_valid(data):
                return
            violation = next(validator.iter_errors(data))
        except ValueError as error:
            raise InputError("schema", "data", f"send plain JSON, not too deep: {error}") from error
        raise explain(violation, self._schemas[type_, version])

    def upcast(self, type_: str, version: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Bring stored data to the newest version of its type, step by step; the stored event stays as it is.

        Raises:
            InputError: there is no such type or version, as after a step back to older software.
        """
        if version != self._newest.get(type_):
            self.schema(type_, version)
            for step in range(version, self._newest[type_]):
                data = self._upcasters[type_, step](data)
        return data

    def _compile(self, type_: str, version: int) -> jsonschema_rs.Draft7Validator:
        validator = jsonschema_rs.Draft7Validator(self.schema(type_, version), validate_formats=True)
        return self._validators.setdefault((type_, version), validator)


def _check_complete(
    schemas: AbstractSet[tuple[str, int]], newest: Mapping[str, int], upcasters: AbstractSet[tuple[str, int]]
) -> None:
    needed = {(type_, version) for type_, top in newest.items() for version in range(1, top)}
    if missing := sorted(needed - schemas):
        raise ConfigurationError(f"schemas missing: {missing}; a published version stays for ever")
    if missing := sorted(needed - upcasters):
        raise ConfigurationError(
            f"upcasters missing from (type, version): {missing}; see schemas/upcasters.py"
        )
    if surplus := sorted(upcasters - needed):
        raise ConfigurationError(f"upcasters without a newer version to lead to: {surplus}")
