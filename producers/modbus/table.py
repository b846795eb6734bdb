"""Strict reading of tables that people write: every key is asked for, and what was not asked for is an error.

Rules that must stay true here:
- an error names the file, the place in it and the key, and says what is expected.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final

from schemas.errors import ConfigurationError

_NEEDED: Final[Any] = object()


class Table:
    """One table of a document.

    Args:
        said: what it holds.
        where: how errors call it, such as `acuvim_ii.toml: point 3`.
    """

    def __init__(self, said: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._said = said
        self._known: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._said

    def fault(self, key: str, text: str) -> ConfigurationError:
        """Make the error about one key."""
        return ConfigurationError(f"{self.where}: {key} {text}")

    def text(self, key: str, default: str = _NEEDED, *, among: Collection[str] = ()) -> str:
        """Read a text, one of `among` when given."""
        said = self._ask(key, default)
        if not isinstance(said, str):
            raise self.fault(key, f"must be text, got {said!r}")
        if among and said not in among and said != default:
            raise self.fault(key, f"must be one of {', '.join(among)}, got {said!r}")
        return said

    def number(self, key: str, default: float = _NEEDED) -> float:
        """Read a finite number."""
        return self._number(key, self._ask(key, default))

    def whole(self, key: str, default: int = _NEEDED, *, low: int = 0, high: int = 0xFFFF) -> int:
        """Read a whole number from `low` to `high`."""
        return self._whole(key, self._ask(key, default), low, high)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Read true or false."""
        said = self._ask(key, default)
        if not isinstance(said, bool):
            raise self.fault(key, f"must be true or false, got {said!r}")
        return said

    def numbers(self, key: str) -> tuple[float, ...]:
        """Read a list of numbers; empty when left out."""
        return tuple(self._number(key, each) for each in self._list(key))

    def wholes(self, key: str, *, high: int) -> tuple[int, ...]:
        """Read a list of whole numbers; empty when left out."""
        return tuple(self._whole(key, each, 0, high) for each in self._list(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a text or a list of texts; empty when left out."""
        said = self._list(key)
        if wrong := [each for each in said if not isinstance(each, str)]:
            raise self.fault(key, f"must hold texts, got {wrong[0]!r}")
        return tuple(said)

    def lists(self, key: str) -> tuple[tuple[str, ...], ...]:
        """Read a list of lists of texts; empty when left out."""
        found = self._list(key)
        if not all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in found):
            raise self.fault(key, "must be a list of lists of texts")
        return tuple(tuple(each) for each in found)

    def mixed(self, key: str) -> tuple[float | str, ...]:
        """Read a number or a text, or a list of both; empty when left out."""
        return tuple(each if isinstance(each, str) else self._number(key, each) for each in self._list(key))

    def map(self, key: str) -> dict[str, Any]:
        """Read a table as it is; empty when left out."""
        said = self._ask(key, {})
        if not isinstance(said, Mapping):
            raise self.fault(key, f"must be a table, got {said!r}")
        return dict(said)

    def table(self, key: str) -> "Table | None":
        """Give a table; None when left out."""
        self._known.add(key)
        return Table(self.map(key), f"{self.where}: {key}") if key in self._said else None

    def tables(self, key: str) -> Iterator["Table"]:
        """Give the tables of an array; none when left out."""
        said = self._ask(key, [])
        if not isinstance(said, list) or not all(isinstance(each, Mapping) for each in said):
            raise self.fault(key, f"must be written as [[{key}]] tables")
        for number, each in enumerate(said, 1):
            yield Table(each, f"{self.where}: {key} {number}")

    def done(self) -> None:
        """Refuse what nobody asked for.

        Raises:
            ConfigurationError: there is an unknown key.
        """
        for key in self._said.keys() - self._known:
            near = get_close_matches(key, self._known, 1)
            raise self.fault(key, f"is not known here{f': did you mean {near[0]}?' if near else ''}")

    def _ask(self, key: str, default: Any) -> Any:
        self._known.add(key)
        if key in self._said:
            return self._said[key]
        if default is _NEEDED:
            raise self.fault(key, "is missing")
        return default

    def _list(self, key: str) -> Sequence[Any]:
        said = self._ask(key, [])
        return said if isinstance(said, list) else [said]

    def _number(self, key: str, said: Any) -> float:
        if isinstance(said, bool) or not isinstance(said, int | float) or not isfinite(said):
            raise self.fault(key, f"must be a number, got {said!r}")
        return said

    def _whole(self, key: str, said: Any, low: int, high: int) -> int:
        if isinstance(said, bool) or not isinstance(said, int) or not low <= said <= high:
            raise self.fault(key, f"must be a whole number from {low} to {high}, got {said!r}")
        return said
