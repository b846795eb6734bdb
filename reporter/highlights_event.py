"""What a reader should know first of an event's report: verdict, points to look at, key figures. Pure.

Rules that must stay true here: nothing is said that the document does not hold; what is in no total is not
in the verdict either.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from markupsafe import Markup

from reporter.charts_of_event import demanded
from reporter.findings_said import said
from reporter.highlights import tile
from reporter.voice import Document, Voice, value_of

_TILES: Final = 8
_MOST_FINDINGS: Final = 4


def verdict(document: Document, voice: Voice) -> Markup:
    """Say in one sentence what the event came to."""
    totals = document["totals"]
    name = voice.name(document["event_id"])
    energy = voice.value(totals, "energy_wh")
    if energy is None:
        return voice.marked("verdict.event_nothing", name=name)
    told = voice.marked(
        "verdict.event",
        systems=voice.t.count("verdict.systems", totals["counted_count"]),
        energy=Markup("<b>{}</b>").format(voice.say(energy, "wh")),
        time=voice.duration(document["window"]["duration_s"]),
    )
    peaks = demanded(document)
    if peaks is None or value_of(peaks["coincident_w"]) is None:
        return told + "."
    return told + voice.marked(
        "verdict.coincident",
        power=Markup("<b>{}</b>").format(voice.figure(peaks, "coincident_w")),
        time=voice.at(peaks["coincident_w"]),
        length=voice.duration(peaks["seconds"]),
    )


def points(document: Document, voice: Voice) -> list[dict[str, Any]]:
    """Give what needs a look, the worst first."""
    quality = document["quality"]
    found = []
    if quality["grade"] == "D":
        found.append(
            (
                "bad",
                voice.t(
                    "point.coverage_bad",
                    share=voice.share(quality["coverage_pct"]),
                    missing=voice.duration(quality["missing_s"]),
                ),
            )
        )
    alarms = [one for one in document.get("alarm_counts") or () if one["level"] == "alarm"]
    if alarms:
        number = sum(one["count"] for one in alarms)
        kinds = ", ".join(voice.t.word("alarms.names", one["name"]) for one in alarms[:_MOST_FINDINGS])
        found.append(("bad", voice.t.count("point.alarms", number, names=kinds)))
    names = {one["system_id"]: str(one["name"]) for one in document["systems"]}
    warned = [one for one in document.get("findings") or () if one["severity"] == "warning"]
    found += [("warn", said(one, names, voice)) for one in warned[:_MOST_FINDINGS]]
    if quality["peak_may_hide"]:
        found.append(("warn", voice.t.count("point.blocks_dropped", quality["blocks_dropped"])))
    found += [
        ("warn", voice.t.word("quality.note", one)) for one in quality["notes"] if one == "may_count_twice"
    ]
    if not found and voice.value(document["totals"], "energy_wh") is not None:
        found = [("fine", voice.t("point.event_nothing"))]
    return [{"level": level, "text": text} for level, text in found]


def facts(document: Document, voice: Voice) -> list[tuple[str, Any]]:
    """Give what stands below the heading."""
    window = document["window"]
    branding = document["settings"].get("branding") or {}
    places = dict.fromkeys(place for one in document["systems"] for place in one["locations"])
    told = [
        (voice.t("fact.when"), voice.clock.span(window["from"], window["to"])),
        (voice.t("fact.zone"), f"{voice.clock.name} ({voice.clock.offset(window['from'])})"),
        (voice.t("fact.client"), voice.name(branding["client"]) if branding.get("client") else ""),
        (voice.t("fact.systems"), voice.plain(document["totals"]["systems_count"])),
        (voice.t("fact.where"), Markup(", ").join(voice.name(one) for one in list(places)[:12])),
    ]
    return [(label, value) for label, value in told if value]


def key_figures(document: Document, voice: Voice) -> list[dict[str, Any]]:
    """Give the figures that come first."""
    return [one for one, _ in zip(_tiles(document, voice), range(_TILES), strict=False)]


def _tiles(document: Document, voice: Voice) -> Iterator[dict[str, Any]]:
    totals, peaks = document["totals"], demanded(document)
    overall = document["quality"]["coverage_pct"]
    yield tile(voice, totals, "energy_wh", overall)
    if peaks is not None:
        length = voice.duration(peaks["seconds"])
        yield tile(voice, peaks, "coincident_w", overall) | {
            "label": voice.t("key.coincident_w", length=length)
        }
        yield tile(voice, peaks, "non_coincident_w") | {
            "label": voice.t("key.non_coincident_w", length=length),
            "about": voice.t("key.non_coincident_about"),
        }
        yield tile(voice, peaks, "diversity_ratio") | {"about": voice.t("key.diversity_about")}
    yield tile(voice, totals, "load_factor_ratio", overall)
    yield {
        "label": voice.t("key.systems"),
        "value": voice.plain(totals["counted_count"]),
        "about": voice.t("key.systems_about", n=voice.plain(totals["systems_count"])),
    }
    yield from _money_and_fuel(document, voice)
    yield tile(voice, totals, "mean_of_systems_w", overall)
    yield tile(voice, totals, "apparent_energy_vah", overall)


def _money_and_fuel(document: Document, voice: Voice) -> Iterator[dict[str, Any]]:
    totals: Mapping[str, Any] = document["totals"]
    green = document.get("sustainability") or {}
    for name in ("avoided_l", "avoided_co2_kg"):
        if name in green and value_of(green[name]) is not None:
            yield tile(voice, green, name) | {"about": voice.t("key.avoided_about")}
    billing = document.get("billing")
    if billing and billing.get("amount") is not None:
        yield {
            "label": voice.t("key.amount"),
            "value": voice.money(billing["amount"]),
            "about": voice.t("key.amount_about"),
        }
    for name in ("pv_wh", "genset_wh"):
        if value_of(totals.get(name)) is not None:
            yield tile(voice, totals, name)
