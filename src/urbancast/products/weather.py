"""Weather from Open-Meteo for a city, ready for any recipe: observed, as issued days before, as issued now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl

from urbancast.core.product import Layout, Licence, Source
from urbancast.core.time import UTC_US

VARIABLES = ("temperature_2m", "precipitation", "wind_speed_10m")
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "place": pl.String,
    "variable": pl.String,
    "time": UTC_US,
    "value": pl.Float64,
    "issued_at": UTC_US,
    "available_at": UTC_US,
    "kind": pl.String,
}
OBSERVED_LAG = timedelta(days=5)  # reanalysis: about five days behind
RUN_LAG = timedelta(hours=6)  # a model run can be read some hours after it starts
NATIVE = ("variable", "time", "value", "issued_at", "kind")


def sources(
    *, latitude: float, longitude: float, licence: Licence, lead_days: tuple[int, ...], extra: tuple[Layout, ...] = ()
) -> tuple[Source, ...]:
    """Return `weather` (observed), `weather_issued` (days before each hour) and `weather_forecast` (as issued now).

    ``lead_days``: how many days before its hour a value was issued; ``extra``: layouts of files that may stand in.
    """
    query = {"latitude": f"{latitude:.4f}", "longitude": f"{longitude:.4f}", "hourly": VARIABLES}

    def source(name: str, dataset: str, host: str, layouts: tuple[Layout, ...]) -> Source:
        return Source(
            name=name,
            portal="open_meteo",
            url=f"https://{host}.open-meteo.com",
            dataset=dataset,
            layouts=layouts,
            schema=SCHEMA,
            licence=licence,
            role="weather",
            time=None if dataset == "forecast" else "time",
            query=query | ({"lead_days": lead_days} if dataset == "previous_runs" else {}),
            chunk=timedelta(days=366),
            is_required=False,
        )

    observed, ran, now = (_layout(lag) for lag in (OBSERVED_LAG, RUN_LAG, timedelta(0)))
    return (
        source("weather", "archive", "archive-api", (observed, *extra)),
        source("weather_issued", "previous_runs", "previous-runs-api", (ran,)),
        source("weather_forecast", "forecast", "api", (now,)),
    )


def _layout(lag: timedelta) -> Layout:
    return Layout(name="hourly", columns=NATIVE, parse=_parser(lag))


def _parser(lag: timedelta) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def parse(native: pl.DataFrame) -> pl.DataFrame:
        return native.select(
            place=pl.lit(""),
            variable=pl.col("variable"),
            time=pl.col("time"),
            value=pl.col("value"),
            issued_at=pl.col("issued_at"),
            available_at=_available_at(lag),
            kind=pl.col("kind"),
        )

    return parse


def _available_at(lag: timedelta) -> pl.Expr:
    """An analysis of a past hour arrives a run's delay after it, an observation and a run after their own."""
    is_analysis = (pl.col("kind") == "observed") & pl.lit(lag < RUN_LAG)
    return (pl.col("issued_at") + pl.when(is_analysis).then(pl.lit(RUN_LAG)).otherwise(pl.lit(lag))).cast(UTC_US)
