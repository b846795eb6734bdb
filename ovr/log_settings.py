"""How our processes log: `[log]` of site.toml."""

from dataclasses import dataclass
from typing import Final

from schemas.errors import ConfigurationError

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
FORMATS: Final = ("text", "json")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and how.

    Attributes:
        level: and what is worse; one of `LEVELS`.
        format: `text` for people, `json` for programs: an object a line.
    """

    level: str = "info"
    format: str = "text"


def check(said: LogSettings, where: str) -> None:
    """Make sure that the settings can be.

    Raises:
        ConfigurationError: they cannot.
    """
    for name, word, known in (("level", said.level, LEVELS), ("format", said.format, FORMATS)):
        if word.lower() not in known:
            raise ConfigurationError(f"{where}: log.{name} is one of {', '.join(known)}, not {word!r}")
