"""What operators do on a simulated site, as events: each once, at its time, whatever is restarted. Pure."""

from collections.abc import Iterator
from math import floor
from uuid import NAMESPACE_OID, uuid5

from bus.envelope import Envelope
from producers.simulator.scenario import Scenario
from producers.simulator.timeline import DAY_S


def due(scenario: Scenario, after_s: float, upto_s: float, origin_us: int, source: str) -> Iterator[Envelope]:
    """Give the actions of a stretch of time, in order.

    Args:
        scenario: what is to be done.
        after_s: a time of the scenario; what is due at it is not given.
        upto_s: another, whose actions are given.
        origin_us: the time at which the scenario's clock showed zero: with it an id is the same in every run.
        source: of the events.
    """
    days = range(floor(after_s / DAY_S), floor(upto_s / DAY_S) + 1)
    times = sorted(
        (day * DAY_S + action.at_s, number) for day in days for number, action in enumerate(scenario.actions)
    )
    for time_s, number in times:
        if after_s < time_s <= upto_s:
            action = scenario.actions[number]
            time_us = origin_us + round(time_s * 1e6)
            yield Envelope(
                id=str(uuid5(NAMESPACE_OID, f"{source}/{scenario.name}/{number}/{time_us}")),
                source=source,
                type=action.type,
                subject=action.on,
                time_us=time_us,
                data=action.data,
            )
