"""What a reader should know first of a system's report: verdict, points to look at, key figures. Pure.

Rules that must stay true here: nothing is said that the document does not hold; a point is raised by a
number at a limit that stands here, and names the number; where nothing was measured, that is the verdict.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from markupsafe import Markup

from reporter.quantities import unit_of
from reporter.voice import Document, Voice, value_of

Told = Mapping[str, Any]
_PRODUCERS: Final = frozenset({"pv", "genset"})
_LOW_LOAD: Final = 0.3
_UNEVEN_PCT: Final = 20.0
_UNEVEN_TIME: Final = 0.1
_LOW_SOC_PCT: Final = 20.0
_APART_PCT: Final = 2.0
_EXPORTS: Final = 0.005
_TILES, _MANY_TILES = 8, 12
_CAUGHT_UP: Final = "caught_up"


def verdict(document: Document, voice: Voice) -> Markup:
    """Say in one sentence what the report comes to."""
    summary = document["summary"]
    energy = voice.value(summary, "energy_wh")
    name = voice.name(document["system"].get("name") or document["system_id"])
    if energy is None:
        return voice.marked("verdict.nothing", name=name)
    device = document["system"]["device"]
    key = "verdict.produced" if device.get("place") in _PRODUCERS else "verdict.supplied"
    said = voice.marked(
        key,
        name=name,
        energy=Markup("<b>{}</b>").format(voice.say(energy, "wh")),
        time=voice.duration(document["window"]["duration_s"]),
    )
    peak = summary.get("peak_15min_w")
    if value_of(peak) is None:
        return said + "."
    rated = device.get("rated_w") or document["system"].get("rated_w")
    ending = "verdict.peak_of_rating" if rated else "verdict.peak"
    return said + voice.marked(
        ending,
        power=Markup("<b>{}</b>").format(voice.figure(summary, "peak_15min_w")),
        time=voice.at(peak),
        share=voice.share(100 * (value_of(peak) or 0.0) / rated) if rated else "",
    )


def points(document: Document, voice: Voice) -> list[dict[str, Any]]:
    """Give what needs a look, the worst first; that nothing does is said too, where it was measured."""
    found = [{"level": level, "text": text} for check in _CHECKS for level, text in check(document, voice)]
    found.sort(key=lambda point: point["level"] != "bad")
    if not found and voice.value(document["summary"], "energy_wh") is not None:
        found = [{"level": "fine", "text": voice.t("point.nothing")}]
    return found


def facts(document: Document, voice: Voice) -> list[tuple[str, Any]]:
    """Give what stands below the heading: where, when, for whom, what it is."""
    window, system = document["window"], document["system"]
    places = [one["location"] for one in window.get("segments") or () if one.get("location")]
    branding = document["settings"].get("branding") or {}
    device = " ".join(str(system[key]) for key in ("maker", "model") if system.get(key))
    told = [
        (voice.t("fact.when"), voice.clock.span(window["from"], window["to"])),
        (voice.t("fact.zone"), f"{voice.clock.name} ({voice.clock.offset(window['from'])})"),
        (voice.t("fact.where"), Markup(", ").join(voice.name(one) for one in dict.fromkeys(places))),
        (voice.t("fact.client"), voice.name(branding["client"]) if branding.get("client") else ""),
        (voice.t("fact.system"), voice.name(document["system_id"])),
        (voice.t("fact.device"), voice.name(device) if device else ""),
        (voice.t("fact.serial"), voice.name(system["serial"]) if system.get("serial") else ""),
        (voice.t("fact.rating"), voice.exact(system["rated_w"], "w") if system.get("rated_w") else ""),
        (voice.t("fact.started_by"), voice.name(window["started_by"]) if window.get("started_by") else ""),
        (voice.t("fact.ended_by"), voice.name(window["ended_by"]) if window.get("ended_by") else ""),
    ]
    return [(label, value) for label, value in told if value]


def marks(document: Document, voice: Voice) -> list[dict[str, str]]:
    """Give what a reader must know of the document itself: not final, corrected, changed."""
    found = []
    if document.get("provisional"):
        found.append({"label": voice.t("mark.provisional"), "text": _provisional(document, voice)})
    elif document.get("reason") == _CAUGHT_UP:
        found.append({"label": voice.t("mark.complete"), "text": voice.t("mark.complete_about")})
    if document["window"].get("superseded"):
        found.append({"label": voice.t("mark.superseded"), "text": voice.t("mark.superseded_about")})
    if document.get("changed"):
        said = "; ".join(changed(one, voice) for one in document["changed"][:_TILES])
        found.append({"label": voice.t("mark.changed", n=document["revision"]), "text": f"{said}."})
    return found


def _provisional(document: Document, voice: Voice) -> Markup | str:
    if not document.get("behind"):
        return voice.t("mark.provisional_about")
    nodes = Markup(", ").join(voice.name(one) for one in document["behind"])
    return voice.marked("mark.behind_about", nodes=nodes)


def changed(one: Told, voice: Voice) -> str:
    """Say how a figure differs from the revision before."""
    unit = unit_of(one["figure"])
    said = [voice.say(value_of(one.get(side)), unit) for side in ("before", "after")]
    return voice.t("mark.change", figure=voice.t.word("key", one["figure"]), before=said[0], after=said[1])


def badge(quality: Told, voice: Voice) -> dict[str, str]:
    """Give the badge of the data's quality."""
    grade = str(quality["grade"])
    return {
        "grade": grade,
        "label": voice.t.word("badge", grade),
        "about": voice.t("badge.about", share=voice.share(quality["coverage_pct"])),
    }


def key_figures(document: Document, voice: Voice) -> list[dict[str, Any]]:
    """Give the figures that come first, each with when it was or what it rests on."""
    summary, window = document["summary"], document["window"]
    overall = document["quality"]["coverage_pct"]
    tiles = [
        _energy(document, voice),
        tile(voice, summary, "peak_15min_w", overall),
        tile(voice, summary, "peak_w", overall, label=_second(document)),
        tile(voice, summary, "mean_w", overall),
        tile(voice, summary, "load_factor_ratio", overall),
        tile(voice, summary, "power_factor_ratio", overall),
        {
            "label": voice.t("key.time"),
            "value": voice.duration(window["counted"]["duration_s"]),
            "about": voice.t("key.time_about", window=voice.duration(window["duration_s"])),
        },
    ]
    tiles += [one for one in _further(document, voice) if one]
    return tiles[: _MANY_TILES if len(tiles) >= _MANY_TILES else _TILES]


def _energy(document: Document, voice: Voice) -> dict[str, Any]:
    made = tile(voice, document["summary"], "energy_wh", document["quality"]["coverage_pct"])
    billing = document.get("billing") or {}
    if billing.get("source") == "register":
        made["about"] = voice.t("key.register_about", energy=voice.say(billing["energy_wh"], "wh"))
    return made


def _second(document: Document) -> str:
    first: Told = next((one for one in document["demand"]["peaks"] if one["seconds"] == 1), {})
    return "peak_reading_w" if first.get("kind") == "reading" else "peak_w"


def tile(
    voice: Voice, found: Told, key: str, overall_pct: float = 100.0, *, label: str | None = None
) -> dict[str, Any]:
    """Make a key figure: label, value, and what is to be said of it."""
    missing = voice.value(found, key) is None
    return {
        "label": voice.t(f"key.{label or key}"),
        "value": voice.t("absent") if missing else voice.figure(found, key),
        "about": voice.why(found, key) if missing else voice.about(found, key, overall_pct),
        "missing": missing,
    }


def _further(document: Document, voice: Voice) -> Iterator[dict[str, Any] | None]:
    summary = document["summary"]
    used, back = voice.value(summary, "energy_wh") or 0.0, voice.value(summary, "energy_export_wh") or 0.0
    if back > _EXPORTS * used:
        yield tile(voice, summary, "energy_export_wh")
    alone = (document.get("sources") or {}).get("islanded") or {}
    if value_of(alone.get("duration_s")):
        yield tile(voice, alone, "duration_s", label="islanded_s") | {
            "about": voice.t("key.islanded_about", longest=voice.duration(alone["longest_s"]))
        }
    battery = document.get("battery")
    if battery and battery.get("soc_pct"):
        yield _soc(voice, battery["soc_pct"])
    billing = document.get("billing")
    if billing and billing.get("amount") is not None:
        yield {
            "label": voice.t("key.amount"),
            "value": voice.money(billing["amount"]),
            "about": voice.t("key.amount_about"),
        }
    green = document.get("sustainability") or {}
    for name in ("avoided_l", "avoided_co2_kg"):
        if value_of(green.get(name)) is not None:
            yield tile(voice, green, name) | {"about": voice.t("key.avoided_about")}
    yield tile(voice, summary, "apparent_energy_vah")
    if value_of(summary.get("peak_va")) is not None:
        yield tile(voice, summary, "peak_va", document["quality"]["coverage_pct"])


def _soc(voice: Voice, soc: Told) -> dict[str, Any] | None:
    start, end, low = (value_of(soc.get(key)) for key in ("start", "end", "min"))
    if start is None or end is None:
        return None
    return {
        "label": voice.t("key.soc"),
        "value": f"{voice.plain(start)} \u2192 {voice.plain(end)}\u202f%",
        "about": voice.t("key.soc_about", low=voice.say(low, "pct")) if low is not None else "",
    }


def _coverage(document: Document, voice: Voice) -> Iterator[tuple[str, str]]:
    quality = document["quality"]
    share = voice.share(quality["coverage_pct"])
    missing = voice.duration(quality["missing_s"])
    if quality["grade"] == "D":
        yield "bad", voice.t("point.coverage_bad", share=share, missing=missing)
    elif quality.get("gaps"):
        yield "warn", voice.t("point.coverage", share=share, longest=voice.duration(quality["longest_gap_s"]))
    delta = quality.get("register_delta_pct")
    if delta is not None and abs(delta) > _APART_PCT:
        yield "warn", voice.t("point.register", delta=voice.say(abs(delta), "pct"))


def _rating(document: Document, voice: Voice) -> Iterator[tuple[str, str]]:
    load = document.get("load")
    if not load or load["basis"] != "rating":
        return
    over = next((one for one in load["histogram"] if one["to_pct"] is None), None)
    if over and over["duration_s"] > 0:
        yield (
            "bad",
            voice.t(
                "point.over_rating",
                time=voice.duration(over["duration_s"]),
                rating=voice.exact(load["basis_w"], "w"),
            ),
        )
    peak = voice.value(document["summary"], "peak_1min_w")
    if peak is not None and peak < _LOW_LOAD * load["basis_w"]:
        yield (
            "warn",
            voice.t(
                "point.oversized",
                share=voice.share(100 * peak / load["basis_w"]),
                rating=voice.exact(load["basis_w"], "w"),
            ),
        )


def _imbalance(document: Document, voice: Voice) -> Iterator[tuple[str, str]]:
    hours = (document.get("imbalance") or {}).get("hours_above")
    if not hours or not hours["counted_s"]:
        return
    above = hours["hours"].get("20") or 0.0
    if above * 3600 > _UNEVEN_TIME * hours["counted_s"]:
        yield (
            "warn",
            voice.t(
                "point.imbalance", limit=voice.exact(_UNEVEN_PCT, "pct"), time=voice.duration(3600 * above)
            ),
        )


def _voltage(document: Document, voice: Voice) -> Iterator[tuple[str, str]]:
    voltage = (document.get("excursions") or {}).get("voltage")
    for one in (voltage or {}).get("limits", ()):
        if one["limit_pct"] >= 10 and one["count"]:  # noqa: PLR2004 - the wider limit
            key = f"point.voltage_{one['direction']}"
            yield (
                "warn",
                voice.t.count(
                    key,
                    one["count"],
                    worst=voice.say(one["worst_v"], "v"),
                    time=voice.seconds(one["duration_s"]),
                ),
            )


def _alarms(document: Document, voice: Voice) -> Iterator[tuple[str, str]]:
    alarms = [one for one in document.get("alarms") or () if one["level"] == "alarm"]
    if alarms:
        kinds = sorted({voice.t.word("alarms.names", one["name"]) for one in alarms})
        yield "bad", voice.t.count("point.alarms", len(alarms), names=", ".join(kinds[:4]))
    serious = [
        one
        for one in (document.get("occurrences") or {}).get("counts", ())
        if str(one["severity"]).lower() == "critical"
    ]
    if serious:
        number = sum(one["count"] for one in serious)
        names = ", ".join(voice.occurrence(one["type"]) for one in serious[:4])
        yield "bad", voice.t.count("point.occurrences", number, names=names)


def _battery(document: Document, voice: Voice) -> Iterator[tuple[str, str]]:
    soc = (document.get("battery") or {}).get("soc_pct") or {}
    low = value_of(soc.get("min"))
    if low is not None and low < _LOW_SOC_PCT:
        yield "warn", voice.t("point.soc", low=voice.say(low, "pct"))


_CHECKS: Final[tuple[Callable[[Document, Voice], Iterator[tuple[str, str]]], ...]] = (
    _coverage,
    _rating,
    _alarms,
    _voltage,
    _imbalance,
    _battery,
)
