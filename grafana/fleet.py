"""Fleet overview: what is wrong now, who is silent, what runs for which event."""

from grafana_foundation_sdk.models import dashboard

from grafana import queries
from grafana.frame import FLEET, ITS_PAGE, OF_SERIES, TO_SYSTEM, Part, frame
from grafana.panels import CLEAR, GREEN, RED, YELLOW, Query, graph, number, rows, timeline
from grafana.queries import POWER, SOC, STALE_S

_WINDOW = {"0": ("", CLEAR), "1": ("active", GREEN)}
_HEARD = {"1": ("data", GREEN), "0": ("silent", RED)}
_AGES = ((None, GREEN), (15, YELLOW), (STALE_S, RED))


def fleet() -> dashboard.Dashboard:
    """Build it."""
    return frame(
        FLEET,
        "Fleet overview",
        "Start here. Red numbers first, then the table: the systems that have been silent longest stand on top.",
        [*_wrong(), "Systems", *_systems(), "Events and data over time", *_time(), "Map tiles", *_tiles()],
        span="now-3h",
        tags=["operations"],
    )


def _wrong() -> list[Part]:
    silent = f"({queries.age()}) > {STALE_S}"
    bad = ((None, GREEN), (1, RED))
    return [
        number(
            "Silent systems",
            f"Systems of which nothing was read for {STALE_S} s, and something within the last day. Look at their "
            "device and cable; when all of one node are silent, at the node.",
            "none",
            Query(queries.counted(silent)),
            steps=bad,
        ),
        number(
            "Alerts that stand",
            "Something occurs too often: `ovr alert` raised it, and has not cleared it. The table below names them.",
            "none",
            Query("count(ovr_alert_active == 1) or vector(0)"),
            steps=bad,
        ),
        number(
            "Processes not working",
            "Of this node: recorder, projectors, producers, broker. `ovr status` says why; see Pipeline.",
            "none",
            Query("count(ovr_process_online == 0) or vector(0)"),
            steps=bad,
        ),
        number(
            "Newest data",
            "How long ago anything at all was read. More than some seconds means that nothing is recorded, or that "
            "nothing reaches VictoriaMetrics: every other panel is then of the past.",
            "s",
            Query(f"min({queries.age()})"),
            steps=_AGES,
        ),
        number(
            "Fullest disk",
            "The disk that the data is on, of the fullest node. At 95 % the recorder soon takes no more samples.",
            "percent",
            Query('max(last_over_time(host_disk_used_pct{system_id!=""}[10m]))'),
            steps=((None, GREEN), (85, YELLOW), (95, RED)),
        ),
        number(
            "Events under way",
            "Events of which at least one system's window is active now.",
            "none",
            Query("count(count by (event_id) (ovr_event_active == 1)) or vector(0)"),
            steps=((None, "blue"),),
        ),
    ]


def _systems() -> list[Part]:
    return [
        rows(
            "Systems",
            "One line a system of the last day. The age is that of its newest reading, an hour standing for an hour "
            "or longer: the other columns are empty when that is older "
            "than a minute, never old numbers. Click a system for its dashboard, with this time range.",
            ("system_id",),
            Query(queries.age(), "age", "s", _AGES),
            Query(queries.last(POWER), "power", "watt"),
            Query(queries.last(SOC), "state of charge", "percent", ((None, RED), (20, YELLOW), (40, GREEN))),
            Query(
                "max by (system_id) (ovr_health_score)",
                "health",
                "none",
                ((None, RED), (60, YELLOW), (80, GREEN)),
            ),
            Query("sum by (system_id) (ovr_alert_active)", "alerts", "none", ((None, CLEAR), (1, RED))),
            Query("count by (system_id) (ovr_event_active == 1)", "active windows", "none"),
            sort="age",
            links={"system_id": (TO_SYSTEM, ITS_PAGE)},
            wide=16,
            high=10,
        ),
        rows(
            "Alerts that stand",
            "Occurrences that come too often; what is allowed is configured in [alerts]. Empty is good.",
            ("system_id", "alert", "severity"),
            Query("max by (system_id, alert, severity) (ovr_alert_active) > 0", "active"),
            links={"system_id": (TO_SYSTEM,)},
            wide=8,
            high=10,
        ),
    ]


def _time() -> list[Part]:
    return [
        timeline(
            "Which system works for which event",
            "A bar from the start of a window to its end; a new bar where the location changes.",
            Query("ovr_event_active", "{{system_id}} · {{event_id}} · {{location}}"),
            texts=_WINDOW,
            interval="30s",
        ),
        timeline(
            "Data received",
            "Whether anything of a system was read in each step. Red is an outage of the device, its cable or its "
            "node; all red at once is one of the recorder or of VictoriaMetrics.",
            Query(
                "(count by (system_id) (count_over_time("
                + queries.named(queries.ALIVE)
                + "[$__interval])) > bool 0)"
                " or (0 * count by (system_id) (count_over_time("
                + queries.named(queries.ALIVE)
                + "[$__range])))",
                "{{system_id}}",
            ),
            texts=_HEARD,
            interval="15s",
            high=7,
            links=(OF_SERIES,),
        ),
        graph(
            "Power by system",
            "The highest of each step. Meters and the systems behind them both count what passes: do not add them up; "
            "the event's report knows what is behind what.",
            "watt",
            Query(queries.highest(POWER), "{{system_id}}"),
            links=(OF_SERIES,),
        ),
        graph(
            "State of charge",
            "The lowest of each step. Below 20 % somebody has to act: charge, shed load, start the generator.",
            "percent",
            Query(queries.lowest(SOC), "{{system_id}}"),
            steps=((None, GREEN), (20, YELLOW), (10, RED)),
            bounds=(0, 100),
            links=(OF_SERIES,),
        ),
    ]


def _tiles() -> list[Part]:
    return [
        number(
            "Mapbox tiles this month",
            "Map tiles of the UTC month, of all nodes whose figures are here; 750,000 are free.",
            "short",
            Query('sum(map_tiles_month_total{provider="mapbox"})'),
            steps=((None, GREEN), (600_000, YELLOW), (712_500, RED)),
            wide=6,
        ),
        number(
            "Esri tiles this month",
            "Map tiles of the UTC month, of all nodes whose figures are here; 2,000,000 are free.",
            "short",
            Query('sum(map_tiles_month_total{provider="esri"})'),
            steps=((None, GREEN), (1_600_000, YELLOW), (1_900_000, RED)),
            wide=6,
        ),
        graph(
            "Part of the free map tiles",
            "At the limit (95 %) the provider is blocked, and the other one is used.",
            "percentunit",
            Query("max by (provider) (map_tiles_month_pct)", "{{provider}}"),
            steps=((None, GREEN), (0.8, YELLOW), (0.95, RED)),
            interval="1m",
            high=4,
            bounds=(0, None),
        ),
    ]
