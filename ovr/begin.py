"""How each of our processes begins and ends: its log, its exit status, and an error as one sentence.

Rules that must stay true here:
- exit status: 0 done, 1 not so (refused, differs, not ready), 2 wrong usage, 75 try again later, 78 a person
  must change the configuration;
- what every process loads, loads little: no command line, no third-party package.
"""

import logging
import os
import sys

from ovr import older_names
from ovr.log_settings import LogSettings, check
from ovr.logs import JsonLines, configure
from schemas.errors import ConfigurationError, OvrError, TransientError

log = logging.getLogger(__name__)

EX_TEMPFAIL, EX_CONFIG = 75, 78
LEVEL, FORMAT = "OVR_LOG_LEVEL", "OVR_LOG_FORMAT"
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"


def log_to_stderr(*, verbose: bool = False) -> None:
    """Send the log of this process to stderr, where the supervisor keeps it."""
    logging.basicConfig(stream=sys.stderr)
    level = logging.getLevelName(older_names.log_level(os.environ))
    said = LogSettings(os.environ.get(LEVEL, level), os.environ.get(FORMAT, "text"))
    try:
        check(said, "the environment")
    except ConfigurationError:
        said = LogSettings()  # whoever reads the configuration says so
    configure(said, verbose=verbose)


def explain(error: OvrError) -> int:
    """Say on stderr what went wrong; return the exit status for it."""
    if any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers):
        log.critical("%s", error)
        return _status(error)
    said = f"ovr: {error}"
    sys.stderr.write(f"{_RED}{said}{_PLAIN}\n" if sys.stderr.isatty() else f"{said}\n")
    return _status(error)


def _status(error: OvrError) -> int:
    match error:
        case ConfigurationError():
            return EX_CONFIG
        case TransientError():
            return EX_TEMPFAIL
        case _:
            return 1
