"""One event: who takes part, since when and where, and how they do."""

from grafana_foundation_sdk.models import dashboard

from grafana import queries
from grafana.frame import EVENT, ITS_REPORT, OF_SERIES, Part, events, frame
from grafana.panels import BLUE, CLEAR, GREEN, RED, YELLOW, Query, graph, number, rows, timeline
from grafana.queries import POWER, SOC, STALE_S

_OF = 'event_id="$event_id"'
_WINDOW = {"0": ("", CLEAR), "1": ("active", GREEN)}
# The window itself, in the milliseconds that Grafana's addresses take.
_TO_WINDOW = (
    "This system, in its window",
    "/d/ovr-system?var-system=${__data.fields.system_id}&from=${__data.fields.from.numeric}&to=${__data.fields.to.numeric}",
)
_SYSTEM_REPORT = (
    "Report of this system",
    "${url:raw}/api/reports/${event_id:percentencode}/html?system_id=${__data.fields.system_id}",
)


def event() -> dashboard.Dashboard:
    """Build it."""
    return frame(
        EVENT,
        "Event",
        "All systems of one event. For a past event choose its time range first: what is asked is in the range.",
        [*_now(), "Systems", *members(), "Over time", *courses(), "What occurred", *_occurred()],
        variables=[events()],
        windows=_OF,
        span="now-24h",
        tags=["operations"],
    )


def _now() -> list[Part]:
    return [
        number(
            "Taking part now",
            "Systems whose window is active. 0 in the middle of the event means that somebody ended it.",
            "none",
            Query(f"count(max by (system_id) (ovr_event_active{{{_OF}}}) == 1) or vector(0)"),
            steps=((None, BLUE),),
            links=(ITS_REPORT,),
        ),
        number(
            "In the range",
            "Systems that took part at any time of the range.",
            "none",
            Query(
                f"count(count by (system_id) (max_over_time(ovr_event_active{{{_OF}}}[$__range]))) or vector(0)"
            ),
            steps=((None, BLUE),),
            links=(ITS_REPORT,),
        ),
        number(
            "Silent now",
            f"Systems of the event of which nothing was read for {STALE_S} s. Each is a hole in the report.",
            "none",
            Query(queries.counted(queries.within(f"(({queries.age()}) > {STALE_S})"))),
            steps=((None, GREEN), (1, RED)),
        ),
        number(
            "Lowest battery",
            "The lowest state of charge among those that take part.",
            "percent",
            Query(f"min({queries.within(queries.last(SOC))})"),
            steps=((None, RED), (20, YELLOW), (40, GREEN)),
        ),
        number(
            "Highest power",
            "Of a single system, in the range, while the windows were active. The event's total is in its report.",
            "watt",
            Query(f"max(max_over_time(({queries.within(queries.highest(POWER))})[$__range:$__interval]))"),
            steps=((None, BLUE),),
        ),
        number(
            "Alerts that stand",
            "Of the systems that take part.",
            "none",
            Query(f"sum({queries.within('max by (system_id) (ovr_alert_active)')}) or vector(0)"),
            steps=((None, GREEN), (1, RED)),
        ),
    ]


def members() -> list[Part]:
    """Who takes part, with links into each window."""
    started = f"1000 * min by (system_id) (tfirst_over_time(ovr_event_active{{{_OF}}}[$__range]))"
    ended = f"1000 * max by (system_id) (tlast_over_time(ovr_event_active{{{_OF}}}[$__range]))"
    return [
        rows(
            "Systems of the event",
            "When each window began and when it ended, or was last seen active, within the range. The links open the "
            "system with exactly that time, and its report.",
            ("system_id",),
            Query(started, "from", "dateTimeAsIso"),
            Query(ended, "to", "dateTimeAsIso"),
            Query(f"max by (system_id) (ovr_event_active{{{_OF}}})", "active", "none"),
            Query(
                f"{queries.age()} and on (system_id) max by (system_id) (max_over_time(ovr_event_active{{{_OF}}}[$__range]))",
                "age of data",
                "s",
                ((None, GREEN), (15, YELLOW), (STALE_S, RED)),
            ),
            Query(queries.within(queries.last(POWER)), "power", "watt"),
            Query(
                queries.within(queries.last(SOC)),
                "state of charge",
                "percent",
                ((None, RED), (20, YELLOW), (40, GREEN)),
            ),
            sort="power",
            links={"system_id": (_TO_WINDOW, _SYSTEM_REPORT)},
        )
    ]


def courses() -> list[Part]:
    """How the event went."""
    return [
        timeline(
            "Windows and locations",
            "A bar for each system and location, from start to end.",
            Query(f"ovr_event_active{{{_OF}}}", "{{system_id}} · {{location}}"),
            texts=_WINDOW,
            interval="30s",
            high=7,
        ),
        graph(
            "Power by system, while it takes part",
            "The highest of each step. A meter and what is behind it both count: do not add them up.",
            "watt",
            Query(queries.within(queries.highest(POWER)), "{{system_id}}"),
            links=(OF_SERIES,),
        ),
        graph(
            "State of charge, while it takes part",
            "The lowest of each step.",
            "percent",
            Query(queries.within(queries.lowest(SOC)), "{{system_id}}"),
            steps=((None, GREEN), (20, YELLOW), (10, RED)),
            bounds=(0, 100),
            links=(OF_SERIES,),
        ),
    ]


def _occurred() -> list[Part]:
    return [
        graph(
            "Occurrences",
            "Of the systems that take part: power losses, low batteries, faults; how many in each step.",
            "short",
            Query(
                "sum by (type) (increase(ovr_ups_events_total[$__interval]) "
                f"and on (system_id) {queries.during()}) > 0",
                "{{type}}",
            ),
            interval="1m",
            style="bars",
        ),
        graph(
            "Generator power",
            "Of generators on systems that take part.",
            "watt",
            Query(queries.within(queries.highest(".+_genset_power_w")), "{{system_id}}"),
        ),
    ]
