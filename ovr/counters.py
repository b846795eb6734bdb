"""What the configuration says about the counters, also in a YAML file as other systems wrote it."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from ovr.config import CountersSettings
from ovr.counter_reports import Maker, Wanted
from projectors.counter_queries import Counters
from projectors.counters import kind
from projectors.counters_store import Retention
from projectors.kind import Kind
from reporter.counters import FORMATS
from schemas.errors import ConfigurationError

_SECTIONS: Mapping[str, Mapping[str, tuple[str, type]]] = {
    "event_counters": {
        "history_retention_days": ("history_days", int),
        "max_history_per_event": ("history_most", int),
    },
    "reporting": {
        "auto_generate_daily_report": ("daily", bool),
        "auto_generate_weekly_report": ("weekly", bool),
        "report_output_directory": ("reports", str),
        "export_formats": ("formats", list),
    },
}
_MOST = {"history_days": 36_525, "history_most": 1_000_000_000}
_UNUSED = {
    "event_counters": {"storage_file", "auto_save_interval"},
    "health_scoring": {"enabled", "calculation_interval", "min_events_for_trend", "trend_analysis_days"},
}
"""What such a file says that means nothing here: everything is saved at once, and health is always scored."""


def settings(said: CountersSettings) -> CountersSettings:
    """Put together what site.toml and its YAML file say.

    Raises:
        ConfigurationError: the file cannot be read, or says what cannot be.
    """
    chosen = said if said.yaml is None else replace(said, **_from_yaml(said.yaml))
    for name, most in _MOST.items():
        if not 1 <= getattr(chosen, name) <= most:
            raise ConfigurationError(f"counters: {name} must be at least 1 and at most {most:,}")
    if unknown := set(chosen.formats) - FORMATS.keys():
        raise ConfigurationError(f"counters: formats are {', '.join(FORMATS)}, not {min(unknown)}")
    return chosen


def counters_kind(said: CountersSettings, data: Path) -> Kind:
    """Return the counters as a read model whose process also makes reports."""
    chosen = settings(said)
    wanted = Wanted(
        directory=chosen.reports or data / "reports" / "counters",
        daily=chosen.daily,
        weekly=chosen.weekly,
        formats=chosen.formats,
    )
    maker = Maker(wanted)
    retention = Retention(chosen.history_days, chosen.history_most)
    return kind(retention, lambda db, now_s: maker(Counters(db), now_s))


def _from_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"counters.yaml: {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"counters.yaml: {path} holds no settings")
    found: dict[str, Any] = {}
    for section, keys in _SECTIONS.items():
        table = document.get(section) or {}
        if not isinstance(table, dict):
            raise ConfigurationError(f"counters.yaml: {section} in {path} must be a table")
        for name, value in table.items():
            if name in _UNUSED.get(section, ()):
                continue
            if name not in keys:
                raise ConfigurationError(f"counters.yaml: {section}.{name} in {path} is not known")
            found |= _setting(f"{section}.{name} in {path}", *keys[name], value, path)
    assert found.keys() <= {one.name for one in fields(CountersSettings)}
    return found


def _setting(where: str, key: str, form: type, value: Any, path: Path) -> dict[str, Any]:
    words = not isinstance(value, list) or all(isinstance(one, str) for one in value)
    if not isinstance(value, form) or (form is int and isinstance(value, bool)) or not words:
        raise ConfigurationError(f"counters.yaml: {where} cannot be {value!r}")
    said: Any = value
    if key == "reports":
        return {key: path.parent / said}
    return {key: tuple(said) if form is list else said}
