from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from urbancast.core.errors import ContractError, PortalError
from urbancast.core.product import Window
from urbancast.portals import read

WHERE = {"latitude": 48.86, "longitude": 2.35, "hourly": ("temperature_2m",)}
WINDOW = Window(start=datetime(2026, 10, 30, 5, tzinfo=UTC), end=datetime(2026, 11, 1, 3, tzinfo=UTC))
NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def rows_of(pull, source, service, **query):
    (page,) = pull(source("open_meteo", service, query={**WHERE, **query}), WINDOW)
    rows = read.native(page)
    assert rows.columns == ["variable", "time", "value", "issued_at", "kind"]
    assert page.rows_received == rows.height
    return rows


def test_history_is_observed_on_whole_days(pull, source):
    rows = rows_of(pull, source, "archive")
    assert rows.height == 72
    assert rows["value"].to_list() == [float(hour) for _ in range(3) for hour in range(24)]
    assert set(rows["kind"]) == {"observed"}
    assert rows["issued_at"].equals(rows["time"])


def test_a_forecast_is_issued_in_the_hour_it_was_fetched(pull, source):
    rows = rows_of(pull, source, "forecast", past_days=1, forecast_days=3)
    hour = NOW.replace(minute=0)
    ahead = rows.filter(pl.col("time") >= hour)
    assert set(ahead["kind"]) == {"issued"}
    assert set(ahead["issued_at"]) == {hour}
    assert ahead["time"].max() == datetime(2026, 11, 4, 23, tzinfo=UTC)
    assert ahead["value"][0] == 106.0  # one day ahead, 06:00
    assert set(rows.filter(pl.col("time") < hour)["kind"]) == {"observed"}


def test_previous_runs_were_issued_days_before_their_hour(pull, source):
    rows = rows_of(pull, source, "previous_runs", lead_days=(1, 3))
    assert set(rows["variable"]) == {"temperature_2m"}
    lead = (rows["time"] - rows["issued_at"]).dt.total_days()
    assert set(lead) == {1, 3}
    assert (rows["value"] - rows["time"].dt.hour() == 100 * lead).all()
    assert set(rows["kind"]) == {"issued"}


def test_hours_without_a_value_yet_are_no_rows(pull, source, clock):
    clock.now = datetime(2026, 10, 31, 4, 30, tzinfo=UTC)
    rows = rows_of(pull, source, "archive")
    assert rows["time"].max() == datetime(2026, 10, 31, 3, tzinfo=UTC)
    assert rows["value"].null_count() == 0


def test_an_unknown_variable_is_the_portals_refusal(pull, source):
    with pytest.raises(PortalError, match=r"400.*no_such"):
        pull(source("open_meteo", "archive", query={**WHERE, "hourly": ["no_such"]}), WINDOW)


def test_a_variable_that_does_not_come_is_refused(pull, source, emulator):
    emulator.faults.inject("dropped_column", times=9)
    with pytest.raises(PortalError, match="each of temperature_2m"):
        pull(source("open_meteo", "archive", query=WHERE), WINDOW)


def test_an_unknown_service_is_named(pull, source):
    with pytest.raises(ContractError, match="'marine'"):
        pull(source("open_meteo", "marine", query=WHERE), WINDOW)


def test_the_same_window_is_the_same_query(pull, source):
    history = source("open_meteo", "archive", query=WHERE)
    later = Window(start=WINDOW.start + timedelta(minutes=5), end=WINDOW.end)
    assert pull(history, WINDOW)[0].query == pull(history, later)[0].query
