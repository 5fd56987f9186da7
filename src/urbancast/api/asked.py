"""What was asked for: how often each zone and local hour, told only where several asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

ENOUGH = 5  # fewer could be one person's evening
MOST = 50_000


class Asked(Collector):
    """Counts by product, place and local hour; nothing finer is ever kept."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._counts: Counter[tuple[str, str, int]] = Counter()

    def count(self, product: str, place: str, hour: int) -> None:
        """Count one question about a place at a local hour."""
        key = (product, place, hour)
        if key in self._counts or len(self._counts) < MOST:
            self._counts[key] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the counts that enough have made."""
        family = CounterMetricFamily(
            "urbancast_asked",
            f"Questions by place and local hour, from {ENOUGH} on",
            labels=["product", "place", "hour"],
        )
        for (product, place, hour), n in self._counts.copy().items():
            if n >= ENOUGH:
                family.add_metric([product, place, f"{hour:02d}"], n)
        yield family
