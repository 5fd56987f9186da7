"""Trips: which pairs are places, what is known of them at an origin, and what must never be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.features.trips import CUT, END, FEATURES, KM, PAIRS, START, city, plan, trips
from urbancast.core.errors import ContractError
from urbancast.core.product import Feature, Pairs
from urbancast.features import frame, pair
from urbancast.features.draws import Draws
from urbancast.features.panel import Panel
from urbancast.features.rows import places_at
from urbancast.geo import bands

HORIZON = timedelta(hours=24)
US = pl.Datetime("us", "UTC")


def poisoned(given: Panel, origin: object) -> Panel:
    """Draws not known at the origin made absurd, absurd versions of known ones added, and a thousand absurd trips."""
    late = pl.col("available_at") > origin
    wrong = given.observations.with_columns(value=pl.when(late).then(1e9).otherwise("value"))
    soon = pl.lit(origin, dtype=US) + timedelta(hours=1)
    revised = given.observations.filter(pl.col("time") < origin).with_columns(value=pl.lit(1e9), available_at=soon)
    more = given.observations.head(1000).with_columns(
        place=pl.lit("z5>z0"), draw=pl.col("draw") + 10**9, value=pl.lit(1e9), available_at=soon
    )
    return replace(given, observations=pl.concat([wrong, revised, more]))


def built(panel: Panel, origin: object = CUT, features: tuple[Feature, ...] = FEATURES) -> pl.DataFrame:
    rows = frame.forecast_rows(panel, origin, HORIZON, measure="minutes")  # type: ignore[arg-type]
    return frame.build(panel, features=features, measure="minutes", rows=rows)


@pytest.mark.parametrize("hour", [0, 3, 11])
def test_a_poisoned_future_changes_no_place_and_no_feature(hour: int) -> None:
    origin = CUT + timedelta(hours=hour)
    honest = built(city(), origin)
    assert_frame_equal(honest, built(poisoned(city(), origin), origin))
    assert set(pair.columns({})) <= set(honest.columns)
    assert honest.select(pl.col("rule_pair_mean", "rule_pair_hour", "pair_expected").is_not_null().all()).row(0) == (
        True,
        True,
        True,
    )


def test_a_poisoned_future_changes_no_training_row() -> None:
    honest = frame.training_rows(city(), CUT, plan(), measure="minutes")
    wrong = frame.training_rows(poisoned(city(), CUT), CUT, plan(), measure="minutes")
    assert_frame_equal(honest, wrong)
    assert honest.height > 5_000


def test_features_at_an_origin_do_not_depend_on_which_other_origins_are_asked_for() -> None:
    given = city()
    alone = built(given)
    before = frame.forecast_rows(given, CUT - timedelta(days=9), HORIZON, measure="minutes")
    rows = pl.concat([before, frame.forecast_rows(given, CUT, HORIZON, measure="minutes")])
    both = frame.build(given, features=FEATURES, measure="minutes", rows=rows)
    assert_frame_equal(alone, both.filter(pl.col("origin") == CUT))


def test_places_are_the_pairs_with_enough_draws_known_then_and_every_band() -> None:
    given = city()
    found = places_at(given, "minutes", CUT)
    known = given.observations.filter(pl.col("available_at") <= CUT)
    often = known.group_by("place").len().filter(pl.col("len") >= PAIRS.least_draws)["place"].to_list()
    assert found == sorted([*often, *bands.every(PAIRS)])
    assert len(often) < known["place"].n_unique()
    early = places_at(given, "minutes", START + timedelta(days=6))
    assert set(bands.every(PAIRS)) < set(early) < set(found)
    assert places_at(given, "minutes", START) == bands.every(PAIRS)


def test_draws_older_than_a_year_make_no_place() -> None:
    given = city()
    assert places_at(given, "minutes", END + timedelta(days=366)) == bands.every(PAIRS)
    assert len(places_at(given, "minutes", END + timedelta(days=290))) > len(bands.every(PAIRS))


def test_forecast_rows_are_the_full_grid_of_places_and_hours() -> None:
    rows = frame.forecast_rows(city(), CUT, HORIZON, measure="minutes")
    assert rows.height == len(places_at(city(), "minutes", CUT)) * 24
    assert rows.select("place", "time").is_unique().all()
    assert rows["time"].min() == CUT
    assert rows["time"].max() == CUT + timedelta(hours=23)


def test_a_training_row_has_the_place_that_would_have_been_forecast_at_its_origin() -> None:
    given = city()
    rows = frame.training_rows(given, CUT, plan(), measure="minutes")
    assert rows.height == rows.join(given.observations, on=["time", "value"], how="semi").height
    by_band = rows["place"].str.starts_with("band:")
    assert 0 < by_band.mean() < 0.5  # type: ignore[operator]
    for (origin,), part in rows.sample(400, seed=1).group_by("origin"):
        assert set(part["place"]) <= set(places_at(given, "minutes", origin))  # type: ignore[arg-type]


def test_each_draw_is_trained_once_and_at_most_as_many_as_the_plan_allows() -> None:
    whole = frame.training_rows(city(), CUT, plan(), measure="minutes")
    few = frame.training_rows(city(), CUT, plan(fit_rows=900), measure="minutes")
    known = city().observations.filter(pl.col("available_at") <= CUT)
    assert whole.height <= known.height
    assert few.height <= 900


def test_a_revision_of_a_draw_replaces_it_and_a_withdrawn_one_is_gone() -> None:
    rows = trips()
    one = rows.filter(pl.col("place") == "z0>z1").head(1)
    at = CUT - timedelta(days=1)
    for value in (55.0, None):
        later = one.with_columns(value=pl.lit(value, pl.Float64), available_at=pl.lit(at, dtype=US))
        instead = pl.concat([rows.join(one, on="draw", how="anti"), one.with_columns(value=pl.lit(value, pl.Float64))])
        revised, replaced = city(pl.concat([rows, later])), city(instead)
        columns = ["place", "time", *pair.columns({})]
        assert_frame_equal(built(revised).select(columns), built(replaced).select(columns), abs_tol=1e-4)
        before = built(revised, at - timedelta(hours=2))
        assert_frame_equal(before, built(city(), at - timedelta(hours=2)))


def test_the_simple_rule_is_the_mean_of_the_pair_shrunk_to_its_band() -> None:
    given = city()
    row = built(given).filter(pl.col("place") == "z0>z0").head(1)
    known = given.observations.filter(pl.col("available_at") <= CUT)
    own = known.filter(pl.col("place") == "z0>z0")["value"]
    same = known.join(bands.facts(known["place"].unique().sort().to_list(), given.places, PAIRS), on="place")
    band = same.filter(pl.col("band") == bands.band_of("z0", "z0", given.places, PAIRS))["value"]
    everything = known["value"].mean()
    of_band = (band.sum() + pair.K_RULE * everything) / (band.len() + pair.K_RULE)  # type: ignore[operator]
    due = (own.sum() + pair.K_RULE * of_band) / (own.len() + pair.K_RULE)
    assert row["rule_pair_mean"][0] == pytest.approx(due, rel=1e-5)


def test_what_is_expected_follows_distance_zone_and_hour() -> None:
    rows = built(city())
    minutes = rows.with_columns(
        minutes=pl.col("pair_expected").exp(), hour=pl.col("time").dt.convert_time_zone("America/New_York").dt.hour()
    )
    at = {(r["place"], r["hour"]): r["minutes"] for r in minutes.iter_rows(named=True)}
    assert at["z0>z3", 10] > at["z0>z2", 10] > at["z0>z1", 10] > at["z0>z0", 10]
    assert at["z0>z1", 17] / at["z0>z1", 9] == pytest.approx(1.4, abs=0.12)
    assert at["z2>z1", 10] / at["z0>z1", 10] == pytest.approx(1.2, abs=0.1)
    assert at["z0>z1", 9] == pytest.approx(3 + 3 * KM, rel=0.12)


def test_distance_class_and_band_of_a_pair() -> None:
    given = city()
    facts = bands.facts(["z0>z0", "z0>z1", "z0>z4", "z5>z0", "z0>", ">z9"], given.places, PAIRS)
    assert facts["distance_km"].to_list()[:3] == [
        pytest.approx(0.6),
        pytest.approx(KM, rel=1e-3),
        pytest.approx(4 * KM, rel=1e-3),
    ]
    names = ["band:city:0-2", "band:city:0-2", "band:city:5-", "band:hub:5-", bands.UNKNOWN, bands.UNKNOWN]
    assert facts["band"].to_list() == names
    assert set(names) <= set(bands.every(PAIRS))
    assert facts["bearing"][2] == pytest.approx(0.0, abs=1e-9)
    assert abs(facts["bearing"][3]) == pytest.approx(np.pi)


def test_a_city_without_hubs_has_no_bands_of_them() -> None:
    assert bands.every(Pairs(bands_km=(2.0,))) == ["band:city:0-2", "band:city:2-", "band:unknown:0-"]


def test_reach_is_counted_from_the_newest_trip_of_any_pair() -> None:
    rows = built(city(), features=())
    assert rows.filter(pl.col("lead_h") == 0)["reach_h"].unique().to_list() == [1.0]


def test_a_measure_with_draws_needs_pairs_and_refuses_strange_places() -> None:
    with pytest.raises(ContractError, match=r"Panel\.pairs"):
        Draws(replace(city(), pairs=None), "minutes")
    rows = frame.forecast_rows(city(), CUT, HORIZON, measure="minutes")
    with pytest.raises(ContractError, match="band:moon"):
        frame.build(city(), features=(), measure="minutes", rows=rows.with_columns(place=pl.lit("band:moon:0-1")))
