from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from urbancast.core.tables import TABLES
from urbancast.lake import scores

P = "paris_bikes"
DAY = date(2021, 7, 12)


@pytest.fixture
def scored():
    """Scores of some places for one day."""

    def frame(day=DAY, *, kind="live", release="r0", error=1.0, places=3) -> pl.DataFrame:
        texts = {"measure": "bikes", "release": release, "kind": kind, "reach_band": "1-24h"}
        rows = pl.DataFrame({"place": [f"c{i}" for i in range(places)]})
        sums = [name for name, dtype in TABLES["scores"].create_empty().schema.items() if dtype == pl.Float64]
        return rows.with_columns(
            **{k: pl.lit(v) for k, v in texts.items()},
            day=pl.lit(day),
            how=pl.lit(7),
            n=pl.lit(1),
            **{name: pl.lit(error) for name in sums},
        )

    return frame


def test_a_day_scored_again_replaces_itself_in_one_commit(lake, scored):
    scores.add(lake, P, scored(), run="first")
    version = lake.version("scores")
    assert scores.add(lake, P, scored(error=2.0, places=2), run="second") == 2
    assert lake.version("scores") == version + 1
    assert scores.read(lake, P).select("place", "absolute_error").rows() == [("c0", 2.0), ("c1", 2.0)]


@pytest.mark.parametrize("other", [{"kind": "replay"}, {"release": "r1"}, {"day": DAY + timedelta(days=1)}])
def test_another_kind_release_or_day_stays(lake, scored, other):
    scores.add(lake, P, scored(**other), run="first")
    scores.add(lake, P, scored(error=2.0), run="second")
    assert sorted(scores.read(lake, P)["run"]) == ["first"] * 3 + ["second"] * 3


def test_days_of_several_months_and_products_are_put_at_once(lake, scored):
    days = [date(2021, 6, 30), date(2021, 7, 31), date(2021, 8, 1)]
    scores.add(lake, "nyc_crashes", scored(date(2021, 7, 31)), run="r")
    scores.add(lake, P, pl.concat([scored(d) for d in days]), run="first")
    scores.add(lake, P, pl.concat([scored(d, places=1) for d in days[1:]]), run="second")
    by_day = scores.read(lake, P).group_by("day").len().sort("day")
    assert by_day.rows() == [(days[0], 3), (days[1], 1), (days[2], 1)]
    assert scores.read(lake, "nyc_crashes").height == 3


def test_scores_are_read_by_day_kind_and_release(lake, scored):
    for offset in range(5):
        scores.add(lake, P, scored(DAY + timedelta(days=offset)), run="r")
    scores.add(lake, P, scored(kind="backtest", release="r2"), run="r")
    assert scores.read(lake, P, since=DAY + timedelta(days=1), until=DAY + timedelta(days=3)).height == 6
    assert scores.read(lake, P, kind="backtest").height == 3
    assert scores.read(lake, P, release="r0", measure="bikes").height == 15
    assert scores.read(lake, P)["how"].dtype == pl.Int16
