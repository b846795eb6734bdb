"""Follow the journal for as long as it lasts, and anew when another takes its place.

What is remembered is made of the journal alone, and what was told stands in it: so there is nothing to ask a
person, unlike with read models, of which another journal may be a mistake that costs hours to rebuild.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from bus.journal import JournalReader, check_place
from projectors.generations import remove
from projectors.live import Live
from projectors.memory import Memory
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)


def follow(
    live: Callable[[], Live],
    reader: JournalReader,
    memory: Path,
    name: str,
    version: int,
    stopped: Callable[[], bool],
) -> None:
    """Run until `stopped()`; forget what is remembered of a journal that was restored or replaced.

    Raises:
        ConfigurationError: a person must act.
    """
    forget_other(reader, memory, name, version)
    while not stopped():
        try:
            live().run(stopped)
        except ConfigurationError:
            if not forget_other(reader, memory, name, version):
                raise


def forget_other(reader: JournalReader, memory: Path, name: str, version: int) -> bool:
    """Remove a memory that is not of this journal; True when it was.

    Raises:
        ConfigurationError: it was made by another version, or is damaged.
    """
    if not memory.exists():
        return False
    opened = Memory(memory, name, version)
    place = opened.place()
    opened.close()
    if place is None:
        return False
    try:
        check_place(reader, place, f"the memory of the {name}", "it starts anew")
    except ConfigurationError as error:
        log.warning("%s", error)
        remove(memory)
        return True
    return False
