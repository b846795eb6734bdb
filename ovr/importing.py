"""The files of an older system, turned into files of this one.

Rules that must stay true here:
- a file that exists is never overwritten: somebody may have worked on it;
- either all files are written, or none.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from producers.victron.legacy import Problem, take_over
from schemas.errors import ConfigurationError

DEVICES: Final = "devices.toml"
MAPPING: Final = "victron_paths.toml"
NAMES: Final = "series_names.toml"
_KINDS: Final[Mapping[str, str]] = {"gx_systems": "systems", "map_fast": "fast", "map_slow": "slow"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it.

    Attributes:
        files: by the name that each is to have in the data directory.
        covered: how many of the old metrics we read without being told.
        problems: what was not understood, and what needs a person's eye.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    covered: int = 0
    problems: Sequence[Problem] = ()


def read(paths: Sequence[Path]) -> Imported:
    """Read old files, each known by its name.

    Raises:
        ConfigurationError: one cannot be read, is none of them, or is given twice.
    """
    texts: dict[str, str] = {}
    for path in paths:
        kind = next((kind for stem, kind in _KINDS.items() if path.name.startswith(stem)), None)
        if kind is None:
            names = ", ".join(f"{stem}…" for stem in _KINDS)
            raise ConfigurationError(f"{path.name} is none of {names}: name it so")
        if kind in texts:
            raise ConfigurationError(f"{path.name} is the second of its kind: import one after the other")
        try:
            texts[kind] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read {path}: {error}") from error
    systems, fast, slow = (texts.get(kind, "") for kind in _KINDS.values())
    taken = take_over(systems, fast, slow, mapping_path=MAPPING)
    names = _names(taken.names) if taken.names else ""
    said = {DEVICES: taken.gx, MAPPING: taken.mapping, NAMES: names}
    return Imported({name: text for name, text in said.items() if text}, taken.covered, taken.problems)


def to_site(taken: Imported) -> str:
    """Say what site.toml needs for it."""
    lines = []
    if taken.covered:
        lines.append(f"# {taken.covered} of the old metrics are read without being told")
    if DEVICES in taken.files:
        lines += ["", "# for site.toml:", "[producers.victron]", f'devices_file = "{DEVICES}"']
    elif MAPPING in taken.files:
        lines += ["", "# for each [[producers.victron.gx]] of site.toml:", f'mapping = "{MAPPING}"']
    if NAMES in taken.files:
        lines += ["", "[series]", "compatibility = true", f'names_file = "{NAMES}"']
    return "\n".join(lines).strip()


def write_files(taken: Imported, folder: Path) -> None:
    """Write the files.

    Raises:
        ConfigurationError: one exists, or cannot be written.
    """
    if there := [name for name in taken.files if (folder / name).exists()]:
        raise ConfigurationError(
            f"{folder / there[0]} exists: move it away, or add to it what is printed above"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in taken.files.items():
            (folder / name).touch(mode=0o600, exist_ok=False)  # the list of devices may hold passwords
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write into {folder}: {error}") from error


def _names(own: str) -> str:
    """Add old names to those that come with us: a names_file takes the place of that table."""
    packaged = files("projectors").joinpath("compatibility.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = {kind: dict(said) for kind, said in tomllib.loads(packaged).items()}
    for kind, said in tomllib.loads(own).items():
        tables[kind] = tables.get(kind, {}) | said
    return "\n".join(
        "\n".join([f"[{kind}]", *(f'{_key(old)} = "{new}"' for old, new in said.items())]) + "\n"
        for kind, said in tables.items()
    )


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isascii() and plain.isalnum() else f'"{name}"'
