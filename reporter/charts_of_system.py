"""The charts of one system's report, made from its document. Pure.

Rules that must stay true here: a chart stands on the document alone; what the document does not have is no
chart; every picture is described in words with its main figures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from markupsafe import Markup

from reporter.charts import Style
from reporter.charts_load import Bar, BarChart, DurationChart, bar_chart, duration_chart
from reporter.charts_time import NARROW, Line, Sample, Span, TimeChart, Words, time_chart
from reporter.colours import DASHES
from reporter.moments import instant
from reporter.voice import Document, Voice, value_of

_SOURCES: Final = {"grid": "s0", "genset": "s1", "pv": "s6", "battery": "store"}
_PAPER_HEIGHT: Final = 222.0  # so that the curve stands on the first page
Drawn = Markup | dict[str, Markup | None]


def charts(document: Document, voice: Voice, style: Style, *, paper: bool) -> dict[str, Drawn]:
    """Draw all charts that the document has something for; on paper only the wide ones."""
    made: dict[str, Drawn] = {}
    for name, chart, height in _over_time(document, voice):
        tall = min(height, _PAPER_HEIGHT) if paper else height
        wide = time_chart(style, chart, height=tall)
        thin = replace(chart, name=f"{chart.name}-n")
        narrow = None if paper else time_chart(style, thin, width=NARROW, height=min(height, 250))
        made[name] = {"wide": wide, "narrow": narrow}
    load = document.get("load")
    if load and load["histogram"]:
        made["histogram"] = _bands(load["histogram"], voice, style, "histogram")
    if load and load["duration"]:
        made["duration"] = _duration(load, voice, style)
    if len(document.get("phases") or {}) > 1:
        made["phases"] = _phases(document["phases"], voice, style)
    if (document.get("sources") or {}).get("shares"):
        made["sources"] = _sources(document["sources"], voice, style)
    if (document.get("genset") or {}).get("bands"):
        made["genset"] = _bands(document["genset"]["bands"], voice, style, "genset")
    return made


def _over_time(document: Document, voice: Voice) -> Iterator[tuple[str, TimeChart, float]]:
    curve = document.get("curve")
    if curve and any(curve["points"]):
        chart = _power(document, voice, curve)
        yield "power", chart, 320.0
        if document.get("soc_curve"):
            yield "soc", _soc(document, voice, chart), 150.0
        if len((document.get("phase_curves") or {}).get("power_w") or {}) > 1:
            yield "phase_curves", _phase_curves(document, voice, chart), 220.0


def _power(document: Document, voice: Voice, curve: Mapping[str, Any]) -> TimeChart:
    window, summary = document["window"], document["summary"]
    begin = instant(window["from"])
    middle = curve["step_s"] / 2
    points: list[Sample | None] = [
        (point[0] + middle, point[1], point[2], point[3]) if point else None for point in curve["points"]
    ]
    peak = summary.get("peak_w") or {}
    quarter = summary.get("peak_15min_w") or {}
    rated = rating(document)

    def since(text: str) -> float:
        return (instant(text) - begin).total_seconds()

    at = since(peak["at"]) if peak.get("at") else None
    block = since(quarter["at"]) if quarter.get("at") else None
    return TimeChart(
        name="power",
        title=voice.t("chart.power"),
        description=voice.t(
            "chart.power_about",
            span=voice.clock.span(window["from"], window["to"]),
            mean=voice.say(voice.value(summary, "mean_w"), "w"),
            peak=voice.say(value_of(peak), "w"),
            share=voice.share(document["quality"]["coverage_pct"]),
        ),
        begin=begin,
        seconds=max(window["duration_s"], 1.0),
        unit="w",
        lines=[Line(points)],
        words=Words(
            gap=voice.t("chart.gap"),
            idle=voice.t("chart.idle"),
            alarms=voice.t("chart.alarms"),
            level=voice.t("chart.rated", power=voice.exact(rated, "w")) if rated else "",
            peak=_peak_words(voice, peak) if at is not None else "",
        ),
        gaps=_spans(document["quality"].get("gaps") or (), since),
        idle=_spans(window.get("removed") or (), since),
        alarms=[
            (
                since(one["from"]),
                since(one["to"]) if one.get("to") else window["duration_s"],
                one["level"],
                f"{voice.t.word('alarms.names', one['name'])}, {voice.clock.moment(one['from'])}",
            )
            for one in document.get("alarms") or ()
        ],
        notes=[
            (since(one["time"]), number)
            for number, one in enumerate(document.get("remarks") or (), 1)
            if 0 <= since(one["time"]) <= window["duration_s"]
        ],
        peak=(at, value_of(peak) or 0.0) if at is not None else None,
        level=rated,
        block=(block, block + 900.0, value_of(quarter) or 0.0) if block is not None else None,
    )  # fmt: skip


def _peak_words(voice: Voice, peak: Mapping[str, Any]) -> str:
    return voice.t("chart.peak", power=voice.say(value_of(peak), "w"), time=voice.clock.time(peak["at"]))


def _spans(found: Sequence[Mapping[str, Any]], since: Any) -> list[Span]:
    return [(since(one["from"]), since(one["to"])) for one in found]


def _soc(document: Document, voice: Voice, power: TimeChart) -> TimeChart:
    curve = document["soc_curve"]
    middle = curve["step_s"] / 2
    points: list[Sample | None] = [
        (point[0] + middle, point[1], point[1], point[1]) if point else None for point in curve["points"]
    ]
    known = [point[1] for point in points if point]
    return TimeChart(
        name="soc",
        title=voice.t("chart.soc"),
        description=voice.t(
            "chart.soc_about",
            first=voice.share(known[0]),
            last=voice.share(known[-1]),
            low=voice.share(min(known)),
        )
        if known
        else "",
        begin=power.begin,
        seconds=power.seconds,
        unit="pct",
        lines=[Line(points, "store", band=False)],
        ceiling=100.0,
    )


def _phase_curves(document: Document, voice: Voice, power: TimeChart) -> TimeChart:
    curves = document["phase_curves"]
    step = curves["step_s"]
    lines = []
    for phase, values in curves["power_w"].items():
        points: list[Sample | None] = [
            ((n + 0.5) * step, value, value, value) if value is not None else None
            for n, value in enumerate(values)
        ]
        lines.append(Line(points, phase, phase.upper(), DASHES.get(phase), band=False))
    return TimeChart(
        name="phase-curves",
        title=voice.t("chart.phase_curves"),
        description=voice.t("chart.phase_curves_about", phases=", ".join(line.label for line in lines)),
        begin=power.begin,
        seconds=power.seconds,
        unit="w",
        lines=lines,
        words=Words(gap=voice.t("chart.gap")),
        gaps=power.gaps,
    )


def _sources(sources: Mapping[str, Any], voice: Voice, style: Style) -> Markup:
    known = [(one, value_of(one["energy_wh"])) for one in sources["shares"]]
    largest = max((energy for _, energy in known if energy), default=1.0)
    bars = [
        Bar(
            voice.t.word("source_names", one["source"]),
            (None if energy is None else max(energy, 0.0) / largest,),
            (_of_all(voice, energy, one["share_pct"]),),
            _SOURCES.get(one["source"]),
        )
        for one, energy in known
    ]
    chart = BarChart(
        name="sources-bars",
        title=voice.t("chart.sources"),
        description=", ".join(f"{bar.label}: {bar.numbers[0]}" for bar in bars),
        bars=bars,
        number_width=118,
    )
    return bar_chart(style, chart)


def _of_all(voice: Voice, energy: float | None, percent: float | None) -> str:
    said = voice.say(energy, "wh")
    return said if percent is None else f"{said}, {voice.share(percent)}"


def _bands(rows: Sequence[Mapping[str, Any]], voice: Voice, style: Style, name: str) -> Markup:
    seconds = sum(row["duration_s"] for row in rows) or 1.0
    energy = sum(max(row["energy_wh"], 0.0) for row in rows) or 1.0
    kilo = voice.scale("wh", [row["energy_wh"] for row in rows])
    bars = [
        Bar(
            label(row["from_pct"], row["to_pct"]),
            (row["duration_s"] / seconds, max(row["energy_wh"], 0.0) / energy),
            (
                voice.duration(row["duration_s"]),
                kilo(row["energy_wh"]) if row["energy_wh"] else voice.t("zero"),
            ),
        )
        for row in rows
    ]
    longest = max(rows, key=lambda row: row["duration_s"])
    chart = BarChart(
        name=f"{name}-bars",
        title=voice.t(f"chart.{name}"),
        description=voice.t(
            "chart.histogram_about",
            band=label(longest["from_pct"], longest["to_pct"]),
            time=voice.duration(longest["duration_s"]),
        ),
        bars=bars,
        legend=(voice.t("chart.time"), voice.t("chart.energy")),
    )
    return bar_chart(style, chart)


def label(lower: float, upper: float | None) -> str:
    """Name a band of load in percent."""
    return f"> {lower}\u202f%" if upper is None else f"{lower}\u2013{upper}\u202f%"


def _duration(load: Mapping[str, Any], voice: Voice, style: Style) -> Markup:
    points = [(share, watts) for share, watts in load["duration"] if watts is not None]
    marks = [
        (float(share), load["exceeded_w"][share], voice.say(load["exceeded_w"][share], "w"))
        for share in ("10", "50", "90")
        if load["exceeded_w"].get(share) is not None
    ]
    chart = DurationChart(
        name="duration",
        title=voice.t("chart.duration"),
        description=voice.t("chart.duration_about", half=voice.say(load["exceeded_w"].get("50"), "w")),
        points=points,
        across=voice.t("chart.of_time"),
        marks=marks,
    )
    return duration_chart(style, chart)


def _phases(phases: Mapping[str, Any], voice: Voice, style: Style) -> Markup:
    known = {
        phase: (value_of(one["peak_w"]), (one["power_w"] or {}).get("mean")) for phase, one in phases.items()
    }
    largest = (
        max((abs(value) for pair in known.values() for value in pair if value is not None), default=1.0)
        or 1.0
    )
    bars = [
        Bar(
            phase.upper(),
            tuple(None if value is None else max(value, 0.0) / largest for value in pair),
            tuple(voice.say(value, "w") for value in pair),
        )
        for phase, pair in known.items()
    ]
    chart = BarChart(
        name="phases-bars",
        title=voice.t("chart.phases"),
        description=", ".join(f"{bar.label}: {bar.numbers[0]} / {bar.numbers[1]}" for bar in bars),
        bars=bars,
        legend=(voice.t("chart.peak_power"), voice.t("chart.mean_power")),
        label_width=36,
    )
    return bar_chart(style, chart)


def rating(document: Document) -> float | None:
    """Give the rated power that the load is compared with, in W; None where there is none."""
    load = document.get("load")
    if load and load["basis"] == "rating":
        return value_of(load["basis_w"])
    return value_of((document.get("system") or {}).get("rated_w"))
