"""Alerts against a plain recount, whatever the order of events, the batches and the restarts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from detection.limits import Limit, LimitsOf, limits_of
from tests.alerting import HOUR, alerted, limits, occurred, reset, tick
from tests.laws import examples
from tests.streams import BASE_US, S, Said

SYSTEMS = ("rig_01", "rig_02")
TYPES = ("ac_power_loss", "i2c_error")
NAMES = {f"ups.{one}" for one in TYPES}
times = st.integers(0, 60).map(lambda n: n * HOUR / 4)

occurrences = st.builds(
    occurred,
    times,
    st.sampled_from(TYPES),
    st.sampled_from(SYSTEMS),
    st.sampled_from(["confirmed"] * 4 + ["edge"]),
)
resets = st.builds(
    lambda at_s, system, types: reset(at_s, system, *types),
    times,
    st.sampled_from([*SYSTEMS, "all"]),
    st.sampled_from([(), ("i2c_error",)]),
)
ticks = st.builds(tick, times)
streams = st.lists(st.one_of(*[occurrences] * 8, ticks, ticks, resets), max_size=60)
bursts = streams.map(lambda said: sorted(said, key=lambda one: one.at_s))
most = st.integers(0, 6)
rules = st.builds(
    lambda hourly, daily, errors: limits(
        ac_power_loss={"hourly": hourly, "daily": daily}, i2c_error={"hourly": errors}
    ),
    most,
    most,
    most,
)
Told = tuple[str, str, str, int, int]


@given(st.one_of(streams, bursts), rules)
def test_alerts_are_what_a_recount_gives(said: list[Said], limits_of: LimitsOf) -> None:
    told = [
        (event.type, event.subject, event.data["alert"], event.time_us, event.data["count"])
        for event in alerted(said, limits_of)
    ]

    assert sorted(told) == sorted(Recount(limits_of).of(said))


@examples(20)
@given(streams, rules, st.lists(st.integers(1, 7), max_size=30))
def test_batches_and_restarts_change_nothing(
    said: list[Said], limits_of: LimitsOf, batches: list[int]
) -> None:
    assert alerted(said, limits_of, batches=batches) == alerted(said, limits_of)


@given(bursts, rules)
def test_an_alert_comes_and_goes_in_turn_and_not_for_a_single_occurrence(
    said: list[Said], limits_of: LimitsOf
) -> None:
    told = alerted(said, limits_of)

    for system in SYSTEMS:
        for limit in limits_of(system):
            own = [one for one in told if one.subject == system and one.data["alert"] == limit.alert]
            assert [one.type for one in own] == [
                "alert.cleared" if n % 2 else "alert.raised" for n in range(len(own))
            ]
            for cleared, raised in zip(own[1::2], own[2::2], strict=False):
                assert cleared.time_us <= raised.time_us
                assert raised.data["count"] - cleared.data["count"] >= (2 if limit.most else 1)
    assert len({one.id for one in told}) == len(told)


@dataclass
class Recount:
    """Counts everything anew at every event, and remembers only which alerts stand."""

    limits_of: LimitsOf
    clock_us: int = 0
    since_us: int = 0
    recorded_us: int = 0
    seen: list[Said] = field(default_factory=list)
    standing: set[tuple[str, str]] = field(default_factory=set)

    def of(self, said: Sequence[Said]) -> Iterator[Told]:
        for one in said:
            self.recorded_us = us(one) + S
            self.since_us, self.clock_us = self.clock_us, max(self.clock_us, self.recorded_us)
            yield from self.each(self.over)
            self.seen.append(one)
            self.since_us = self.clock_us
            yield from self.each(self.over)
            yield from self.each(self.begins)

    def each(self, ask: Callable[[str, Limit], Iterator[Told]]) -> Iterator[Told]:
        for system in SYSTEMS:
            for limit in self.limits_of(system):
                yield from ask(system, limit)

    def over(self, system: str, limit: Limit) -> Iterator[Told]:
        """Look for the first moment of a stretch of time at which it is calm."""
        if (system, limit.alert) not in self.standing:
            return
        ends = {time_us + limit.period_us for time_us in self.counted(system, limit)} | {self.clock_us}
        for now_us in sorted(one for one in ends if self.since_us <= one <= self.clock_us):
            if (count := self.count(system, limit, now_us)) <= limit.calm:
                self.standing.remove((system, limit.alert))
                yield "alert.cleared", system, limit.alert, min(now_us, self.recorded_us), count
                return

    def begins(self, system: str, limit: Limit) -> Iterator[Told]:
        count = self.count(system, limit, self.clock_us)
        if (system, limit.alert) not in self.standing and count > limit.most:
            self.standing.add((system, limit.alert))
            yield "alert.raised", system, limit.alert, self.recorded_us, count

    def count(self, system: str, limit: Limit, now_us: int) -> int:
        return sum(now_us - limit.period_us < one for one in self.counted(system, limit))

    def counted(self, system: str, limit: Limit) -> list[int]:
        reset_us = max(
            (
                us(one)
                for one in self.seen
                if one.type == "counters.reset"
                and one.subject in {system, "all"}
                and limit.counted in one.data.get("types", NAMES)
            ),
            default=0,
        )
        return [
            us(one)
            for one in self.seen
            if one.type == limit.counted
            and one.subject == system
            and one.data["stage"] == "confirmed"
            and us(one) >= reset_us
        ]


def us(one: Said) -> int:
    return BASE_US + round(one.at_s * S)


@given(st.integers(0, 1_000_000))
def test_calm_is_below_the_limit_by_a_fifth_and_at_least_one(number: int) -> None:
    (limit,) = limits_of({"ups.i2c_error": {"daily": number}})("rig_01")

    assert limit.calm == max(0, number - max(1, -(-number // 5)))
    assert limit.calm < number or number == 0
