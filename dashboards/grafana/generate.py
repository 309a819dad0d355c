#!/usr/bin/env python3
"""Writes dashboards/*.json beside this file; with --check, fails where they differ.

The panels read what the collector's span metrics and Loki's OTLP intake store, so
they work for every service that sends traces and logs, in any language.
"""

import argparse
import difflib
import json
import pathlib
import sys
import urllib.parse

from grafana_foundation_sdk.builders import common, dashboard, logs, loki, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as dashboard_model

FOLDER = pathlib.Path(__file__).parent / "dashboards"

PROMETHEUS = dashboard_model.DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = dashboard_model.DataSourceRef(type_val="loki", uid="loki")

# What a service was asked to do; its own calls to others are theirs.
SERVED = 'span_kind=~"SPAN_KIND_(SERVER|CONSUMER)"'
SERVICES = f'service_name=~"$service", {SERVED}'
ROUTES = f'service_name=~"$service", http_route=~"$route", {SERVED}'

BY_SERVICE = "service_name"
BY_ROUTE = "service_name, http_request_method, http_route"
SERVICE_LEGEND = "{{service_name}}"
ROUTE_LEGEND = "{{service_name}} {{http_request_method}} {{http_route}}"


def rate(selector: str, by: str) -> str:
    return f"sum by ({by}) (rate(traces_span_metrics_calls_total{{{selector}}}[$__rate_interval]))"


def error_ratio(selector: str, by: str) -> str:
    errors = rate(selector + ', status_code="STATUS_CODE_ERROR"', by)
    # A series that has never failed has no error series: without the second
    # operand it would be missing from the panel instead of being at zero.
    return f"({errors} or 0 * {rate(selector, by)}) / {rate(selector, by)}"


def quantile(q: float, selector: str, by: str) -> str:
    return (
        f"histogram_quantile({q}, sum by (le, {by}) "
        f"(rate(traces_span_metrics_duration_seconds_bucket{{{selector}}}[$__rate_interval])))"
    )


def query(expr: str, legend: str, exemplars: bool = False) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).legend_format(legend).range().exemplar(exemplars)


def traces_link(tags: str = "") -> dashboard.DashboardLink:
    """Searches Jaeger, in Explore, for the traces behind the series that was clicked."""
    panes = {
        "traces": {
            "datasource": "jaeger",
            "queries": [
                {
                    "refId": "A",
                    "datasource": {"type": "jaeger", "uid": "jaeger"},
                    "queryType": "search",
                    "service": "${__field.labels.service_name}",
                    "tags": tags,
                    "limit": 20,
                }
            ],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
    }
    # Grafana fills in its variables before the browser decodes the URL.
    encoded = urllib.parse.quote(json.dumps(panes, separators=(",", ":")), safe="${}")
    return (
        dashboard.DashboardLink("Traces in Jaeger")
        .url(f"/explore?schemaVersion=1&orgId=1&panes={encoded}")
        .target_blank(True)
    )


def graph(
    title: str,
    description: str,
    unit: str,
    link: dashboard.DashboardLink,
    target: prometheus.Dataquery,
) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .height(9)
        .span(8)
        .unit(unit)
        .min(0)
        .data_links([link])
        .fill_opacity(10)
        .show_points(common_model.VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode.TABLE)
            .placement(common_model.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
            .show_legend(True)
        )
        .with_target(target.ref_id("A"))
    )


def variable(name: str, label: str, query_text: str, all_value: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(query_text)
        .refresh(dashboard_model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard_model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(all_value)
        .current(dashboard_model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def services() -> dashboard.Dashboard:
    any_route = traces_link()
    one_route = traces_link("http.route=${__field.labels.http_route}")
    return (
        dashboard.Dashboard("Services: rate, errors, duration")
        .uid("throughline-services")
        .description("Every service that sends traces, by service and by route, with its logs.")
        .tags(["throughline"])
        .readonly()
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(dashboard_model.DashboardCursorSync.CROSSHAIR)
        .annotation(
            dashboard.AnnotationQuery()
            .name("HighErrorRatio is firing")
            .datasource(PROMETHEUS)
            .enable(True)
            .icon_color("red")
            .expr('ALERTS{alertname="HighErrorRatio", alertstate="firing", service_name=~"$service"}')
        )
        # Loki refuses a matcher that also matches the empty string; a span without
        # a route has no such label, which Prometheus matches as the empty string.
        .with_variable(
            variable(
                "service",
                "Service",
                f"label_values(traces_span_metrics_calls_total{{{SERVED}}}, service_name)",
                ".+",
            )
        )
        .with_variable(
            variable(
                "route",
                "Route",
                f'label_values(traces_span_metrics_calls_total{{service_name=~"$service", {SERVED}}}, http_route)',
                ".*",
            )
        )
        .with_row(dashboard.Row("Services"))
        .with_panel(
            graph(
                "Rate by service",
                "Requests and messages that the service handled, per second.",
                "reqps",
                any_route,
                query(rate(SERVICES, BY_SERVICE), SERVICE_LEGEND),
            )
        )
        .with_panel(
            graph(
                "Error ratio by service",
                "Share of them whose span ended with an error status. HighErrorRatio fires above 5%.",
                "percentunit",
                any_route,
                query(error_ratio(SERVICES, BY_SERVICE), SERVICE_LEGEND),
            )
        )
        .with_panel(
            graph(
                "Duration by service, 95th percentile",
                "One in twenty took longer. Each dot is one request: click it for its trace.",
                "s",
                any_route,
                query(quantile(0.95, SERVICES, BY_SERVICE), SERVICE_LEGEND, exemplars=True),
            )
        )
        .with_row(dashboard.Row("Routes"))
        .with_panel(
            graph(
                "Rate by route",
                "Requests per second of each route of the chosen services.",
                "reqps",
                one_route,
                query(rate(ROUTES, BY_ROUTE), ROUTE_LEGEND),
            )
        )
        .with_panel(
            graph(
                "Error ratio by route",
                "Share of each route's requests whose span ended with an error status.",
                "percentunit",
                one_route,
                query(error_ratio(ROUTES, BY_ROUTE), ROUTE_LEGEND),
            )
        )
        .with_panel(
            graph(
                "Duration by route, 95th percentile",
                "One request in twenty took longer. Each dot is one request: click it for its trace.",
                "s",
                one_route,
                query(quantile(0.95, ROUTES, BY_ROUTE), ROUTE_LEGEND, exemplars=True),
            )
        )
        .with_row(dashboard.Row("Logs"))
        .with_panel(
            logs.Panel()
            .title("Logs of the chosen services")
            .description("Newest first. A record's details link to its trace and to its error in Bugsink.")
            .datasource(LOKI)
            .height(14)
            .span(24)
            .show_time(True)
            .wrap_log_message(True)
            .enable_log_details(True)
            .sort_order(common_model.LogsSortOrder.DESCENDING)
            .with_target(loki.Dataquery().expr('{service_name=~"$service"}').max_lines(500).ref_id("A"))
        )
    )


def render(builder: dashboard.Dashboard) -> str:
    model = builder.build()
    # Links to a panel carry its id, which Grafana would otherwise assign anew.
    for number, panel in enumerate(model.panels, start=1):
        panel.id_val = number
    return json.dumps(model, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    check = parser.parse_args().check

    rendered = {FOLDER / "services.json": render(services())}
    stale = 0
    for path, wanted in rendered.items():
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if found == wanted:
            continue
        stale += 1
        if check:
            sys.stderr.writelines(
                difflib.unified_diff(
                    found.splitlines(keepends=True),
                    wanted.splitlines(keepends=True),
                    f"{path.name} (committed)",
                    f"{path.name} (generated)",
                )
            )
        else:
            path.write_text(wanted, encoding="utf-8")
    if check and stale:
        print("run dashboards/grafana/generate.py and commit what it writes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
