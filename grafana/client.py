"""Client: one event for the people who paid for the power; nothing of other events, and no internals.

`grafana/client-dashboard EVENT_ID` makes one for an event, in which nothing can be chosen.
"""

from grafana_foundation_sdk.models import dashboard

from grafana import queries
from grafana.frame import CLIENT, events, frame
from grafana.panels import BLUE, CLEAR, GREEN, Query, graph, number, timeline
from grafana.queries import POWER, SOC

_OF = 'event_id="$event_id"'


def client() -> dashboard.Dashboard:
    """Build it."""
    return frame(
        CLIENT,
        "Power at your event",
        "Live readings while the event runs. What is billed is in the report, which is made when it ends.",
        [
            number(
                "Systems at work",
                "Power systems and meters that take part now.",
                "none",
                Query(f"count(max by (system_id) (ovr_event_active{{{_OF}}}) == 1) or vector(0)"),
                steps=((None, BLUE),),
                wide=8,
            ),
            number(
                "Lowest battery",
                "The lowest state of charge among them.",
                "percent",
                Query(f"min({queries.within(queries.last(SOC))})"),
                steps=((None, BLUE),),
                wide=8,
            ),
            number(
                "Sun, now",
                "What the panels of the event's systems give.",
                "watt",
                Query(f"sum({queries.within(queries.last('.+_pv_power_w'))}) or vector(0)"),
                steps=((None, BLUE),),
                wide=8,
            ),
            timeline(
                "Where the systems work",
                "A bar for each system and place.",
                Query(f"ovr_event_active{{{_OF}}}", "{{system_id}} · {{location}}"),
                texts={"0": ("", CLEAR), "1": ("at work", GREEN)},
                interval="30s",
            ),
            graph(
                "Power by system",
                "The highest of each step. A meter and the system before it see the same power: they do not add up.",
                "watt",
                Query(queries.within(queries.highest(POWER)), "{{system_id}}"),
                wide=24,
            ),
            graph(
                "Batteries",
                "How full they are.",
                "percent",
                Query(queries.within(queries.lowest(SOC)), "{{system_id}}"),
                bounds=(0, 100),
                wide=12,
            ),
            graph(
                "Sun and generators",
                "Where the power comes from besides the grid.",
                "watt",
                Query(f"sum({queries.within(queries.highest('.+_pv_power_w'))})", "sun"),
                Query(f"sum({queries.within(queries.highest('.+_genset_power_w'))})", "generators"),
                wide=12,
            ),
        ],
        variables=[events()],
        span="now-12h",
        refresh="1m",
        tags=["client"],
        linked=False,
    )
