"""Counters and health: what occurred how often, who is in a bad state, which alerts stand."""

from grafana_foundation_sdk.models import dashboard

from grafana.frame import COUNTERS, OF_SERIES, TO_SYSTEM, frame, systems
from grafana.panels import CLEAR, GREEN, RED, YELLOW, Query, graph, number, rows, timeline
from grafana.queries import of

_GRADES = ((None, RED), (60, YELLOW), (80, GREEN))


def counters() -> dashboard.Dashboard:
    """Build it."""
    total = f"ovr_ups_events_total{{{of()}}}"
    return frame(
        COUNTERS,
        "Counters and health",
        "UPS-style occurrences, the health score made of them, and alerts. The counters' own reports: `ovr counters`.",
        [
            number(
                "Worst health",
                "The lowest score: 100 less 10, 5 or 2 for each critical, error or warning of the last seven days.",
                "none",
                Query(f"min(ovr_health_score{{{of()}}})"),
                steps=_GRADES,
                none="nothing occurred",
                wide=6,
            ),
            number(
                "Alerts that stand",
                "Raised and not cleared: something occurs too often.",
                "none",
                Query(f"sum(ovr_alert_active{{{of()}}}) or vector(0)"),
                steps=((None, GREEN), (1, RED)),
                wide=6,
            ),
            number(
                "Critical in the range",
                "Occurrences of severity critical: output lost, battery critical, over-voltage, thermal shutdown.",
                "none",
                Query(
                    f'sum(increase(ovr_ups_events_total{{{of()},severity="critical"}}[$__range])) or vector(0)'
                ),
                steps=((None, GREEN), (1, RED)),
                wide=6,
            ),
            number(
                "Power losses in the range",
                "How often the AC input was lost, of all chosen systems.",
                "none",
                Query(
                    f'sum(increase(ovr_ups_events_total{{{of()},type="AC_POWER_LOSS"}}[$__range])) or vector(0)'
                ),
                steps=((None, GREEN), (1, YELLOW)),
                wide=6,
            ),
            graph(
                "Health by system",
                "The lowest of each step. It recovers by itself seven days after the last occurrence.",
                "none",
                Query(
                    f"min by (system_id) (min_over_time(ovr_health_score{{{of()}}}[$__interval]))",
                    "{{system_id}}",
                ),
                steps=_GRADES,
                interval="1m",
                bounds=(0, 100),
                links=(OF_SERIES,),
            ),
            timeline(
                "Alerts",
                "When each alert stood.",
                Query(f"ovr_alert_active{{{of()}}}", "{{system_id}} · {{alert}}"),
                texts={"0": ("", CLEAR), "1": ("active", RED)},
                interval="1m",
                wide=12,
                high=8,
                links=(OF_SERIES,),
            ),
            graph(
                "Occurrences over time",
                "How many of each type in each step; one that comes again and again has one cause.",
                "short",
                Query(f"sum by (type) (increase({total}[$__interval])) > 0", "{{type}}"),
                interval="1m",
                style="bars",
                wide=24,
            ),
            rows(
                "Occurrences by system and type",
                "In the range, and since the first event of the journal. `ovr counters history` lists single ones.",
                ("system_id", "type", "severity"),
                Query(f"sum by (system_id, type, severity) (increase({total}[$__range]))", "in the range"),
                Query(f"max by (system_id, type, severity) ({total})", "total"),
                sort="in the range",
                links={"system_id": (TO_SYSTEM,)},
            ),
        ],
        variables=[systems(many=True)],
        span="now-7d",
        refresh="1m",
        tags=["operations"],
    )
