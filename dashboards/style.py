"""How every dashboard looks: its variables, links and annotations, and the few kinds of panels there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import TypeAlias

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SELECTED = 'job=~"$job",instance=~"$instance"'
"""Matches what the variables of every dashboard select."""

OF_TABLE = f'{SELECTED},table=~"$table"'
"""The same, for metrics that have the label ``table``."""

TAG = "understudy"
SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#8e8e8e"

MODES = {"upstream": GREY, "shadow": BLUE, "canary": ORANGE, "engine": GREEN}
"""The colour of each mode, in the order in which a table goes through them."""

Panel: TypeAlias = Builder[dashboard.Panel]
Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""From which value on a colour holds; the first has None."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and what its series are called."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: what it shows, in which unit and colours, and the query it comes from.

    With ``label`` the cell is that label of the query's series, else its value. ``colors`` are those of
    single values, by their text, and ``names`` what is shown in their place.
    """

    title: str
    query: str
    label: str = ""
    unit: str = "short"
    steps: Steps = ()
    colors: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A title, and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


def make_dashboard(uid: str, title: str, description: str, rows: Sequence[Row]) -> dashboard.Dashboard:
    """A dashboard with everything that all of them share. Panels are numbered in their order."""
    made = (
        builders.Dashboard(f"Understudy / {title}")
        .uid(f"understudy-{uid}")
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-3h", "now")
        .refresh("30s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .variables(_variables())
        .annotations(_annotations())
        .link(
            builders.DashboardLink("Understudy")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for row in rows:
        made = made.with_row(builders.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(panel)
    built = made.build()
    for number, built_panel in enumerate(built.panels or (), start=1):
        if isinstance(built_panel, dashboard.Panel):
            built_panel.id_val = number
        else:
            built_panel.id_val = 1000 + number
    return built


def series(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 8,
    steps: Steps = (),
    most: float | None = None,
    stacked: bool = False,
) -> Panel:
    """Lines over time, from 0 upwards; with ``steps`` the limits are drawn too."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(8)
        .line_width(1)
        .fill_opacity(35 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    if most is not None:
        panel = panel.max(most)
    if stacked:
        panel = panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if steps:
        panel = panel.thresholds(_thresholds(steps)).thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphTresholdsStyleMode.DASHED)
        )
    return panel.targets(
        [_over_time(query).ref_id(name) for name, query in zip(ascii_uppercase, queries, strict=False)]
    )


def number(
    title: str, description: str, unit: str, expression: str, *, width: int = 4, steps: Steps = ()
) -> Panel:
    """One figure, of now or of the whole time range, in the colour of its limits."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(4)
        .no_value("none")
        .thresholds(_thresholds(steps or ((None, BLUE),)))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_instant(expression))
    )


def versions(title: str, description: str, query: Query, *, width: int = 6) -> Panel:
    """The labels of series whose value says nothing."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(width)
        .height(4)
        .thresholds(_thresholds(((None, BLUE),)))
        .text_mode(common.BigValueTextMode.NAME)
        .graph_mode(common.BigValueGraphMode.NONE)
        .with_target(_instant(query.expression).legend_format(query.legend))
    )


def heat(title: str, description: str, unit: str, expression: str, *, width: int = 12) -> Panel:
    """How the values of a histogram are spread, over time. ``expression`` keeps the label ``le``."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(width)
        .height(8)
        .color(heatmap.HeatmapColorOptions().scheme("Blues").steps(32))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .show_tooltip()
        .with_target(_over_time(Query(expression, "{{le}}")).format(PromQueryFormat.HEATMAP))
    )


def modes(title: str, description: str, query: Query, *, width: int = 24) -> Panel:
    """What mode each series was in, over time. The value is the mode's place in ``MODES``."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(width)
        .height(8)
        .merge_values(True)
        .show_value(common.VisibilityMode.NEVER)
        .mappings(
            [
                dashboard.ValueMap(
                    options={
                        str(place): dashboard.ValueMappingResult(text=name, color=color, index=place)
                        for place, (name, color) in enumerate(MODES.items())
                    }
                )
            ]
        )
        .with_target(_over_time(query))
    )


def grid(
    title: str, description: str, key: str, columns: Sequence[Column], *, width: int = 24, height: int = 9
) -> Panel:
    """A table with one line for each value of the label ``key``, its columns from one query each."""
    names = ascii_uppercase[: len(columns)]
    fields = [column.label or f"Value #{name}" for name, column in zip(names, columns, strict=True)]
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .cell_height(common.TableCellHeight.SM)
        .show_header(True)
        .targets(
            [
                _instant(column.query).format(PromQueryFormat.TABLE).ref_id(name)
                for name, column in zip(names, columns, strict=True)
            ]
        )
        .transformations(
            [
                dashboard.DataTransformerConfig("joinByField", options={"byField": key, "mode": "outer"}),
                dashboard.DataTransformerConfig(
                    "filterFieldsByName", options={"include": {"names": [key, *fields]}}
                ),
                dashboard.DataTransformerConfig(
                    "organize",
                    options={
                        "indexByName": {name: place for place, name in enumerate([key, *fields])},
                        "renameByName": {
                            field: column.title for field, column in zip(fields, columns, strict=True)
                        },
                    },
                ),
            ]
        )
    )
    if key == "table":
        panel = panel.override_by_name(key, [dashboard.DynamicConfigValue("links", _links_of_a_table())])
    for column in columns:
        panel = panel.override_by_name(column.title, _column_style(column))
    return panel


def _links_of_a_table() -> list[dict[str, object]]:
    kept = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"
    return [
        {
            "title": f"{title} of ${{__value.raw}}",
            "url": f"/d/understudy-{uid}?{kept}&var-table=${{__value.raw}}",
        }
        for uid, title in (("mismatches", "Mismatches"), ("latency", "Latency"))
    ]


def _column_style(column: Column) -> list[dashboard.DynamicConfigValue]:
    style = [dashboard.DynamicConfigValue("unit", column.unit)]
    if column.decimals is not None:
        style.append(dashboard.DynamicConfigValue("decimals", column.decimals))
    if column.colors:
        options = {
            name: dashboard.ValueMappingResult(text=column.names.get(name, name), color=color, index=place)
            for place, (name, color) in enumerate(column.colors.items())
        }
        style.append(dashboard.DynamicConfigValue("mappings", [dashboard.ValueMap(options=options)]))
    if column.steps:
        style.append(dashboard.DynamicConfigValue("thresholds", _thresholds(column.steps).build()))
    if column.steps or column.colors:
        style.append(dashboard.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return style


def _over_time(query: Query) -> prometheus.Dataquery:
    made = prometheus.Dataquery().ref_id("A").expr(query.expression).range().datasource(SOURCE)
    return made.legend_format(query.legend) if query.legend else made


def _instant(expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id("A").expr(expression).instant().datasource(SOURCE)


def _thresholds(steps: Steps) -> builders.ThresholdsConfig:
    return (
        builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=color) for value, color in steps])
    )


def _variables() -> list[Builder[dashboard.VariableModel]]:
    def choice(name: str, label: str, description: str, query: str) -> builders.QueryVariable:
        return (
            builders.QueryVariable(name)
            .label(label)
            .description(description)
            .datasource(SOURCE)
            .query(query)
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".+")
            .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
        )

    return [
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes the proxies' admin ports.")
        .type("prometheus"),
        choice("job", "Job", "The scrape jobs of the proxies.", "label_values(understudy_build_info, job)"),
        choice(
            "instance",
            "Instance",
            "The proxies, one by one.",
            'label_values(understudy_build_info{job=~"$job"}, instance)',
        ),
        choice(
            "table",
            "Table",
            "Tables, views and functions; `other` is what the schema cache does not know.",
            'label_values(understudy_table_mode{job=~"$job"}, table)',
        ),
    ]


class _Annotation(dashboard.AnnotationQuery):
    """A Prometheus annotation, with those of its fields that the SDK does not know."""

    def __init__(self, name: str, color: str, expression: str, title: str, **more: object) -> None:
        super().__init__(name=name, datasource=SOURCE, icon_color=color, expr=expression)
        self._more = {"titleFormat": title, **more}

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self._more}


class _Built(Builder[dashboard.AnnotationQuery]):
    """What the SDK wants in the place of an annotation that is there already."""

    def __init__(self, annotation: dashboard.AnnotationQuery) -> None:
        self._annotation = annotation

    def build(self) -> dashboard.AnnotationQuery:
        return self._annotation


def _annotations() -> list[Builder[dashboard.AnnotationQuery]]:
    changes = f"max by (table, mode) (understudy_mode_change_timestamp_seconds{{{OF_TABLE}}}) * 1000 > 0"
    rollbacks = (
        f"sum by (table, reason) (increase(understudy_rollbacks_total{{{OF_TABLE}}}[$__rate_interval])) > 0"
    )
    return [
        # The value is the moment, in milliseconds: a change is marked where it happened.
        _Built(_Annotation("Mode changes", BLUE, changes, "{{table}} is now {{mode}}", useValueForTime=True)),
        _Built(_Annotation("Rollbacks", RED, rollbacks, "{{table}} was put back: {{reason}}")),
    ]
