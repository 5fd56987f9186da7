"""A simulation of Riverton's portal: a pure function of seed, place and hour."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from urbancast.core.product import Window
from urbancast.core.time import local_clock

PLACES = ("n", "s", "m", "p")


def datasets(*, seed: int = 1) -> list[dict[str, Any]]:
    """Fields of the one emulated dataset."""

    def rows(window: Window) -> pl.DataFrame:
        hours = np.arange(-(-window.start.timestamp() // 3600), window.end.timestamp() // 3600 + 1, dtype=np.int64)
        hours = hours[hours * 3600 < window.end.timestamp()]
        at, who = np.repeat(hours, len(PLACES)), np.tile(np.arange(len(PLACES)), len(hours))
        noise = _uniform(seed, at, who)
        shape = 1.2 + np.sin(2 * np.pi * (at % 24 - 9) / 24) + 0.4 * (at // 24 % 7 < 5)
        value = np.floor(20 * (1 + who) * shape * (0.7 + 0.6 * noise))
        value = np.where(noise > 0.999, -1, value)
        return pl.DataFrame(
            {
                "counter": np.array(PLACES)[who],
                "at": pl.Series(at * 1_000_000 * 3600).cast(pl.Datetime("us", "UTC")),
                "bikes": value,
            }
        )

    return [
        {
            "protocol": "opendatasoft",
            "id": "riverton-counts",
            "time": "at",
            "rows": rows,
            "published": lambda at: local_clock(at, "Europe/Brussels", days=1, hour=9),
        }
    ]


def _uniform(seed: int, hour: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Uniform numbers from a splitmix64 of seed, hour and place."""
    with np.errstate(over="ignore"):
        x = (hour.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ (place.astype(np.uint64) << np.uint64(40))
        x ^= np.uint64(seed) << np.uint64(20)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))).astype(np.float64) / 2**64
