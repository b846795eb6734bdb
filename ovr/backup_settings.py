"""How backups are configured: `[backup]` of site.toml. Pure."""

from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Where backups go, and when `ovr up` makes them; without a place it makes none.

    Attributes:
        to: the directory; below it each node has one of its own.
        every_h: how often.
        keep: how many stay.
        victoria: a snapshot of VictoriaMetrics too, which spares a restored node the making of its series.
        mount: make none unless something is mounted here: the stick may be in a pocket.
    """

    to: Path | None = None
    every_h: float = 24.0
    keep: int = 7
    victoria: bool = False
    mount: Path | None = None


def check(said: BackupSettings, where: str) -> None:
    """Refuse what cannot be.

    Raises:
        ConfigurationError: it says what cannot be.
    """
    if said.every_h <= 0:
        raise ConfigurationError(f"{where}: backup.every_h must be above 0")
    if said.keep < 1:
        raise ConfigurationError(f"{where}: backup.keep must be at least 1")
