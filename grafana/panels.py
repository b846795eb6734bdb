"""The few kinds of panel that the dashboards are made of.

Rules that must stay true here:
- every panel has a title, a unit and a description, which says what to do when it looks bad;
- lines end where data ends: nothing is connected over a gap (Grafana knows one by the query's own step);
- colours mean something only where a threshold is stated: green is well, yellow is look, red is act.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

UID: Final = "vm"
SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid=UID)
GREEN, YELLOW, RED, BLUE, GREY, CLEAR = "green", "yellow", "red", "blue", "#6e7079", "transparent"
Builder = timeseries.Panel | stat.Panel | statetimeline.Panel | table.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, statetimeline.Panel, table.Panel)
Steps = Sequence[tuple[float | None, str]]
Texts = Mapping[str, tuple[str, str]]
_LETTERS: Final = "ABCDEFGHIJKLMN"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked.

    Attributes:
        expr: PromQL.
        legend: how a series is called, with {{label}}; the column in a table.
        unit: of a table's column.
        steps: of a table's column.
    """

    expr: str
    legend: str = ""
    unit: str = "short"
    steps: Steps = ()


def graph(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    steps: Steps = (),
    interval: str = "10s",
    wide: int = 12,
    high: int = 8,
    bounds: tuple[float | None, float | None] = (None, None),
    style: str = "line",
    links: Sequence[tuple[str, str]] = (),
) -> timeseries.Panel:
    """Draw lines over time, or with the style `bars` counts."""
    panel = timeseries.Panel().line_width(1).span_nulls(False)
    panel = panel.show_points(common.VisibilityMode.AUTO).fill_opacity(0 if style == "line" else 25)
    if style == "bars":
        panel = panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(70)
    if steps:
        lines = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds_style(lines)
    panel = panel.legend(
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    ).tooltip(
        common_builders.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
    low, top = bounds
    panel = panel if low is None else panel.min(low)
    panel = panel if top is None else panel.max(top)
    return _finish(panel, title, about, unit, queries, steps, interval, wide, high, links)


def number(
    title: str,
    about: str,
    unit: str,
    query: Query,
    *,
    steps: Steps = ((None, GREEN),),
    wide: int = 4,
    high: int = 4,
    none: str = "no data",
    texts: Texts | None = None,
    name: bool = False,
    links: Sequence[tuple[str, str]] = (),
) -> stat.Panel:
    """Show one number as it is now, with a colour that says whether it is well."""
    panel = (
        stat.Panel()
        .no_value(none)
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.NAME if name else common.BigValueTextMode.AUTO)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    if texts:
        panel = panel.mappings([_texts(texts)])
    return _finish(panel, title, about, unit, (query,), steps, None, wide, high, links, instant=True)


def timeline(
    title: str,
    about: str,
    *queries: Query,
    texts: Texts,
    interval: str = "10s",
    wide: int = 24,
    high: int = 6,
    merge: bool = True,
    links: Sequence[tuple[str, str]] = (),
) -> statetimeline.Panel:
    """Show states as bars over time; a hole in a bar is a time of which nothing is known."""
    panel = (
        statetimeline.Panel()
        .merge_values(merge)
        .show_value(common.VisibilityMode.AUTO)
        .align_value(common.TimelineValueAlignment.LEFT)
        .row_height(0.8)
        .span_nulls(False)
        .mappings([_texts(texts)])
        .legend(common_builders.VizLegendOptions().show_legend(False).calcs([]))
        .color_scheme(dashboards.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
    )
    return _finish(panel, title, about, "none", queries, ((None, CLEAR),), interval, wide, high, links)


def rows(
    title: str,
    about: str,
    by: Sequence[str],
    *columns: Query,
    sort: str | None = None,
    hidden: Sequence[str] = (),
    links: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    wide: int = 24,
    high: int = 9,
) -> table.Panel:
    """Make a table of instant queries, one column each, joined by labels.

    Args:
        title: of the panel.
        about: its description.
        by: the labels that name a row, in their order.
        columns: what is asked; every result has these labels.
        sort: by this column, the largest first.
        hidden: columns that only links use.
        links: by column.
        wide: of 24.
        high: in units of the grid.
    """
    panel = table.Panel().show_header(True).cell_height(common.TableCellHeight.SM).filterable(False)
    names = {f"Value #{_LETTERS[place]}": column.legend for place, column in enumerate(columns)}
    if len(columns) == 1:
        names = {"Value": columns[0].legend}  # as Grafana calls the only one
    order = {name: place for place, name in enumerate((*by, *names))}
    panel = panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names},
        )
    )
    for column in columns:
        said = [_set("unit", column.unit)]
        if column.steps:
            said.append(_set("thresholds", {"mode": "absolute", "steps": _steps_json(column.steps)}))
            said.append(_set("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
        panel = panel.override_by_name(column.legend, said)
    for name in hidden:
        panel = panel.override_by_name(name, [_set("custom.hidden", True)])
    for name, targets in (links or {}).items():
        found = [{"title": text, "url": url} for text, url in targets]
        panel = panel.override_by_name(name, [_set("links", found)])
    if sort is not None:
        panel = panel.sort_by([common_builders.TableSortByFieldState().display_name(sort).desc(True)])
    return _finish(
        panel, title, about, "short", columns, (), None, wide, high, (), instant=True, tabular=True
    )


def _finish(
    panel: P,
    title: str,
    about: str,
    unit: str,
    queries: Sequence[Query],
    steps: Steps,
    interval: str | None,
    wide: int,
    high: int,
    links: Sequence[tuple[str, str]],
    *,
    instant: bool = False,
    tabular: bool = False,
) -> P:
    panel = panel.title(title).description(about).unit(unit).datasource(SOURCE).span(wide).height(high)
    if interval is not None:
        panel = panel.interval(interval)
    if steps:
        thresholds = dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE)
        panel = panel.thresholds(
            thresholds.steps([dashboard.Threshold(value, colour) for value, colour in steps])
        )
    if links:
        panel = panel.data_links([dashboards.DashboardLink(text).url(url) for text, url in links])
    for place, query in enumerate(queries):
        asked = prometheus.Dataquery().expr(query.expr).ref_id(_LETTERS[place]).datasource(SOURCE)
        asked = asked.instant() if instant else asked.range()
        if tabular:
            asked = asked.format(PromQueryFormat.TABLE)
        elif query.legend:
            asked = asked.legend_format(query.legend)
        panel = panel.with_target(asked)
    return panel


def _texts(texts: Texts) -> dashboard.ValueMapping:
    return dashboard.ValueMap(
        {
            value: dashboard.ValueMappingResult(text=text, color=colour, index=place)
            for place, (value, (text, colour)) in enumerate(texts.items())
        }
    )


def _set(name: str, value: object) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(name, value)


def _steps_json(steps: Steps) -> list[dict[str, object]]:
    return [{"value": value, "color": colour} for value, colour in steps]
