"""The words of reports, from one catalogue a language.

Rules that must stay true here: no template and no module says anything to a reader that is not in the
catalogue; a key that is missing is a fault of ours and raises; a word of a document that the catalogue does
not know is said as it stands, never dropped.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

DEFAULT = "en"


@dataclass(frozen=True, slots=True)
class Texts:
    """Say things in one language."""

    language: str
    entries: Mapping[str, str]

    def __call__(self, key: str, /, **values: object) -> str:
        """Say a text of the catalogue; KeyError when it has none of that name."""
        return self.entries[key].format(**values) if values else self.entries[key]

    def count(self, key: str, number: int, /, **values: object) -> str:
        """Say how many, by `key.one` or `key.other`."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", n=f"{number:,}", **values)

    def word(self, group: str, word: object) -> str:
        """Say a word of the document; one that is not known is said as it stands, underscores as blanks."""
        if word is None:
            return ""
        said = self.entries.get(f"{group}.{word}")
        return said if said is not None else str(word).replace("_", " ")

    def knows(self, key: str) -> bool:
        """Say whether the catalogue has a text."""
        return key in self.entries


@cache
def texts(language: str) -> Texts:
    """Load a catalogue; a language that we do not have is English."""
    known = files("reporter") / "texts" / f"{language}.toml"
    if not language.isalpha() or not known.is_file():
        language, known = DEFAULT, files("reporter") / "texts" / f"{DEFAULT}.toml"
    return Texts(language, dict(_flat("", tomllib.loads(known.read_text(encoding="utf-8")))))


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value
