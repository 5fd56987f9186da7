"""The dashboards of Grafana, as code: run it to write `dashboards/*.json`, which Grafana's provisioning reads.

A panel is a title, a unit and its queries (legend → PromQL); a test asks a running Prometheus each of them.
"""

# ruff: noqa: E501 - a query is one line: cut in two it is no longer found
from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grafana_foundation_sdk.builders import barchart, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="urbancast")
BUILDERS = {"lines": timeseries.Panel, "number": stat.Panel, "bars": barchart.Panel}
OURS = 'job="urbancast"'
QUANTILE = "histogram_quantile({q}, sum by (le) (rate(urbancast_request_seconds_bucket[5m])))"


@dataclass(frozen=True)
class Panel:
    """``queries``: legend (labels in braces) → PromQL; ``shape``: lines, number or bars; ``width`` of 24."""

    title: str
    unit: str
    queries: Mapping[str, str]
    shape: str = "lines"
    width: int = 12


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel] = field(default_factory=tuple)


def one(
    title: str, unit: str, query: str, legend: str = "{{product}}", *, shape: str = "lines", width: int = 12
) -> Panel:
    """Return a panel of one query."""
    return Panel(title, unit, {legend: query}, shape, width)


def number(title: str, unit: str, query: str) -> Panel:
    """Return a panel of one large number."""
    return one(title, unit, query, "", shape="number", width=4)


SERVICE = (
    Row("At a glance", (
        number("Availability, 1 h", "percentunit", f"avg_over_time(up{{{OURS}}}[1h])"),
        number("Requests a second", "reqps", "sum(rate(urbancast_requests_total[5m]))"),
        number("Errors of ours", "percentunit",
               '(sum(rate(urbancast_requests_total{status=~"5.."}[5m])) or vector(0)) / sum(rate(urbancast_requests_total[5m]))'),
        number("Forecasts a second", "short", "sum(rate(urbancast_forecasts_given_total[5m]))"),
        number("Forecasts an answer", "short",
               "sum(rate(urbancast_forecasts_given_total[5m])) / sum(rate(urbancast_requests_total[5m]))"),
        number("Open alerts", "short", "sum(urbancast_alerts) or vector(0)"),
    )),
    Row("Requests", (
        one("Requests a second by status", "reqps", "sum by (status) (rate(urbancast_requests_total[5m]))", "{{status}}"),
        one("Requests a second by endpoint", "reqps", "sum by (route) (rate(urbancast_requests_total[5m]))", "{{route}}"),
        Panel("Latency", "s", {f"p{q}": QUANTILE.format(q=q / 100) for q in (50, 90, 99)}),
        one("Latency of the slowest in a hundred, by endpoint", "s",
            "histogram_quantile(0.99, sum by (le, route) (rate(urbancast_request_seconds_bucket[5m])))", "{{route}}"),
        one("Being answered now", "short", "urbancast_requests_in_flight", "requests"),
        one("Forecasts a second by endpoint", "short", "sum by (route) (rate(urbancast_forecasts_given_total[5m]))", "{{route}}"),
        one("Snapshots swapped in, an hour", "short", "increase(urbancast_snapshot_swaps_total[1h])"),
        one("Looks at the lake that failed, an hour", "short", "increase(urbancast_lake_failures_total[1h])", "failed"),
    )),
    Row("What is asked for (five or more)", (
        one("Places asked for most", "short", "topk(10, sum by (product, place) (urbancast_asked_total))",
            "{{product}} {{place}}", shape="bars"),
        one("Local hours asked for", "short", "sum by (hour) (urbancast_asked_total)", "{{hour}}", shape="bars"),
    )),
)  # fmt: skip

LOOP = (
    Row("Freshness", (
        one("Missed updates of the sources", "short", "urbancast_source_missed_updates", "{{product}} {{source}}"),
        one("Age of the served origin", "s", "urbancast_served_origin_age_seconds"),
        one("Time since the forecasts were issued", "s", "urbancast_served_issue_age_seconds"),
        one("Open alerts", "short", "urbancast_alerts or on() vector(0)", "{{product}} {{kind}} {{severity}}"),
    )),
    Row("Steps", (
        one("Seconds of each step, newest", "s", "sum by (product, flow) (urbancast_run_seconds)", "{{product}} {{flow}}"),
        one("Seconds of each step, mean of a day", "s", "sum by (product, flow) (urbancast_run_seconds_day)",
            "{{product}} {{flow}}"),
        one("Rows of each step, newest", "short", "urbancast_run_rows", "{{product}} {{flow}}: {{step}}"),
        one("Steps done within a day", "short", "urbancast_run_steps", "{{product}} {{flow}}"),
        one("Steps failed within a day", "short", "urbancast_run_failures", "{{product}} {{flow}}"),
        one("Verdicts within a week", "short", "urbancast_verdicts", "{{product}} {{action}}"),
    )),
    Row("Rows", (
        one("Observations", "short", "urbancast_observed_rows"),
        one("Forecasts", "short", "urbancast_forecast_rows"),
    )),
)  # fmt: skip

WHICH = "{{product}} {{measure}} {{kind}}"
QUALITY = (
    Row("How well", (
        one("Skill beside the simple rule", "percentunit", "urbancast_skill", WHICH),
        one("Share inside the 80 % range", "percentunit", "urbancast_coverage_80", WHICH),
        one("Mean absolute error", "short", "urbancast_mae", WHICH),
        one("Root mean squared error", "short", "urbancast_rmse", WHICH),
        one("R² beside the simple rule", "short", "urbancast_r_squared", WHICH),
        one("Sum of errors over sum of values (WAPE)", "percentunit", "urbancast_wape", WHICH),
        one("CRPS", "short", "urbancast_crps", WHICH),
        one("Forecast minus value", "short", "urbancast_bias", WHICH),
        one("Mean absolute error by local hour", "short", "avg by (product, hour) (urbancast_mae_by_hour)",
            "{{product}} {{hour}}", shape="bars", width=24),
    )),
    Row("Drift", (
        one("Share of the signals that drifted", "percentunit", "urbancast_drifted_share", "{{product}} {{kind}}"),
        one("Signals that drifted", "short", "sum by (product) (urbancast_drift_score > bool urbancast_drift_threshold)"),
        one("Score of each input, of its threshold", "percentunit",
            'urbancast_drift_score{kind="input"} / urbancast_drift_threshold', "{{product}} {{signal}}"),
        one("Target, of its threshold", "percentunit", 'urbancast_drift_score{kind="target"} / urbancast_drift_threshold',
            "{{product}} {{measure}}"),
        one("Forecasts, of their threshold", "percentunit",
            'urbancast_drift_score{kind="forecast"} / urbancast_drift_threshold', "{{product}} {{measure}}"),
        one("Residuals, of their threshold", "percentunit",
            'urbancast_drift_score{kind="residual"} / urbancast_drift_threshold', "{{product}} {{measure}}"),
        one("Missing share", "percentunit", "urbancast_missing_share"),
    )),
)  # fmt: skip

MACHINE = (
    Row("The server", (
        one("Processor seconds a second", "short", f"rate(process_cpu_seconds_total{{{OURS}}}[5m])", "{{instance}}"),
        one("Memory", "bytes", f"process_resident_memory_bytes{{{OURS}}}", "{{instance}}"),
        one("Open files", "short", f"process_open_fds{{{OURS}}}", "{{instance}}"),
        one("Starts within a day", "short", f"changes(process_start_time_seconds{{{OURS}}}[1d])", "{{instance}}"),
    )),
    Row("The host", (
        one("Processor in use", "percentunit", '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
            "{{instance}}"),
        one("Memory available", "bytes", "node_memory_MemAvailable_bytes", "{{instance}}"),
        Panel("The lake's disk", "bytes", {"free": "urbancast_disk_free_bytes", "all": "urbancast_disk_bytes"}),
        Panel("Network", "Bps", {"in": "sum(rate(node_network_receive_bytes_total[5m]))",
                                 "out": "sum(rate(node_network_transmit_bytes_total[5m]))"}),
    )),
)  # fmt: skip

DASHBOARDS = {"service": SERVICE, "loop": LOOP, "quality": QUALITY, "machine": MACHINE}


def queries() -> list[tuple[str, str]]:
    """Return every panel's queries, as (where it stands, PromQL)."""
    return [
        (f"{name}: {panel.title}", query)
        for name, rows in DASHBOARDS.items()
        for row in rows
        for panel in row.panels
        for query in panel.queries.values()
    ]


def render(name: str) -> str:
    """Return the JSON of one dashboard."""
    made = dashboard.Dashboard(f"Urbancast: {name}").uid(f"urbancast-{name}").tags(["urbancast"])
    made = made.refresh("30s").time("now-24h", "now").timezone("utc").readonly()
    for row in DASHBOARDS[name]:
        made = made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(_built(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _built(panel: Panel) -> object:
    made = BUILDERS[panel.shape]().title(panel.title).unit(panel.unit).datasource(SOURCE).span(panel.width).height(8)
    for position, (legend, query) in enumerate(panel.queries.items()):
        target = prometheus.Dataquery().expr(query).legend_format(legend).ref_id("ABC"[position])
        made = made.with_target(target.instant() if panel.shape == "bars" else target)
    return made


def main() -> int:
    """Write the files, or with --check say which would change."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is not as it would be")
    is_check = parser.parse_args().check
    stale = [name for name in DASHBOARDS if _write(name, is_check=is_check)]
    sys.stdout.writelines(f"{name}.json is not as dashboards.py makes it; run it\n" for name in stale if is_check)
    return 1 if is_check and stale else 0


def _write(name: str, *, is_check: bool) -> bool:
    path, text = FOLDER / f"{name}.json", render(name)
    is_stale = not path.is_file() or path.read_text("utf-8") != text
    if is_stale and not is_check:
        path.write_text(text, "utf-8")
    return is_stale


if __name__ == "__main__":
    raise SystemExit(main())
