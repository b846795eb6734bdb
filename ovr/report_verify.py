"""Three ways to one energy, compared: the report's, the series', and the meter's own register.

Rules that must stay true here:
- what cannot be compared is said to be so, and is no agreement;
- VictoriaMetrics carries the last value across gaps and the report does not: what was not measured widens the
  bound by its share;
- a register may be off by what one of its steps is worth.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from bus import instants
from bus.journal_sqlite import SqliteJournalReader
from ovr.node import Node
from ovr.reports import wishes
from projectors.archive_reader import ArchiveReader
from projectors.report_facts import Part, Wanted
from projectors.report_lines import OPERATOR
from projectors.report_making import Sources, documents
from projectors.victoria import Victoria

SERIES_PCT: Final = 0.5
REGISTER_PCT: Final = 2.0
_SUMMED: Final = frozenset({"total_power", "sum_of_phases"})
_WH: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way of coming to a window's energy, held against the report's.

    Attributes:
        source: `series` or `register`.
        report_wh: imported less exported, as the report has it.
        other_wh: None where there is nothing to compare with; `why` says so.
        bound_pct: how far they may lie apart.
    """

    system_id: str
    from_us: int
    to_us: int
    source: str
    report_wh: float | None
    other_wh: float | None
    bound_pct: float
    why: str = ""

    @property
    def difference_pct(self) -> float | None:
        """Give how far the other lies from the report, in percent of the report."""
        if self.report_wh is None or self.other_wh is None:
            return None
        if self.report_wh == self.other_wh:
            return 0.0
        return (
            100.0 * (self.other_wh - self.report_wh) / abs(self.report_wh) if self.report_wh else float("inf")
        )

    @property
    def agrees(self) -> bool | None:
        """Tell whether it is within the bound; None where nothing can be compared."""
        difference = self.difference_pct
        return None if difference is None else abs(difference) <= self.bound_pct

    def told(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "system_id": self.system_id,
            "from": instants.text(self.from_us),
            "to": instants.text(self.to_us),
            "source": self.source,
            "report_wh": self.report_wh,
            "other_wh": self.other_wh,
            "difference_pct": self.difference_pct,
            "bound_pct": self.bound_pct,
            "agrees": self.agrees,
            "why": self.why,
        }


def compare(
    node: Node,
    event_id: str,
    system_id: str | None = None,
    *,
    series_pct: float = SERIES_PCT,
    register_pct: float = REGISTER_PCT,
) -> list[Comparison]:
    """Compare the energies of an event's windows as the journal has them now.

    Args:
        node: the node.
        event_id: the event.
        system_id: only the newest window of this system.
        series_pct: how far VictoriaMetrics' integral may lie apart.
        register_pct: how far the meter's register may.

    Raises:
        TransientError: VictoriaMetrics does not answer.
    """
    said = wishes(node.site.reports)
    archive = node.layout.data / "archive"
    wanted = Wanted(event_id, system_id, None, 1, OPERATOR)
    victoria = Victoria(node.victoria_url())
    found: list[Comparison] = []
    with closing(SqliteJournalReader(node.layout.journal)) as reader, closing(victoria):
        sources = Sources(
            reader,
            ArchiveReader(archive) if archive.is_dir() else None,
            node.layout.data / "photos",
            said.of,
            said.attendance,
        )
        for part, document in documents(sources, wanted, reader.head().position):
            energy, coverage_pct = document["energy"], document["quality"]["coverage_pct"] or 0.0
            found.append(_series(victoria, part, energy, series_pct + 100.0 - coverage_pct))
            found.append(_register(part, energy, register_pct + 100.0 - coverage_pct))
    return found


def _series(victoria: Victoria, part: Part, energy: Mapping[str, Any], bound_pct: float) -> Comparison:
    method = _method(energy, energy["chosen"])
    report_wh = _net(method)
    if method is None or method["method"] not in _SUMMED:
        why = "no power was measured" if method is None else f"{method['method']} is no series"
        return _nothing(part, "series", report_wh, bound_pct, why)
    found = [_integral(victoria, part, name) for name in method["names"]]
    known = [value for value in found if value is not None]
    if len(known) < len(found):
        return _nothing(part, "series", report_wh, bound_pct, "VictoriaMetrics has no such series then")
    return _comparison(part, "series", report_wh, sum(known), bound_pct)


def _integral(victoria: Victoria, part: Part, name: str) -> float | None:
    """Integrate the series of a measurement over a window, in Wh; of several kinds that which tells most."""
    length_ms = (part.to_us - part.from_us) // 1000
    selector = f'{{__name__=~"[a-z][a-z0-9]*_{name}",system_id="{part.system_id}"}}'
    found = victoria.query(f"integrate({selector}[{length_ms}ms]) keep_metric_names", part.to_us // 1000)
    values = [float(one["value"][1]) / _WH for one in found]
    return max(values, key=abs, default=None)


def _register(part: Part, energy: Mapping[str, Any], bound_pct: float) -> Comparison:
    report_wh = _net(_method(energy, energy["chosen"]))
    method = _method(energy, "register")
    other_wh = _net(method)
    if other_wh is None:
        return _nothing(part, "register", report_wh, bound_pct, "it has no energy register")
    steps_wh = sum(one.get("resolution_wh") or 0.0 for one in energy["registers"])
    if report_wh:
        bound_pct += 100.0 * steps_wh / abs(report_wh)
    return _comparison(part, "register", report_wh, other_wh, bound_pct)


def _method(energy: Mapping[str, Any], word: str | None) -> Mapping[str, Any] | None:
    return next((one for one in energy["methods"] if one["method"] == word), None)


def _net(method: Mapping[str, Any] | None) -> float | None:
    if method is None or method["import_wh"] is None:
        return None
    return float(method["import_wh"]) - float(method["export_wh"] or 0.0)


def _comparison(
    part: Part, source: str, report_wh: float | None, other_wh: float, bound_pct: float
) -> Comparison:
    rounded = round(other_wh, 1)
    return Comparison(
        part.system_id, part.from_us, part.to_us, source, report_wh, rounded, round(bound_pct, 2)
    )


def _nothing(part: Part, source: str, report_wh: float | None, bound_pct: float, why: str) -> Comparison:
    return Comparison(
        part.system_id, part.from_us, part.to_us, source, report_wh, None, round(bound_pct, 2), why
    )


def lines(found: Sequence[Comparison]) -> Iterator[tuple[str, ...]]:
    """Write comparisons as rows of a table for people."""
    for one in found:
        difference = one.difference_pct
        words = {True: "agrees", False: "DIFFERS", None: one.why}
        yield (
            one.system_id,
            f"{instants.text(one.from_us)[:19]}Z",
            one.source,
            "" if one.report_wh is None else f"{one.report_wh / 1000:,.3f}",
            "" if one.other_wh is None else f"{one.other_wh / 1000:,.3f}",
            "" if difference is None else f"{difference:+.2f} %",
            f"{one.bound_pct:g} %",
            words[one.agrees],
        )
