"""Canonical system ids: one system, one name, whatever was typed. Pure.

Trimmed, lower case, spaces and dashes become `_`; `Logger 3`, `logger3` and `LOGGER-3` are `acuvim_13`.
Only the loggers 1 to 9 are mapped so: what `Logger 12` should be is not known, so it stays `logger_12`
until an alias says more.
"""

import re
from collections.abc import Mapping

from schemas.errors import InputError

ALL = "all"
_ALLOWED = re.compile(r"[a-z0-9][a-z0-9_.]*", re.ASCII)
_LONGEST = 64
_LOGGER = re.compile(r"logger_*([1-9])")
_ROOM = str.maketrans({" ": "_", "-": "_", "\t": "_"})


def canonical(typed: str, aliases: Mapping[str, str] | None = None) -> str:
    """Make a system id canonical.

    Args:
        typed: what a person or a device calls the system.
        aliases: other names, canonical in form, and the system each stands for.

    Raises:
        InputError: it holds characters unfit for topics, labels or file names, or is too long.
    """
    name = re.sub("__+", "_", typed.strip().lower().translate(_ROOM))
    if not _ALLOWED.fullmatch(name) or len(name) > _LONGEST:
        raise InputError(
            "system_id",
            "subject",
            f"name the system with letters, digits, _ and . (at most {_LONGEST}), not {typed[:80]!r}",
        )
    logger = _LOGGER.fullmatch(name)
    if logger:
        name = f"acuvim_1{logger.group(1)}"
    return resolve(name, aliases) if aliases else name


def resolve(name: str, aliases: Mapping[str, str]) -> str:
    """Follow aliases to the system they stand for; a circle ends where it began."""
    seen = {name}
    while (known := aliases.get(name)) is not None and known not in seen:
        name = known
        seen.add(name)
    return name
