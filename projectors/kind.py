"""What running, rebuilding and verifying need to know of a projector that keeps a SQLite read model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bus.topics import Topics
from projectors.generations import Generations
from projectors.projector import Projector
from projectors.sqlite_model import SqliteModel


class SqliteProjector(Projector, Protocol):
    """A projector with one open file."""

    @property
    def model(self) -> SqliteModel:
        """The open file."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of SQLite read model.

    Attributes:
        name: of the projector, and of the directory that its generations are in.
        version: of the projector that this program has.
        make: makes one that keeps a file, or follows the generation that serves; with topics it may
            say things there.
        open_model: opens a file of its tables.
    """

    name: str
    version: int
    make: Callable[[Path | Generations, Topics | None], SqliteProjector]
    open_model: Callable[[Path], SqliteModel]
