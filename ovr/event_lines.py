"""Published events as lines for people. Pure."""

from typing import Any

import orjson

_LONGEST_VALUE = 60
_MOST_READINGS = 5


def line(payload: bytes) -> str:
    """Say one event in a line: time, position, system, type, and what it says.

    What cannot be read is shown as it came, with what a terminal would obey made visible.
    """
    try:
        said = orjson.loads(payload)
        data = said["data"]
        head = (_clock(said["time"]), said["position"], said["subject"], said["type"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return visible(payload.decode(errors="replace"))
    words = _sample(data) if said["type"] == "sample.taken" else _words(data)
    time, position, subject, type_ = (visible(str(word)) for word in head)
    return f"{time}  {position:>9}  {subject:<16} {type_:<18} {words}".rstrip()


def visible(text: str) -> str:
    """Make control characters harmless: a name must not move the cursor."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _clock(time: Any) -> str:
    return str(time).replace("T", " ")[:23]


def _sample(data: Any) -> str:
    values = data.get("values", {}) if isinstance(data, dict) else {}
    shown = [f"{name}={_short(value)}" for name, value in list(values.items())[:_MOST_READINGS]]
    more = f" … {len(values)} readings" if len(values) > len(shown) else ""
    flags = "".join(f" [{flag}]" for flag in ("late", "partial", "unsynced") if data.get(flag))
    return f"{visible(str(data.get('kind', '')))}: {' '.join(shown)}{more}{flags}"


def _words(data: Any) -> str:
    if not isinstance(data, dict):
        return visible(str(data))
    return " ".join(
        f"{visible(str(name))}={_short(value)}" for name, value in data.items() if value is not None
    )


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    text = visible(text)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
