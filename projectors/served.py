"""The file of a SQLite read model while its projector has it open: one, or the generation that serves."""

from collections.abc import Callable
from pathlib import Path

from projectors.generations import Generations
from projectors.sqlite_model import SqliteModel


class Served:
    """Opens it, and notices when another takes its place.

    Args:
        place: one file, which nobody asks before it is built; or the generations.
        open_model: opens a file of its tables.

    Attributes:
        alone: it is one file.
    """

    def __init__(self, place: Path | Generations, open_model: Callable[[Path], SqliteModel]) -> None:
        self.alone = isinstance(place, Path)
        self._place = place
        self._open_model = open_model
        self._model: SqliteModel | None = None

    @property
    def model(self) -> SqliteModel:
        """The open file."""
        assert self._model is not None
        return self._model

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._model is not None

    def open(self) -> SqliteModel:
        """Open it; the first generation is made, and serves from then on."""
        self.close()
        if isinstance(self._place, Path):
            self._model = self._open_model(self._place)
            return self._model
        current = self._place.current()
        self._model = self._open_model(current or self._place.create())
        if current is None:
            self._place.serve(self._model.path)
        return self._model

    def stale(self) -> bool:
        """Whether another generation serves."""
        if isinstance(self._place, Path) or self._model is None:
            return False
        return self._place.current() != self._model.path

    def letters(self) -> int:
        """Count what could not be applied; 0 while it is closed."""
        return 0 if self._model is None else self._model.count("dead_letters")

    def close(self) -> None:
        """Close it."""
        if self._model is not None:
            self._model.close()
            self._model = None
