"""Says a finding of an event: the catalogue's sentence with the finding's own figures. Pure.

Rules that must stay true here: figures get their unit from their names; a limit is said as it was set; a
finding whose sentence the catalogue does not have is said by its word and system.
"""

from collections.abc import Mapping
from typing import Any

from reporter.quantities import unit_of
from reporter.voice import Voice, cut

_NAME = 60


def said(finding: Mapping[str, Any], names: Mapping[str, str], voice: Voice) -> str:
    """Say a finding in one sentence; `names` are the systems' by their ids."""
    word = finding["finding"]
    key = f"finding.{word}"
    values = {name: _said(name, value, names, voice) for name, value in finding.items()}
    suggestion = finding.get("suggestion")
    if isinstance(suggestion, Mapping):
        values |= {f"suggestion_{name}": _said(name, one, names, voice) for name, one in suggestion.items()}
        if voice.t.knows(f"{key}_suggestion"):
            key = f"{key}_suggestion"
    if not voice.t.knows(key):
        return f"{values['system_id']}: {voice.t.word('finding', word)}"
    return voice.t(key, **values)


def _said(name: str, value: Any, names: Mapping[str, str], voice: Voice) -> str:
    if name.endswith("system_id"):
        return cut(names.get(str(value), str(value)), _NAME)
    if isinstance(value, bool) or value is None:
        return voice.t("none")
    if isinstance(value, int | float):
        unit = unit_of(name)
        if unit == "s":
            return voice.duration(value)
        round_ = name.startswith(("limit_", "rated_", "enough_"))
        if round_:
            return voice.exact(value, unit)
        return voice.share(value) if unit == "pct" else voice.say(value, unit)
    if name in {"heaviest", "lightest", "from", "to"}:
        return str(value).upper()
    return voice.clock.moment(str(value)) if name == "at" else str(value)
