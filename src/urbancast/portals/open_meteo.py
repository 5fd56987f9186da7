"""Open-Meteo: observed history, forecasts as issued now, and forecasts as they were issued 1 to 7 days before.

``source.dataset`` is the service: ``archive`` (observed), ``forecast`` (as issued at the fetch; hours before it
are the model's analysis, so observed) or ``previous_runs`` (as issued ``lead_days`` days before each hour).
``source.query``: ``latitude``, ``longitude``, ``hourly`` (variables), ``past_days``, ``forecast_days``,
``lead_days`` (default 1, 2, 3). The native frame is long: variable, time, value, issued_at, kind, all in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import orjson
import polars as pl

from urbancast.core.errors import ContractError
from urbancast.core.product import Source, Window
from urbancast.core.time import HOUR, UTC_US, as_utc, floor
from urbancast.portals import media, verify
from urbancast.portals.errors import LyingError
from urbancast.portals.fetched import Fetched
from urbancast.portals.session import Session

_PATHS = {"archive": "v1/archive", "forecast": "v1/forecast", "previous_runs": "v1/forecast"}
_LEAD = r"_previous_day(\d+)$"
COLUMNS = ("variable", "time", "value", "issued_at", "kind")


def fetch(
    source: Source,
    window: Window | None,
    *,
    session: Session,
    now: datetime,
    url: str | None = None,
) -> Iterator[Fetched]:
    """Yield whole UTC days around ``window``, one answer a chunk; ``forecast`` is about now, whatever is asked."""
    if source.dataset not in _PATHS:
        raise ContractError(
            f"{source.name}.dataset: expected one of {', '.join(_PATHS)}, found {source.dataset!r}; name one of them",
        )
    address = f"{(url or source.url).rstrip('/')}/{_PATHS[source.dataset]}"

    def pull(piece: Window | None) -> list[Fetched]:
        return [_pull(source, piece, session=session, now=now, address=address)]

    return verify.each_piece(source, None if source.dataset == "forecast" else window, pull)


def _pull(source: Source, window: Window | None, *, session: Session, now: datetime, address: str) -> Fetched:
    query = _query(source, window)
    payload = session.get(address, params=query).payload
    _check(source, payload, query["hourly"].split(","))
    return Fetched(
        url=address,
        query=query,
        payload=payload,
        media=media.OPEN_METEO,
        fetched_at=now,
        rows_claimed=None,
        rows_received=table(payload).height,
        window=_held(payload, window) if source.dataset == "forecast" else window,
    )


def table(payload: bytes) -> pl.DataFrame:
    """Long frame of an answer: variable as the portal names it, time (UTC), value; an hour without one is no row."""
    document = orjson.loads(payload)
    hourly = document.get("hourly") if isinstance(document, dict) else None
    if not isinstance(hourly, dict) or "time" not in hourly:
        raise ValueError("no hourly values with their times")
    times = pl.Series("time", hourly["time"], dtype=pl.String).str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us")
    times = times.dt.replace_time_zone("UTC")
    columns = [pl.Series(name, values, dtype=pl.Float64) for name, values in hourly.items() if name != "time"]
    wide = pl.DataFrame([times, *columns])
    long = wide.unpivot(index="time", variable_name="variable", value_name="value").drop_nulls("value")
    return long.select("variable", "time", "value")


def issued(long: pl.DataFrame, fetched_at: datetime, *, is_forecast: bool) -> pl.DataFrame:
    """Add when each value was issued, and its kind.

    A value of a previous run was issued that many days before its hour; one of this run in the hour of the
    fetch; an observation, for want of better, in its own hour.
    """
    now = pl.lit(floor(as_utc(fetched_at), HOUR), dtype=UTC_US)
    lead = pl.col("variable").str.extract(_LEAD).cast(pl.Int64)
    is_ahead = (pl.col("time") >= now) if is_forecast else pl.lit(value=False)
    issued_at = (
        pl.when(lead.is_not_null())
        .then(pl.col("time") - pl.duration(days=lead))
        .when(is_ahead)
        .then(now)
        .otherwise(pl.col("time"))
    )
    kind = pl.when(lead.is_not_null() | is_ahead).then(pl.lit("issued")).otherwise(pl.lit("observed"))
    return long.with_columns(
        pl.col("variable").str.replace(_LEAD, ""),
        issued_at.cast(UTC_US).alias("issued_at"),
        kind.alias("kind"),
    ).select(COLUMNS)


def _query(source: Source, window: Window | None) -> dict[str, str]:
    variables: Sequence[str] = source.query.get("hourly", ("temperature_2m", "precipitation", "wind_speed_10m"))
    if source.dataset == "previous_runs":
        leads = source.query.get("lead_days", (1, 2, 3))
        variables = [f"{variable}_previous_day{lead}" for variable in variables for lead in leads]
    query = {name: verify.text_setting(source, name) for name in ("latitude", "longitude")}
    query |= {"hourly": ",".join(variables), "timezone": "GMT"}
    if window is not None:
        last = as_utc(window.end) - timedelta(microseconds=1)
        return query | {"start_date": as_utc(window.start).date().isoformat(), "end_date": last.date().isoformat()}
    if source.dataset != "forecast":
        raise ContractError(f"{source.name}: expected a window for {source.dataset}, found none; pass one")
    days = {name: str(source.query.get(name, default)) for name, default in (("past_days", 2), ("forecast_days", 7))}
    return query | days


def _held(payload: bytes, asked: Window | None) -> Window | None:
    """Window that the answer holds, the asked one when it holds nothing."""
    times: list[datetime] = table(payload)["time"].sort().to_list()
    return Window(start=times[0], end=times[-1] + HOUR) if times else asked


def _check(source: Source, payload: bytes, variables: Sequence[str]) -> None:
    """PortalError unless every variable asked for came, in UTC, with a value (or null) for every hour."""
    try:
        document = orjson.loads(payload)
        widths = {name: len(values) for name, values in document["hourly"].items()}
        hours = widths["time"]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise LyingError(f"{source.name}: expected hourly values, found {payload[:200]!r}; ask again") from error
    if dict.fromkeys(("time", *variables), hours) != widths:
        raise LyingError(
            f"{source.name}: expected {hours} values each of {', '.join(variables)}, found {widths}; "
            "check the variables in the recipe",
        )
    if document.get("utc_offset_seconds", 0) != 0:
        raise LyingError(f"{source.name}: expected UTC, found offset {document['utc_offset_seconds']} s; ask again")
