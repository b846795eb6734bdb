"""The options of a producer: what its table says, and the devices of the files that the table names.

Rules that must stay true here:
- the arrays of a devices file are added to those of the table; one file may hold the devices of all kinds;
- a devices file that does not exist yet holds none: whoever finds devices will write it;
- what a file says about paths is relative to the file that names them.
"""

import logging
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

OPTION = "devices_file"
ARRAYS = {"gx": "victron", "devices": "modbus", "upsd": "ups"}
"""What a devices file may hold, and the kind of producer that it is for."""

State = tuple[int, int, int] | None


class Options:
    """The options of one producer, which may change while it runs.

    Args:
        kind: of the producer.
        read: reads its table anew.
        site: the file that the table is in, if any.
    """

    def __init__(self, kind: str, read: Callable[[], Mapping[str, Any]], site: Path | None = None) -> None:
        self._kind = kind
        self._read = read
        self._site = site
        self._seen: dict[Path, State] = {}

    def load(self) -> dict[str, Any]:
        """Read everything.

        Raises:
            ConfigurationError: a file cannot be read, or says what cannot be.
        """
        self._seen = {path: _state(path) for path in self._seen}  # before reading: a later change is one
        if self._site is not None:
            self._seen[self._site] = _state(self._site)
        options = dict(self._read())
        path = self._named(options.pop(OPTION, None))
        self._seen = {self._site: self._seen[self._site]} if self._site is not None else {}
        if path is None:
            return options
        self._seen[path] = _state(path)
        return merged(options, arrays(path), self._kind)

    def changed(self) -> bool:
        """Tell whether a file differs from what was read."""
        return any(_state(path) != state for path, state in self._seen.items())

    def _named(self, said: Any) -> Path | None:
        if said is None:
            return None
        if not isinstance(said, str) or not said:
            raise ConfigurationError(f"{OPTION} must be the path of a file, got {said!r:.60}")
        if self._kind not in ARRAYS.values():
            raise ConfigurationError(f"a producer of kind {self._kind} takes no {OPTION}")
        base = self._site.absolute().parent if self._site else Path.cwd()
        return base / Path(said).expanduser()


def arrays(path: Path) -> dict[str, list[Any]]:
    """Read a devices file.

    Raises:
        ConfigurationError: it cannot be read, or is none.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        log.warning("there is no %s yet", path)
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    for name, value in said.items():
        if name not in ARRAYS:
            raise ConfigurationError(f"{path}: write {_known()}, not {name}")
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ConfigurationError(f"{path}: write each of {name} as a table: [[{name}]]")
    return said


def merged(options: Mapping[str, Any], found: Mapping[str, list[Any]], kind: str) -> dict[str, Any]:
    """Add the arrays of a devices file that are for producers of this kind.

    Raises:
        ConfigurationError: the options say something else under such a name.
    """
    result = dict(options)
    for name, items in found.items():
        if ARRAYS[name] != kind:
            continue
        own = result.get(name, [])
        if not isinstance(own, list):
            raise ConfigurationError(f"write each of {name} as a table: [[producers.{kind}.{name}]]")
        result[name] = [*own, *items]
    return result


def _state(path: Path) -> State:
    """Tell one content of a file from another, without reading it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _known() -> str:
    return " or ".join(f"[[{name}]]" for name in ARRAYS)
