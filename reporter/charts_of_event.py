"""The charts of a whole event's report, made from its document. Pure.

Rules that must stay true here: a chart stands on the document alone; the stack has the systems that are in
the totals and no others; a name is cut, never a figure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup

from reporter.charts import Style
from reporter.charts_event import HeatChart, Layer, StackChart, heat_chart, shortened, stack_chart
from reporter.charts_load import Bar, BarChart, bar_chart, sparkline
from reporter.charts_time import NARROW
from reporter.colours import STACK
from reporter.moments import instant
from reporter.voice import Document, Voice, value_of

ROWS: Final = 44
"""How many systems one heat map has: what a page of paper holds."""

_MOST_LAYERS: Final = len(STACK)
_SPARK: Final = 60
_MOST_BARS: Final = 12
_SHORT: Final = 4
_PAPER_HEIGHT: Final = 262.0


def charts(document: Document, voice: Voice, style: Style, *, paper: bool) -> dict[str, Any]:
    """Draw all charts that the document has something for; on paper only the wide ones."""
    made: dict[str, Any] = {"sparks": {}, "heat": [], "legend": []}
    layers = _layers(document, voice)
    if layers:
        chart = _stack(document, voice, layers)
        narrow = None
        if not paper:
            narrow = stack_chart(style, replace(chart, name="stack-n"), width=NARROW, height=270)
        wide = stack_chart(style, chart, height=_PAPER_HEIGHT if paper else 320.0)
        made["stack"] = {"wide": wide, "narrow": narrow}
        made["legend"] = [(layer.role, layer.label) for layer in reversed(layers)]
    made["heat"] = [heat_chart(style, chart) for chart in _heat(document, voice)]
    made["sparks"] = _sparks(document, voice, style)
    made["contributions"] = _contributions(document, voice, style)
    return made


def demanded(document: Document) -> Mapping[str, Any] | None:
    """Give the peaks that contracts count: over the settings' demand minutes."""
    seconds = 60 * int((document.get("settings") or {}).get("demand_minutes") or 15)
    found = list(document.get("peaks") or ())
    return next((one for one in found if one["seconds"] == seconds), found[-1] if found else None)


def _layers(document: Document, voice: Voice) -> list[Layer]:
    rows = {one["system_id"]: one for one in document["profile"]["systems"] if one["counted"]}
    ranked = [one for one in document["systems"] if one["system_id"] in rows]
    shown, rest = ranked[:_MOST_LAYERS], ranked[_MOST_LAYERS:]
    layers = [
        Layer(str(one["name"]), STACK[n], rows[one["system_id"]]["mean_w"]) for n, one in enumerate(shown)
    ]
    if rest:
        steps = document["profile"]["steps"]
        others = [rows[one["system_id"]]["mean_w"] for one in rest]
        merged = [_sum(row[n] for row in others) for n in range(steps)]
        layers.append(Layer(voice.t.count("chart.others", len(rest)), "rest", merged))
    return layers


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _stack(document: Document, voice: Voice, layers: Sequence[Layer]) -> StackChart:
    profile = document["profile"]
    step, begin = profile["step_s"], instant(profile["from"])
    found = demanded(document) or {}
    peak = found.get("coincident_w") or {}
    at, high = None, value_of(peak)
    if peak.get("at") and high is not None:
        middle = (instant(peak["at"]) - begin).total_seconds() + found["seconds"] / 2
        at = (middle, high)
    return StackChart(
        name="stack",
        title=voice.t("chart.stack"),
        description=voice.t(
            "chart.stack_about",
            span=voice.clock.span(document["window"]["from"], document["window"]["to"]),
            peak=voice.say(high, "w"),
            names=", ".join(layer.label for layer in layers),
        ),
        begin=begin,
        step_s=step,
        layers=layers,
        broken=frozenset(_broken(profile)),
        missing=[(first * step, (last + 1) * step) for first, last in profile["missing"]],
        peak=at,
        peak_words=voice.t("chart.peak", power=voice.say(high, "w"), time=voice.clock.time(peak["at"]))
        if at
        else "",
    )


def _broken(profile: Mapping[str, Any]) -> Iterator[int]:
    """Give the steps at which a stack would mislead: short holes, and where most were not measured."""
    holes = [(first, last) for first, last in profile["missing"]]
    yield from (n for first, last in holes if last - first < _SHORT for n in range(first, last + 1))
    steps = {n for first, last in holes for n in range(first, last + 1)}
    rows = [one for one in profile["systems"] if one["counted"]]
    for n in steps:
        here = [row for row in rows if any(first <= n <= last for first, last in row["present"])]
        if 2 * sum(row["mean_w"][n] is not None for row in here) < len(here):
            yield n


def _heat(document: Document, voice: Voice) -> Iterator[HeatChart]:
    heat = document["heat"]
    rows = {one["system_id"]: one for one in heat["systems"]}
    ranked = [one for one in document["systems"] if one["system_id"] in rows]
    known = [value for row in rows.values() for value in row["mean_w"] if value is not None]
    largest = max(known, default=0.0) or 1.0
    begin = instant(heat["from"])
    for first in range(0, len(ranked), ROWS):
        part = ranked[first : first + ROWS]
        told = [rows[one["system_id"]] for one in part]
        yield HeatChart(
            name=f"heat-{first // ROWS}",
            title=voice.t("chart.heat"),
            description=voice.t("chart.heat_about", n=len(part), most=voice.say(largest, "w")),
            begin=begin,
            step_s=heat["step_s"],
            rows=[
                (
                    str(one["name"]),
                    [None if watts is None else max(watts, 0.0) / largest for watts in row["mean_w"]],
                    row["present"],
                )
                for one, row in zip(part, told, strict=True)
            ],
            values=[[voice.say(watts, "w") for watts in row["mean_w"]] for row in told],
            low=voice.t("zero"),
            high=voice.say(largest, "w"),
            missing=voice.t("chart.gap"),
        )


def _sparks(document: Document, voice: Voice, style: Style) -> dict[str, Markup]:
    made = {}
    for n, row in enumerate(document["profile"]["systems"]):
        values = row["mean_w"]
        edges = [round(k * len(values) / _SPARK) for k in range(_SPARK + 1)]
        thin = [_mean(values[one:other]) for one, other in pairwise(edges) if other > one]
        words = voice.t("chart.spark", name=shortened(str(row["system_id"]), 40))
        made[row["system_id"]] = sparkline(style, f"spark-{n}", words, thin)
    return made


def _share_of_peak(one: Mapping[str, Any], voice: Voice) -> str:
    power = voice.say(one["power_w"], "w")
    return power if one["share_pct"] is None else f"{power}, {voice.share(one['share_pct'])}"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _contributions(document: Document, voice: Voice, style: Style) -> Markup | None:
    told = (demanded(document) or {}).get("contributions") or ()
    if not told:
        return None
    names = {one["system_id"]: str(one["name"]) for one in document["systems"]}
    largest = max(one["power_w"] for one in told) or 1.0
    bars = [
        Bar(
            shortened(names.get(one["system_id"], one["system_id"]), 22),
            (max(one["power_w"], 0.0) / largest,),
            (_share_of_peak(one, voice),),
        )
        for one in told[:_MOST_BARS]
    ]
    chart = BarChart(
        name="contributions",
        title=voice.t("chart.contributions"),
        description=", ".join(f"{bar.label}: {bar.numbers[0]}" for bar in bars),
        bars=bars,
        label_width=150,
        number_width=110,
    )
    return bar_chart(style, chart, width=440)
