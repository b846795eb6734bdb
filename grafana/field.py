"""Field: what a technician looks at on a phone; one column, the worst first."""

from grafana_foundation_sdk.models import dashboard

from grafana import queries
from grafana.frame import FIELD, ITS_PAGE, OF_SERIES, TO_SYSTEM, frame
from grafana.panels import CLEAR, GREEN, RED, YELLOW, Query, graph, rows, timeline
from grafana.queries import POWER, SOC, STALE_S


def field() -> dashboard.Dashboard:
    """Build it."""
    return frame(
        FIELD,
        "Field",
        "For a phone beside the machines. To start and end events use the node's own pages: this only shows.",
        [
            rows(
                "Systems",
                "The longest silent on top. Empty cells: nothing newer than a minute.",
                ("system_id",),
                Query(queries.age(), "age", "s", ((None, GREEN), (15, YELLOW), (STALE_S, RED))),
                Query(queries.last(SOC), "battery", "percent", ((None, RED), (20, YELLOW), (40, GREEN))),
                Query(queries.last(POWER), "power", "watt"),
                Query("sum by (system_id) (ovr_alert_active)", "alerts", "none", ((None, CLEAR), (1, RED))),
                sort="age",
                links={"system_id": (TO_SYSTEM, ITS_PAGE)},
                high=10,
            ),
            timeline(
                "Events under way",
                "Which system is in which window, and where.",
                Query("ovr_event_active", "{{system_id}} · {{event_id}} · {{location}}"),
                texts={"0": ("", CLEAR), "1": ("active", GREEN)},
                interval="30s",
            ),
            graph(
                "Battery",
                "The lowest of each step.",
                "percent",
                Query(queries.lowest(SOC), "{{system_id}}"),
                steps=((None, GREEN), (20, YELLOW), (10, RED)),
                bounds=(0, 100),
                wide=24,
                links=(OF_SERIES,),
            ),
            graph(
                "Power",
                "The highest of each step.",
                "watt",
                Query(queries.highest(POWER), "{{system_id}}"),
                wide=24,
                links=(OF_SERIES,),
            ),
        ],
        span="now-1h",
        refresh="10s",
        tags=["field"],
    )
