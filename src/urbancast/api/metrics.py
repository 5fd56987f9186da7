"""What an operator watches: requests by route template and status, latency, ages of what is served."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from urbancast.api.asked import Asked
from urbancast.api.loop import Loop

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Meters of one app; no label holds anything an asker wrote."""

    def __init__(self) -> None:
        """Register the meters in their own registry."""
        own = self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=own)
        self.asked, self.loop = Asked(), Loop()
        own.register(self.asked)
        own.register(self.loop)
        self.in_flight = Gauge("urbancast_requests_in_flight", "Requests being answered", registry=own)
        self.values = Counter(
            "urbancast_forecasts_given", "Forecasts in answers: places times hours", ["route"], registry=own
        )
        asked = ["route", "method", "status"]
        self.requests = Counter("urbancast_requests", "Requests by route, method and status", asked, registry=own)
        self.seconds = Histogram(
            "urbancast_request_seconds", "Time to answer, seconds", ["route"], buckets=_BUCKETS_S, registry=own
        )
        origin, issued = "Age of the origin of the served forecasts", "Time since the served forecasts were issued"
        self.origin_age = Gauge("urbancast_served_origin_age_seconds", origin, ["product"], registry=own)
        self.issued_age = Gauge("urbancast_served_issue_age_seconds", issued, ["product"], registry=own)
        self.swaps = Counter("urbancast_snapshot_swaps", "Snapshots swapped in", ["product"], registry=own)
        failed = "Looks at the lake that failed; the old snapshot stayed"
        self.lake_failures = Counter("urbancast_lake_failures", failed, registry=own)

    def observe(self, route: str, method: str, status: int, seconds: float, *, values: int = 0) -> None:
        """Count one answered request, and how many forecasts its answer holds."""
        if values:
            self.values.labels(route).inc(values)
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self, ages: Mapping[str, tuple[float, float]]) -> bytes:
        """Prometheus text; ``ages``: product to seconds since (origin, issue)."""
        for product, (origin_s, issued_s) in ages.items():
            self.origin_age.labels(product).set(origin_s)
            self.issued_age.labels(product).set(issued_s)
        return generate_latest(self.registry)
