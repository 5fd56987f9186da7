"""Time honesty of frames: nothing may be used before it was available, and clocks may change."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.features.panels import COUNT, DENSE, RARE, SPARSE, counts, events, panel, utc
from urbancast.core.errors import ContractError
from urbancast.core.product import Feature
from urbancast.features import frame
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan

START, END, CUT = utc(2021, 4, 1), utc(2021, 7, 20), utc(2021, 7, 12)
HORIZON = timedelta(days=3)


def dense() -> Panel:
    return panel(counts(START, END, tz="Europe/Paris"))


def sparse() -> Panel:
    return panel(events(START, END), measure=RARE, tz="America/New_York", country="US")


def poisoned(given: Panel, origin: datetime) -> Panel:
    """Every version not yet available at the origin set to 1e9, and as many strange ones added beside."""
    late = pl.col("available_at") > origin
    wrong = given.observations.with_columns(value=pl.when(late).then(1e9).otherwise(pl.col("value")))
    revisions = given.observations.with_columns(value=pl.lit(1e9), available_at=pl.lit(origin) + timedelta(hours=1))
    revisions = revisions.filter(pl.col("time") < origin)
    covariates = given.covariates.with_columns(value=pl.when(late).then(1e9).otherwise(pl.col("value")))
    return Panel(
        observations=pl.concat([wrong, revisions.with_columns(pl.col("available_at").dt.cast_time_unit("us"))]),
        covariates=covariates,
        places=given.places,
        tz=given.tz,
        grain=given.grain,
        measures=given.measures,
        country=given.country,
    )


@pytest.mark.parametrize("name", [feature.name for feature in DENSE] + ["whole"])
@pytest.mark.parametrize("hour", [0, 7, 15])
def test_a_poisoned_future_changes_no_feature_of_readings(name: str, hour: int) -> None:
    origin = CUT + timedelta(hours=hour)
    features = DENSE if name == "whole" else (Feature(name=name),)
    honest, wrong = dense(), poisoned(dense(), origin)
    rows = frame.forecast_rows(honest, origin, HORIZON)
    built = frame.build(honest, features=features, measure="count", rows=rows)
    assert_frame_equal(built, frame.build(wrong, features=features, measure="count", rows=rows))
    assert built.width > 5


@pytest.mark.parametrize("name", ["rate", "rules", "whole"])
def test_a_poisoned_future_changes_no_feature_of_rare_events(name: str) -> None:
    features = SPARSE if name == "whole" else (Feature(name=name),)
    honest, wrong = sparse(), poisoned(sparse(), CUT)
    rows = frame.forecast_rows(honest, CUT, HORIZON)
    built = frame.build(honest, features=features, measure="events", rows=rows)
    assert_frame_equal(built, frame.build(wrong, features=features, measure="events", rows=rows))


def test_a_poisoned_future_changes_no_training_row() -> None:
    plan = Plan(features=DENSE, horizon=HORIZON, calibration=timedelta(days=14))
    for given, measure in ((dense(), "count"), (sparse(), "events")):
        honest = frame.training_rows(given, CUT, plan, measure=measure)
        wrong = frame.training_rows(poisoned(given, CUT), CUT, plan, measure=measure)
        assert_frame_equal(honest, wrong)
        assert honest.height > 4000


def test_a_revision_counts_from_the_moment_it_is_available() -> None:
    rows = counts(START, END, tz="Europe/Paris")
    week_before = CUT - timedelta(days=7)
    late = rows.filter((pl.col("place") == "p0") & (pl.col("time") == week_before)).with_columns(
        value=pl.lit(777.0), available_at=pl.lit(CUT, dtype=pl.Datetime("us", "UTC"))
    )
    revised = panel(pl.concat([rows, late]))
    for origin, expected in ((CUT - timedelta(hours=1), False), (CUT, True)):
        target = pl.DataFrame({"place": ["p0"], "origin": [origin], "time": [CUT]})
        target = target.with_columns(pl.col("origin", "time").cast(pl.Datetime("us", "UTC")))
        built = frame.build(revised, features=(Feature(name="rules"),), measure="count", rows=target)
        assert (built["rule_seasonal_naive"][0] == 777.0) is expected


def test_a_withdrawn_value_is_no_longer_used() -> None:
    rows = counts(START, END, tz="Europe/Paris")
    week_before, two_before = CUT - timedelta(days=7), CUT - timedelta(days=14)
    gone = rows.filter((pl.col("place") == "p0") & (pl.col("time") == week_before)).with_columns(
        value=pl.lit(None, pl.Float64), available_at=pl.lit(CUT, dtype=pl.Datetime("us", "UTC"))
    )
    target = pl.DataFrame({"place": ["p0"], "origin": [CUT], "time": [CUT]}).with_columns(
        pl.col("origin", "time").cast(pl.Datetime("us", "UTC"))
    )
    built = frame.build(panel(pl.concat([rows, gone])), features=(Feature(name="rules"),), measure="count", rows=target)
    before = rows.filter((pl.col("place") == "p0") & (pl.col("time") == two_before))["value"][0]
    assert built["rule_seasonal_naive"][0] == before


@pytest.mark.parametrize(
    ("tz", "change"),
    [
        ("Europe/Paris", utc(2021, 10, 31)),
        ("Europe/Paris", utc(2021, 3, 28)),
        ("America/New_York", utc(2021, 11, 7)),
        ("America/New_York", utc(2021, 3, 14)),
    ],
)
def test_the_same_local_hour_is_meant_across_a_change_of_clocks(tz: str, change: datetime) -> None:
    rows = counts(change - timedelta(days=40), change + timedelta(days=9), tz=tz, places=1)
    local = pl.col("time").dt.convert_time_zone(tz)
    rows = rows.with_columns(value=(local.dt.weekday().cast(pl.Float64) * 100 + local.dt.hour().cast(pl.Float64)))
    given = panel(rows, tz=tz)
    origin = change + timedelta(days=2)
    targets = frame.forecast_rows(given, origin, timedelta(days=4))
    built = frame.build(given, features=(Feature(name="rules"), Feature(name="lag")), measure="count", rows=targets)
    due = built.select(local.dt.weekday().cast(pl.Float32) * 100 + local.dt.hour().cast(pl.Float32)).to_series()
    assert (built["rule_seasonal_naive"] == due).all()
    assert (built["rule_mean4w"] == due).all()
    assert (built["lag_week_1"] == due).all()
    assert (built["lag_day_1"].cast(pl.Int64) % 100 == due.cast(pl.Int64) % 100).all()


@pytest.mark.parametrize(("day", "length"), [(utc(2021, 3, 27, 23), 23), (utc(2021, 10, 30, 22), 25)])
def test_a_local_day_of_changing_clocks_has_23_or_25_hours(day: datetime, length: int) -> None:
    given = panel(counts(day - timedelta(days=20), day + timedelta(days=3), tz="Europe/Paris", places=1))
    rows = frame.forecast_rows(given, day, timedelta(hours=length))
    built = frame.build(given, features=(Feature(name="calendar"),), measure="count", rows=rows)
    local = built["time"].dt.convert_time_zone("Europe/Paris").dt.date()
    assert built.height == length
    assert local.n_unique() == 1
    assert built["local_hour"].min() == 0
    assert built["local_hour"].max() == 23


def test_reach_is_counted_from_the_newest_value_available() -> None:
    rows = frame.forecast_rows(dense(), CUT, timedelta(hours=24))
    built = frame.with_reach(dense(), "count", rows)
    # At 02:00 local the day before is not published: the newest hour starts at 21:00 UTC two days before.
    assert built.filter(pl.col("lead_h") == 0)["reach_h"].to_list() == [27.0] * 3


def test_each_target_is_trained_once_at_a_lead_of_the_product() -> None:
    plan = Plan(features=(), horizon=HORIZON, calibration=timedelta(days=14))
    rows = frame.training_rows(dense(), CUT, plan, measure="count")
    lead = (rows["time"] - rows["origin"]).dt.total_hours()
    assert not rows.select("place", "time").is_duplicated().any()
    assert lead.min() == 0
    assert lead.max() == 71
    assert lead.filter(lead < 24).len() == pytest.approx(rows.height / 3, rel=0.1)
    assert set((CUT - rows["origin"]).dt.total_hours() % 24) == {0}
    assert rows.equals(frame.training_rows(dense(), CUT, plan, measure="count"))


def test_down_sampled_zeros_keep_the_mean_of_rare_events() -> None:
    plan = Plan(features=(), horizon=timedelta(days=7), calibration=timedelta(days=14))
    rows = frame.training_rows(sparse(), CUT, plan, measure="events")
    early = rows.filter(~pl.col("is_calibration"))
    truth = sparse().truth("events", start=early["origin"].min(), end=CUT - plan.calibration)
    weighted = (early["value"] * early["weight"]).sum() / early["weight"].sum()
    assert weighted == pytest.approx(truth["value"].mean(), rel=0.06)
    assert early.height < truth.height
    assert (rows.filter(pl.col("is_calibration"))["weight"] == 1).all()


def test_zero_is_covered_and_absent() -> None:
    rows = events(START, END).filter(~((pl.col("place") == "") & (pl.col("time") == CUT)))
    truth = panel(rows, measure=RARE).truth("events", start=CUT - timedelta(hours=1), end=CUT + timedelta(hours=2))
    assert truth["time"].n_unique() == 2
    assert truth.height == 12
    assert (truth["value"] == 0).any()


def test_a_strange_feature_or_place_is_refused_by_name() -> None:
    rows = frame.forecast_rows(dense(), CUT, HORIZON)
    with pytest.raises(ContractError, match="horoscope"):
        frame.build(dense(), features=(Feature(name="horoscope"),), measure="count", rows=rows)
    with pytest.raises(ContractError, match="nowhere"):
        frame.build(dense(), features=(), measure="count", rows=rows.with_columns(place=pl.lit("nowhere")))


def test_holidays_and_their_neighbours_are_known() -> None:
    given = panel(counts(utc(2021, 4, 1), utc(2021, 5, 20), tz="Europe/Paris", places=1))
    rows = frame.forecast_rows(given, utc(2021, 5, 11, 22), timedelta(days=4))
    built = frame.build(given, features=(Feature(name="calendar"),), measure="count", rows=rows)
    day = pl.col("time").dt.convert_time_zone("Europe/Paris").dt.day().alias("day")
    flags = built.group_by(day).agg(pl.col("^is_.*$").first()).sort("day")
    assert flags["is_day_before_holiday"].to_list() == [1, 0, 0, 0]
    assert flags["is_holiday"].to_list() == [0, 1, 0, 0]  # Ascension, Thursday 13 May 2021
    assert flags["is_bridge"].to_list() == [0, 0, 1, 0]


def test_weather_is_the_newest_issued_by_the_origin() -> None:
    rows = frame.forecast_rows(dense(), CUT, HORIZON)
    built = frame.build(dense(), features=(Feature(name="weather"),), measure="count", rows=rows)
    two_days = built.filter(pl.col("lead_h") <= 48)["weather_temperature_2m"]
    assert (two_days == 10).all()
    assert built.filter(pl.col("lead_h") > 48)["weather_temperature_2m"].null_count() == 23 * 3
    assert COUNT.id == "count"
