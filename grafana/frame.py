"""What every dashboard has: its address, variables, the shaded windows of events, and links to the others."""

from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import dashboard

from grafana.panels import SOURCE, Builder
from grafana.queries import ALIVE, named

FLEET, SYSTEM, EVENT, COUNTERS, PIPELINE = (
    "ovr-fleet",
    "ovr-system",
    "ovr-event",
    "ovr-counters",
    "ovr-pipeline",
)
FIELD, CLIENT = "ovr-field", "ovr-client"
TO_SYSTEM: Final = (
    "Open this system",
    f"/d/{SYSTEM}?var-system=${{__data.fields.system_id}}&${{__url_time_range}}",
)
OF_SERIES: Final = (
    "Open this system",
    f"/d/{SYSTEM}?var-system=${{__field.labels.system_id}}&${{__url_time_range}}",
)
ITS_PAGE: Final = ("Its page", "${url:raw}/#/system/${__data.fields.system_id}")
ITS_REPORT: Final = ("Report of the event", "${url:raw}/api/reports/${event_id:percentencode}/html")
Part = str | Builder


def frame(
    uid: str,
    title: str,
    about: str,
    parts: Sequence[Part],
    *,
    variables: Sequence[dashboards.QueryVariable] = (),
    windows: str | None = None,
    span: str = "now-6h",
    refresh: str = "30s",
    tags: Sequence[str] = (),
    linked: bool = True,
) -> dashboard.Dashboard:
    """Put a dashboard together.

    Args:
        uid: its address, for ever.
        title: of the page.
        about: which question it answers.
        parts: panels, and words that begin a row.
        variables: to choose by.
        windows: of which series the windows of events are shaded; None: of none.
        span: the range that is shown first.
        refresh: how often it asks again.
        tags: besides `ovr`.
        linked: show links to the others.
    """
    made = (
        dashboards.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["ovr", *tags])
        .readonly()
        .time(span, "now")
        .refresh(refresh)
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .variables([*variables, _url()])
    )
    if windows is not None:
        made = made.annotation(_windows(windows)).annotation(_changes(windows))
    if linked:
        made = made.link(
            dashboards.DashboardLink("Dashboards")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["ovr"])
            .as_dropdown(True)
            .keep_time(True)
        )
    for part in parts:
        made = made.with_row(dashboards.Row(part)) if isinstance(part, str) else made.with_panel(part)
    built = made.build()
    for place, panel in enumerate(built.panels or (), start=1):
        panel.id_val = place
    return built


def systems(*, many: bool = False) -> dashboards.QueryVariable:
    """Let people choose a system, or several."""
    found = _variable("system", "System", f"label_values({named(ALIVE)}, system_id)")
    if many:
        found = found.multi(True).include_all(True).all_value(".+")
    return found


def events() -> dashboards.QueryVariable:
    """Let people choose an event."""
    return _variable("event_id", "Event", "label_values(ovr_event_active, event_id)")


def _variable(name: str, label: str, query: str) -> dashboards.QueryVariable:
    return (
        dashboards.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .definition(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def _url() -> dashboards.QueryVariable:
    """Learn from the node where its pages are, for links to reports and systems."""
    return _variable("url", "Pages", "label_values(ovr_web_url, url)").hide(
        dashboard.VariableHide.HIDE_VARIABLE
    )


def _windows(labels: str) -> dashboards.AnnotationQuery:
    """Shade the time in which an event is active: points that are at most a step apart become one region."""
    return (
        dashboards.AnnotationQuery()
        .name("Windows")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("rgba(86, 166, 75, 0.25)")
        .expr(f"ovr_event_active{{{labels}}} == 1")
        .step("1s")
        .title_format("{{event_id}}")
        .text_format("{{system_id}} at {{location}}")
        .tag_keys("event_id,system_id,location")
    )


def _changes(labels: str) -> dashboards.AnnotationQuery:
    """Mark the second in which a window starts, moves or ends."""
    return (
        dashboards.AnnotationQuery()
        .name("Starts and ends")
        .datasource(SOURCE)
        .enable(False)
        .icon_color("orange")
        .expr(f"changes(ovr_event_active{{{labels}}}[1s]) != 0")
        .step("1s")
        .title_format("{{event_id}}")
        .text_format("{{system_id}} at {{location}}")
        .tag_keys("system_id")
    )
