"""What should be done otherwise next time, as words with figures. Pure.

Rules that must stay true here:
- a finding follows from figures of the report alone, and carries them and the limit that it was held
against;
- what was measured for less than 90 % of the time gives no advice on sizes, since a peak may hide in a gap;
- thresholds are below, each with its reason; advice comes before what is only good to know.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from reporter.event_members import Member, at
from reporter.facts import Document

# Festival studies found more than half of all sets over two times too big; 60 to 80 % is what makers advise.
OVERSIZED_PCT: Final = 50.0
WELL_SIZED_PCT: Final = 80.0
NEAR_RATING_PCT: Final = 90.0
FULL_PCT: Final = 100.0
SIZES_STEP_W: Final = 5_000.0
# Makers want 30 % at least (wet stacking); a quarter of the running time below it is worth a word.
LOW_LOAD_SHARE_PCT: Final = 25.0
LOW_LOAD_LEAST_S: Final = 3_600.0
# Above 20 % (NEMA form, of currents) the weakest phase has half of what the strongest has, nearly.
IMBALANCE_PCT: Final = 20.0
IDLE_PCT: Final = 15.0
IDLE_LEAST_S: Final = 1_800.0
DEEP_SOC_PCT: Final = 10.0
LOW_SOC_LEAST_S: Final = 1_800.0
SPARE_SOC_PCT: Final = 60.0
SPARE_CYCLES: Final = 0.3
COVERAGE_PCT: Final = 97.0
TRUSTED_PCT: Final = 90.0
POWER_FACTOR: Final = 0.85
_SEVERITIES: Final = ("warning", "advice", "info")


@dataclass(frozen=True, slots=True)
class Size:
    """Hold how much of its rating a system used."""

    system_id: str
    rated_w: float
    peak_w: float

    @property
    def used_pct(self) -> float:
        """Give the highest minute in percent of the rating."""
        return 100.0 * self.peak_w / self.rated_w


def findings(of: Sequence[Member]) -> list[Document]:
    """Give what was found in all systems, the gravest first; findings of a kind by system."""
    made = [found | {"system_id": member.system_id} for member in of for found in _of_system(member)]
    made += _swaps([size for member in of if (size := _size(member)) is not None])
    order = {word: index for index, word in enumerate(_SEVERITIES)}
    return sorted(made, key=lambda one: (order[one["severity"]], one["finding"], one["system_id"]))


def _of_system(member: Member) -> Iterator[Document]:
    document = max(member.documents, key=lambda one: float(one["window"]["duration_s"]))
    size = _size(member)
    if size is not None:
        yield from _fits(size)
    yield from _balance(document)
    yield from _power_factor(document)
    yield from _idle(member)
    yield from _generator(member)
    yield from _battery(member)
    yield from _data(member)


def _size(member: Member) -> Size | None:
    """Give rating and highest minute of any window; None without a rating or with too many gaps."""
    rated_w = member.newest("system", "rated_w")
    told = [one for one in member.told("summary", "peak_1min_w") if one["value"] is not None]
    if not rated_w or not told or min(one["coverage_pct"] for one in told) < TRUSTED_PCT:
        return None
    return Size(member.system_id, float(rated_w), max(float(one["value"]) for one in told))


def _fits(size: Size) -> Iterator[Document]:
    told = {"rated_w": size.rated_w, "peak_w": size.peak_w, "used_pct": size.used_pct}
    if 0 < size.used_pct < OVERSIZED_PCT:
        enough_w = ceil(100.0 * size.peak_w / WELL_SIZED_PCT / SIZES_STEP_W) * SIZES_STEP_W
        if enough_w < size.rated_w:
            yield _finding("oversized", "advice", **told, enough_w=enough_w, limit_pct=OVERSIZED_PCT)
    elif size.used_pct > FULL_PCT:
        yield _finding("over_rating", "warning", **told, limit_pct=FULL_PCT)
    elif size.used_pct >= NEAR_RATING_PCT:
        yield _finding("near_rating", "warning", **told, limit_pct=NEAR_RATING_PCT)


def _balance(document: Mapping[str, Any]) -> Iterator[Document]:
    mean_pct = at(document, "imbalance", "current_nema_pct", "mean")
    if mean_pct is None or mean_pct <= IMBALANCE_PCT:
        return
    shares = {
        phase: told["share_pct"]
        for phase, told in (document.get("phases") or {}).items()
        if told.get("share_pct") is not None
    }
    yield _finding(
        "imbalance",
        "advice",
        current_nema_pct=mean_pct,
        shares_pct=shares,
        heaviest=max(shares, key=lambda phase: shares[phase], default=None),
        lightest=min(shares, key=lambda phase: shares[phase], default=None),
        suggestion=at(document, "imbalance", "suggestion"),
        limit_pct=IMBALANCE_PCT,
    )


def _power_factor(document: Mapping[str, Any]) -> Iterator[Document]:
    factor = at(document, "summary", "power_factor_ratio", "value")
    if factor is not None and 0 < factor < POWER_FACTOR:
        yield _finding("low_power_factor", "info", power_factor_ratio=factor, limit_ratio=POWER_FACTOR)


def _idle(member: Member) -> Iterator[Document]:
    removed = [one for spans in member.told("window", "removed") for one in spans]
    idle_s = sum(float(one["duration_s"]) for one in removed)
    share_pct = 100.0 * idle_s / member.duration_s if member.duration_s > 0 else 0.0
    if idle_s >= IDLE_LEAST_S and share_pct >= IDLE_PCT:
        yield _finding(
            "idle",
            "advice",
            idle_s=idle_s,
            idle_pct=share_pct,
            energy_wh=sum(float(one["energy_wh"]) for one in removed),
            limit_pct=IDLE_PCT,
        )


def _generator(member: Member) -> Iterator[Document]:
    told = [one for one in member.told("genset") if at(one, "below_30_pct_s", "value") is not None]
    run_s = sum(float(one["run_s"]["value"] or 0.0) for one in told)
    low_s = sum(float(one["below_30_pct_s"]["value"]) for one in told)
    if run_s > 0 and low_s >= LOW_LOAD_LEAST_S and 100.0 * low_s / run_s > LOW_LOAD_SHARE_PCT:
        yield _finding(
            "generator_low_load",
            "warning",
            low_s=low_s,
            run_s=run_s,
            low_pct=100.0 * low_s / run_s,
            limit_pct=LOW_LOAD_SHARE_PCT,
        )


def _battery(member: Member) -> Iterator[Document]:
    lowest = [one for one in member.told("battery", "soc_pct", "min") if one["value"] is not None]
    if not lowest:
        return
    deepest = min(lowest, key=lambda one: float(one["value"]))
    low_s = sum(float(one) for one in member.told("battery", "below_20_pct_s", "value"))
    cycles = sum(float(one) for one in member.told("battery", "cycles", "value"))
    told = {"soc_min_pct": deepest["value"], "at": deepest.get("at")}
    if deepest["value"] < DEEP_SOC_PCT or low_s >= LOW_SOC_LEAST_S:
        yield _finding("deep_discharge", "warning", **told, below_20_pct_s=low_s, limit_pct=DEEP_SOC_PCT)
    elif deepest["value"] >= SPARE_SOC_PCT and cycles < SPARE_CYCLES:
        yield _finding("battery_hardly_used", "info", **told, cycles=cycles, limit_pct=SPARE_SOC_PCT)


def _data(member: Member) -> Iterator[Document]:
    if member.why == "no_power" or member.duration_s <= 0:
        return
    told = [(document["quality"], float(document["window"]["duration_s"])) for document in member.documents]
    coverage_pct = sum(one["coverage_pct"] * seconds for one, seconds in told) / member.duration_s
    if coverage_pct < COVERAGE_PCT:
        yield _finding(
            "coverage",
            "warning" if coverage_pct < TRUSTED_PCT else "advice",
            coverage_pct=coverage_pct,
            missing_s=sum(one["missing_s"] for one, _ in told),
            longest_gap_s=max(one["longest_gap_s"] for one, _ in told),
            limit_pct=COVERAGE_PCT,
        )


def _swaps(sizes: Sequence[Size]) -> list[Document]:
    """Pair what was near its rating with what was too big, where each could do the other's work well."""
    tight = sorted((one for one in sizes if one.used_pct >= NEAR_RATING_PCT), key=lambda one: -one.used_pct)
    free = sorted((one for one in sizes if one.used_pct < OVERSIZED_PCT), key=lambda one: one.rated_w)
    made = []
    for one in tight:
        other = next((two for two in free if _well(one.peak_w, two) and _well(two.peak_w, one)), None)
        if other is None:
            continue
        free.remove(other)
        made.append(
            _finding(
                "swap",
                "advice",
                system_id=one.system_id,
                other_system_id=other.system_id,
                used_pct=one.used_pct,
                would_use_pct=100.0 * one.peak_w / other.rated_w,
                other_used_pct=other.used_pct,
                other_would_use_pct=100.0 * other.peak_w / one.rated_w,
                limit_pct=WELL_SIZED_PCT,
            )
        )
    return made


def _well(peak_w: float, size: Size) -> bool:
    return 100.0 * peak_w <= WELL_SIZED_PCT * size.rated_w


def _finding(word: str, severity: str, **told: Any) -> Document:
    return {"finding": word, "severity": severity, **told}
