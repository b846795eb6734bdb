"""How a line of the log looks: text for people, or a JSON object a line for programs.

Rules that must stay true here:
- what is about an event names it: see `bus.naming`;
- no password leaves by the log: what stands before the @ of a URL is blotted out;
- a line is a line: what others wrote cannot begin another.
"""

import logging
import re
import sys
import time
from pathlib import Path
from typing import Any, Final

from bus.naming import EVENT
from ovr.log_settings import LogSettings

_SECRET: Final = re.compile(r"(?<=://)[^/\s@'\"]+@")
_TEXT: Final = "%(asctime)s %(levelname)s %(message)s"
_TIME: Final = "%Y-%m-%dT%H:%M:%S"


class TextLines(logging.Formatter):
    """Writes lines for people."""

    def __init__(self) -> None:
        super().__init__(_TEXT, _TIME)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - as the base class calls it
        """Write a line, with the event that it is about."""
        text = super().formatMessage(record).replace("\n", "\\n")
        event = getattr(record, EVENT, None)
        named = " ".join(f"{name}={value}" for name, value in event.items()) if event else ""
        return hidden(f"{text} [{named}]" if named else text)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as above
        """Write a trace."""
        return hidden(super().formatException(ei))


class JsonLines(logging.Formatter):
    """Writes an object a line.

    Args:
        process: who logs.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, process, logger, message; the event and the trace where there are."""
        import orjson  # noqa: PLC0415 - text is what most processes write, and they begin sooner without

        said: dict[str, Any] = {
            "time": f"{time.strftime(_TIME, time.gmtime(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": hidden(record.getMessage()),
        }
        event = getattr(record, EVENT, None)
        if event:
            said["event"] = event
        if record.exc_info:
            said["trace"] = hidden(self.formatException(record.exc_info))
        return orjson.dumps(said, default=str).decode()


def configure(said: LogSettings, *, verbose: bool = False, words: list[str] | None = None) -> None:
    """Log as the configuration says, from now on.

    Args:
        said: the settings.
        verbose: log everything, whatever they say.
        words: how the process was asked for; they name it.
    """
    root = logging.getLogger()
    root.setLevel(logging.DEBUG if verbose else said.level.upper())
    for handler in root.handlers:
        as_json = said.format.lower() == "json"
        handler.setFormatter(
            JsonLines(name_of(sys.argv if words is None else words)) if as_json else TextLines()
        )


def name_of(words: list[str]) -> str:
    """Name a process by the words that started it: `projector-state`, `host`, `web`."""
    named = [word for word in words[1:] if not word.startswith("-")]
    match named:
        case ["record", *_]:
            return "recorder"
        case ["project", which, *_]:
            return f"projector-{which}"
        case ["produce", which, *_]:
            return which
        case ["replay-service", *_]:
            return "replay"
        case ["detect", *_]:
            return "detector"
        case ["alert", *_]:
            return "alerts"
        case ["simulate", *_]:
            return "simulator"
        case ["up" | "demo", *_]:
            return "supervisor"
        case [first, *_]:
            return first
    return Path(words[0]).name if words else "ovr"


def hidden(text: str) -> str:
    """Blot out users and passwords in URLs."""
    return _SECRET.sub("***@", text)
