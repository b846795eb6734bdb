"""The programs of NUT's server, where Debian puts them."""

from pathlib import Path

from schemas.errors import ConfigurationError

_LIBRARY = Path("/lib/nut")
_PROGRAMS = ("upsd", "dummy-ups")


def program(name: str) -> str:
    """Find a program of NUT's server.

    Raises:
        ConfigurationError: it is not installed.
    """
    path = _LIBRARY / name  # not the upsd in the path: Debian's is a script that asks /etc/nut whether to run
    if not path.exists():
        raise ConfigurationError(f"{path} is not installed: apt-get install nut-server")
    return str(path)


def installed() -> bool:
    """Tell whether NUT's server is there."""
    return all((_LIBRARY / name).exists() for name in _PROGRAMS)
