"""What a forecast is worth is told by its kind: live where it was promised in time, replay where it was not."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from tests.features.panels import hours, utc
from urbancast.core.tables import QUANTILE_COLUMNS, SCORE_KINDS, Scores
from urbancast.evaluation import metrics
from urbancast.lake import scores
from urbancast.lake.store import Lake
from urbancast.models.counts import Family
from urbancast.monitoring import verify

ORIGIN = utc(2021, 6, 1, 6)
HOUR = timedelta(hours=1)
TZ = "Europe/Paris"
SPREAD = (0.5, 0.6, 0.8, 1.0, 1.2, 1.4, 1.5)


def issued(release: str, mean: float, *, issued_at: datetime, count: int = 24) -> pl.DataFrame:
    """One release's forecasts of two places from ORIGIN, the same mean everywhere."""
    times = hours(ORIGIN, ORIGIN + count * HOUR).alias("time").to_frame()
    rows = times.join(pl.DataFrame({"place": ["a", "b"]}), how="cross")
    return rows.with_columns(
        measure=pl.lit("count"),
        origin=pl.lit(ORIGIN).cast(pl.Datetime("us", "UTC")),
        mean=pl.lit(mean),
        release=pl.lit(release),
        issued_at=pl.lit(issued_at).cast(pl.Datetime("us", "UTC")),
        reach_h=pl.lit(30.0),
        **{name: pl.lit(mean * by) for name, by in zip(QUANTILE_COLUMNS, SPREAD, strict=True)},
    )


def truth(count: int = 24, value: float = 10.0) -> pl.DataFrame:
    times = hours(ORIGIN, ORIGIN + count * HOUR).alias("time").to_frame()
    return times.join(pl.DataFrame({"place": ["a", "b"]}), how="cross").with_columns(value=pl.lit(value))


def scored(*parts: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([verify.losses(part, truth(), tz=TZ) for part in parts])


def test_only_what_was_issued_before_its_time_is_live() -> None:
    rows = verify.losses(issued("r", 12.0, issued_at=ORIGIN + 6 * HOUR), truth(), tz=TZ)
    live = rows.filter(pl.col("kind") == "live")
    assert live["time"].min() == ORIGIN + 7 * HOUR
    assert rows.filter(pl.col("kind") == "replay")["time"].max() == ORIGIN + 6 * HOUR
    assert live.height == 2 * 17
    assert set(rows["kind"]) <= set(SCORE_KINDS)


def test_a_forecast_without_its_truth_is_not_scored() -> None:
    rows = verify.losses(issued("r", 12.0, issued_at=ORIGIN - HOUR), truth(count=5), tz=TZ)
    assert rows.height == 2 * 5
    unknown = truth().with_columns(value=pl.lit(None, pl.Float64))
    assert verify.losses(issued("r", 12.0, issued_at=ORIGIN - HOUR), unknown, tz=TZ).is_empty()


def test_a_count_family_is_asked_for_its_own_coverage() -> None:
    rows = issued("r", 2.0, issued_at=ORIGIN - HOUR)
    seldom = truth(value=0.0)
    exact = verify.losses(rows, seldom, tz=TZ, family=Family(0.0))
    # P(0) = e⁻² = 0.135 under Poisson: a draw below 0.1 / 0.135 of its mass falls under the range.
    share = exact["hits_80"].mean()
    assert share != verify.losses(rows, seldom, tz=TZ)["hits_80"].mean()
    assert isinstance(share, float)
    assert 0 < share < 0.7


def test_the_ledger_has_the_baselines_sums_on_the_same_rows() -> None:
    rows = scored(issued("gbm", 11.0, issued_at=ORIGIN - HOUR), issued("naive", 14.0, issued_at=ORIGIN - HOUR))
    sums = verify.ledger(rows, frozenset({"naive"}))
    totals = {
        row["release"]: row for row in sums.group_by("release").agg(pl.col(pl.Float64, pl.Int64).sum()).to_dicts()
    }
    assert set(totals) == {"gbm", "naive"}
    assert (totals["gbm"]["n"], totals["naive"]["n"]) == (48, 48)
    assert totals["gbm"]["absolute_error"] == pytest.approx(48 * 1.0)
    assert totals["gbm"]["baseline_absolute_error"] == pytest.approx(48 * 4.0)
    for name in metrics.BASELINES:
        assert totals["naive"][f"baseline_{name}"] == pytest.approx(totals["naive"][name])
        assert totals["gbm"][f"baseline_{name}"] == pytest.approx(totals["naive"][name])


def test_a_row_the_baseline_could_not_forecast_is_in_neither_sum() -> None:
    half = issued("naive", 14.0, issued_at=ORIGIN - HOUR).filter(pl.col("place") == "a")
    sums = verify.ledger(scored(issued("gbm", 11.0, issued_at=ORIGIN - HOUR), half), frozenset({"naive"}))
    assert set(sums["place"]) == {"a"}
    assert sums.group_by("release").agg(pl.col("n").sum())["n"].to_list() == [24, 24]


def test_kinds_are_never_pooled() -> None:
    rows = scored(
        issued("gbm", 11.0, issued_at=ORIGIN + 6 * HOUR),
        issued("naive", 14.0, issued_at=ORIGIN + 6 * HOUR),
    )
    sums = verify.ledger(rows, frozenset({"naive"}))
    by_kind = sums.group_by("release", "kind").agg(pl.col("n").sum()).sort("release", "kind")
    assert by_kind.rows() == [
        ("gbm", "live", 34),
        ("gbm", "replay", 14),
        ("naive", "live", 34),
        ("naive", "replay", 14),
    ]


def test_a_live_forecast_stands_beside_the_live_baseline_not_beside_a_replayed_one() -> None:
    rows = scored(
        issued("gbm-lived", 11.0, issued_at=ORIGIN - HOUR),
        issued("naive-lived", 14.0, issued_at=ORIGIN - HOUR),
        issued("gbm-replayed", 12.0, issued_at=ORIGIN + 99 * HOUR),
        issued("naive-replayed", 17.0, issued_at=ORIGIN + 99 * HOUR),
    )
    sums = verify.ledger(rows, frozenset({"naive-lived", "naive-replayed"}))
    beside = sums.group_by("release").agg(pl.col("baseline_absolute_error").sum() / pl.col("n").sum())
    assert dict(beside.rows()) == pytest.approx(
        {"gbm-lived": 4.0, "naive-lived": 4.0, "gbm-replayed": 7.0, "naive-replayed": 7.0}
    )


def test_the_lake_takes_a_ledger_and_keeps_its_kinds_apart(lake: Lake) -> None:
    rows = scored(
        issued("gbm", 11.0, issued_at=ORIGIN + 6 * HOUR),
        issued("naive", 14.0, issued_at=ORIGIN + 6 * HOUR),
    )
    sums = verify.ledger(rows, frozenset({"naive"}))
    scores.add(lake, "town", sums, run="r")
    scores.add(lake, "town", sums, run="r")
    for kind, count in (("live", 34), ("replay", 14)):
        kept = scores.read(lake, "town", kind=kind, release="gbm")
        assert kept["n"].sum() == count
        assert set(kept.columns) >= set(Scores.column_names())
    days = scores.read(lake, "town")["day"].unique().sort().to_list()
    assert [str(day) for day in days] == ["2021-06-01", "2021-06-02"]  # local days: 06:00 UTC to 06:00 UTC
