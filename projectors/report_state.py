"""Writing what decides about reports as JSON, by key, and reading it again. Pure."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from projectors.aliases import Aliases
from projectors.nodes import plain
from projectors.report_fold import ALIASES, EVENT_KEY, SHARED, SPANS, ReportFold
from projectors.report_lines import Line
from projectors.report_part import Part
from projectors.windows import WindowFact

_STREAM: Final = "_stream"


def changed(fold: ReportFold) -> Iterator[tuple[str, Any]]:
    """Write what changed since `touched` was cleared."""
    yield _STREAM, [fold.now_us, fold.silent_upto, fold.lanes.clocks]
    for key in sorted(fold.touched - fold.merged):
        name, node = plain(key)
        if name == SHARED:
            yield key, [asdict(fact) for _, fact in sorted(fold.shared[node].items())]
        elif key == ALIASES:
            yield key, dict(fold.aliases.known())
        elif key == SPANS:
            yield key, fold.spans
        elif key.startswith(EVENT_KEY):
            yield key, fold.events[key.removeprefix(EVENT_KEY)].dump()
        else:
            yield key, fold.parts[key].dump()


def load(said: dict[str, Any]) -> ReportFold:
    """Read what was written."""
    fold = ReportFold()
    fold.now_us, fold.silent_upto, *clocks = said.pop(_STREAM, (0, 0))
    fold.lanes.clocks = clocks[0] if clocks else {}
    fold.aliases = Aliases(said.pop(ALIASES, {}))
    for key in [key for key in said if plain(key)[0] == SHARED]:
        fold.shared[plain(key)[1]] = {fact["position"]: WindowFact(**fact) for fact in said.pop(key)}
    fold.spans = said.pop(SPANS, {})
    for key, value in said.items():
        if key.startswith(EVENT_KEY):
            fold.events[key.removeprefix(EVENT_KEY)] = Line.load(value)
        else:
            fold.parts[key] = Part.load(value)
    fold.restore()
    return fold
