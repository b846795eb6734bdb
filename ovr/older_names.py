"""Variables of the system before this one, understood as what they are called here.

Rules that must stay true here:
- a variable of our own name goes before one of theirs, that before site.toml, that before defaults;
- what they say is checked as ours is.

Others are read where they count: API_KEY and those of map tiles in ovr/web.py.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from schemas.errors import ConfigurationError

VM_WRITE_URL: Final = "VM_WRITE_URL"
DB_PATH: Final = "DB_PATH"
LOG_LEVEL: Final = "LOG_LEVEL"
REPORT_BASE_URL: Final = "REPORT_BASE_URL"
_WRITES: Final = ("/api/v2/write", "/influx/api/v2/write", "/influx/write", "/write")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def translated(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return an environment that also has our names for what theirs say.

    Raises:
        ConfigurationError: `VM_WRITE_URL` is no URL.
    """
    ours = {"OVR_REPORTS_BASE_URL": environment.get(REPORT_BASE_URL, "")}
    if environment.get(LOG_LEVEL, "").strip():
        ours["OVR_LOG_LEVEL"] = logging.getLevelName(log_level(environment)).lower()
    if said := environment.get(VM_WRITE_URL, "").strip():
        ours["OVR_VICTORIA_URL"] = _without_path(said)
    return {**{name: text for name, text in ours.items() if text}, **environment}


def data(environment: Mapping[str, str]) -> Path | None:
    """Return the directory in which their database is: the data directory where nothing else names one."""
    path = old_database(environment)
    return None if path is None else path.parent


def old_database(environment: Mapping[str, str]) -> Path | None:
    """Return where their database is."""
    said = environment.get(DB_PATH, "").strip()
    return Path(said) if said else None


def log_level(environment: Mapping[str, str]) -> int:
    """Return the level to log at; `INFO` where the variable says none that there is."""
    said = environment.get(LOG_LEVEL, "").strip().upper()
    said = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(said, said)
    return int(getattr(logging, said)) if said in _LEVELS else logging.INFO


def _without_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"{VM_WRITE_URL} is where lines are written, such as http://host:8428/write, not {url!r}"
        )
    path = next((parts.path.removesuffix(end) for end in _WRITES if parts.path.endswith(end)), parts.path)
    return f"{parts.scheme}://{parts.netloc}{path.rstrip('/')}"
