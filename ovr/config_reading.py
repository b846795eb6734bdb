"""Read tables into dataclasses: types from annotations, errors that name the place and the cure. Pure."""

import difflib
import types
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from schemas.errors import ConfigurationError

T = TypeVar("T")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def unknown_key(where: str, what: str, name: str, known: Collection[str]) -> ConfigurationError:
    """Say that a name is not known, and which one it may have been."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
    return ConfigurationError(f"{where}: there is no {what} {name}: {meant}")


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads one document.

    Attributes:
        where: names the document in errors.
        base: what relative paths are relative to.
    """

    where: str
    base: Path

    def table(self, kind: type[T], said: Mapping[str, Any], at: str = "", skip: Collection[str] = ()) -> T:
        """Make a `kind` from a table.

        Raises:
            ConfigurationError: a key is unknown, or a value has the wrong type.
        """
        hints = {name: hint for name, hint in get_type_hints(kind).items() if name not in skip}
        values: dict[str, Any] = {}
        for name, value in said.items():
            if name not in hints:
                raise unknown_key(self.where, "key", at + name, [at + key for key in hints])
            values[name] = self._value(hints[name], value, at + name)
        return kind(**values)

    def override(self, value: T, variables: Mapping[str, str], prefix: str) -> T:
        """Apply environment variables, named like the keys: `OVR_BROKER_HOST` is `broker.host`.

        Raises:
            ConfigurationError: a variable is unknown, or its text has the wrong form.
        """
        known = variable_names(type(value), prefix)
        for name, text in variables.items():
            if name not in known:
                raise unknown_key("the environment", "variable", name, known)
            value = self._set(value, known[name], text, name)
        return value

    def _set(self, value: Any, keys: tuple[str, ...], text: str, variable: str) -> Any:
        key, *rest = keys
        if rest:
            return replace(value, **{key: self._set(getattr(value, key), tuple(rest), text, variable)})
        reading = Reading("the environment", Path())
        hint = get_type_hints(type(value))[key]
        return replace(value, **{key: reading._value(hint, _typed(hint, text, variable), variable)})

    def _value(self, hint: Any, value: Any, at: str) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in {Union, types.UnionType}:
            (hint,) = [argument for argument in arguments if argument is not types.NoneType]
            return self._value(hint, value, at)
        if isinstance(hint, type) and is_dataclass(hint):
            self._must(isinstance(value, dict), at, "a table", value)
            return self.table(hint, value, f"{at}.")
        if origin is Mapping:
            well = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
            self._must(well, at, "a table of texts", value)
            return dict(value)
        if origin is tuple:
            self._must(isinstance(value, list), at, "a list", value)
            return tuple(self._value(arguments[0], item, at) for item in value)
        if hint is Path:
            self._must(isinstance(value, str) and value != "", at, "a path", value)
            return self.base / Path(value).expanduser()
        words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        wanted = (int, float) if hint is float else hint
        fits = isinstance(value, wanted) and (hint is bool or not isinstance(value, bool))
        self._must(fits, at, words[hint], value)
        return float(value) if hint is float else value

    def _must(self, condition: bool, at: str, form: str, value: Any) -> None:
        if not condition:
            raise ConfigurationError(f"{self.where}: {at} must be {form}, got {value!r:.60}")


def variable_names(kind: type, prefix: str) -> dict[str, tuple[str, ...]]:
    """List the environment variables of a dataclass and the keys each stands for."""
    names: dict[str, tuple[str, ...]] = {}
    hints = get_type_hints(kind)
    for item in fields(kind):
        hint = hints[item.name]
        variable = prefix + item.name.upper()
        if isinstance(hint, type) and is_dataclass(hint):
            inner = variable_names(hint, f"{variable}_")
            names |= {name: (item.name, *keys) for name, keys in inner.items()}
        elif get_origin(hint) not in {Mapping, tuple}:
            names[variable] = (item.name,)
    return names


def _typed(hint: Any, text: str, variable: str) -> Any:
    wanted = {hint, *get_args(hint)}
    if bool in wanted:
        if text.lower() not in _WORDS:
            raise ConfigurationError(f"the environment: {variable} must be true or false, got {text!r}")
        return _WORDS[text.lower()]
    for kind, words in ((int, "a whole number"), (float, "a number")):
        if kind in wanted:
            try:
                return kind(text)
            except ValueError as error:
                raise ConfigurationError(
                    f"the environment: {variable} must be {words}, got {text!r}"
                ) from error
    return text
