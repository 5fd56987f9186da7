"""The track record: sums divided once, kinds apart, the served release only."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from urbancast.api import record, snapshot

AT = "2021-10-30T16:00Z"
SUMS = ("value", "mean", "absolute_error", "squared_error", "deviance", "pinball", "crps", "width_80")


def rows(
    shares: list[float], *, kind: str = "replay", release: str = "r1", place: str = "a", n: int = 10
) -> pl.DataFrame:
    made = [
        {"place": place, "release": release, "kind": kind, "day": date(2021, 10, 1) + timedelta(days=i),
         "reach_band": "0-24 h", "how": (i % 7) * 24 + 18, "n": n, "hits_80": n * share, "plain_hits_80": n * share}
        | dict.fromkeys(SUMS, 3.0)
        | {f"baseline_{name}": 4.0 for name in ("absolute_error", "squared_error", "deviance", "pinball", "crps")}
        for i, share in enumerate(shares)
    ]  # fmt: skip
    return pl.DataFrame(made)


def build(scores: pl.DataFrame, ranks: dict[str, int] | None = None) -> record.Record:
    return record.build(scores.lazy(), ranks or {"r1": 1}, ["a", "b"], score="mae", baseline="climatology")


def test_coverage_pools_weekdays_and_its_error_is_that_of_whole_days() -> None:
    shares = [0.7, 0.9, 0.8, 0.6, 1.0, 0.8]
    found = record.pick(build(rows(shares)).by_place, 0, 18)
    assert found is not None
    assert (found["kind"], found["n"]) == ("replay", 60)
    assert found["held"] == pytest.approx(np.mean(shares), abs=1e-4)
    assert found["plus_minus"] == pytest.approx(1.96 * np.std(shares, ddof=1) / np.sqrt(6), abs=1e-4)


def test_what_always_held_so_far_keeps_a_doubt() -> None:
    found = record.pick(build(rows([1.0] * 6)).by_place, 0, 18)
    assert found is not None
    assert (found["held"], found["plus_minus"]) == (1.0, 0.5)  # three in six days, by the rule of three


def test_another_hour_or_place_has_no_record() -> None:
    made = build(rows([0.8] * 6))
    assert record.pick(made.by_place, 0, 17) is None
    assert record.pick(made.by_place, 1, 18) is None


def test_fewer_than_thirty_is_too_early() -> None:
    assert record.pick(build(rows([0.8], n=29)).by_place, 0, 18) is None
    found = record.pick(build(rows([0.8], n=30)).by_place, 0, 18)
    assert found is not None
    assert found["plus_minus"] is None  # one day tells nothing of the spread between days


def test_live_is_preferred_once_it_has_enough_and_kinds_never_add_up() -> None:
    few = pl.concat([rows([1.0] * 2, kind="live"), rows([0.5] * 6)])
    enough = pl.concat([rows([1.0] * 3, kind="live"), rows([0.5] * 6)])
    first, second = (record.pick(build(scores).by_place, 0, 18) for scores in (few, enough))
    assert first is not None
    assert second is not None
    assert (first["kind"], first["n"], first["held"]) == ("replay", 60, 0.5)
    assert (second["kind"], second["n"], second["held"]) == ("live", 30, 1.0)


def test_a_shadow_release_adds_nothing_where_the_served_one_was_scored() -> None:
    both = pl.concat([rows([0.8] * 4), rows([0.0] * 6, release="r0")])
    found = build(both, {"r0": 0, "r1": 1}).kinds["replay"]
    assert found["n"] == 60
    assert found["coverage_80"] == pytest.approx((4 * 0.8 + 2 * 0.0) / 6, abs=1e-4)


def test_a_rejected_candidates_folds_are_not_the_served_ones_record() -> None:
    releases = pl.DataFrame(
        [
            ("r0", 0, "climatology", 1),
            ("r1", 1, "gbm", 2),
            ("r2", 2, "linear", 3),
        ],
        schema=["release", "number", "candidate", "created_at"],
        orient="row",
    )
    folds = pl.concat(
        rows([share] * 6, kind="backtest", release=f"backtest:{name}")
        for name, share in (("climatology", 0.1), ("gbm", 0.8), ("linear", 0.3), ("unheard", 1.0))
    )
    for served, share in (("r1", 0.8), ("r0", 0.1)):
        found = build(folds, snapshot.ranks(releases, served)).kinds["backtest"]
        assert (found["n"], found["coverage_80"]) == (60, share)


def test_skill_is_one_minus_the_ratio_to_the_baseline() -> None:
    made = build(rows([0.8] * 6))
    assert made.kinds["replay"]["skill"] == 0.25
    assert made.kinds["replay"]["mae"] == pytest.approx(0.3)
    assert made.skill() == {"score": "mae", "value": 0.25, "baseline": "climatology", "kind": "replay", "n": 60,
                            "scope": "city"}  # fmt: skip


def test_a_baseline_without_error_gives_no_skill_rather_than_an_infinite_one() -> None:
    made = build(rows([0.8] * 6).with_columns(baseline_absolute_error=pl.lit(0.0)))
    assert made.kinds["replay"]["skill"] is None
    assert made.skill() is None


def test_reach_bands_stand_in_the_order_of_hours() -> None:
    bands = ["168-336h", "<24h", ">=336h", "24-48h"]
    scores = pl.concat(rows([0.8]).with_columns(reach_band=pl.lit(band)) for band in bands)
    shown = [row["reach"] for row in build(scores).kinds["replay"]["by_reach"]]
    assert shown == ["<24h", "24-48h", "168-336h", ">=336h"]


def test_places_are_ranked_by_skill() -> None:
    worse = rows([0.8] * 6, place="b").with_columns(absolute_error=pl.lit(4.4))
    best = build(pl.concat([rows([0.8] * 6), worse])).kinds["replay"]["best_places"]
    assert [(each["place"], each["skill"]) for each in best] == [("a", 0.25), ("b", -0.1)]


def test_no_scores_is_an_empty_record() -> None:
    made = build(rows([0.8]).clear())
    assert (dict(made.kinds), made.skill()) == ({}, None)


def test_the_track_record_keeps_kinds_apart(client: TestClient) -> None:
    payload = client.get("/v1/products/bikes/track-record").json()
    kinds: dict[str, Any] = payload["kinds"]
    assert set(kinds) == {"live", "replay"}
    assert kinds["replay"]["n"] == 20 * 2 * 24 * 2
    assert kinds["live"]["n"] == 3 * 24 * 2
    assert kinds["replay"]["coverage_80"] == 0.75  # half held on even days, all on odd ones
    assert [row["hour"] for row in kinds["replay"]["by_local_hour"]] == list(range(24))
    assert sum(row["n"] for row in kinds["replay"]["by_day"]) == kinds["replay"]["n"]
    assert (payload["baseline"], payload["score"], payload["simulated"]) == ("climatology", "mae", True)
    assert payload["verdicts"][0]["action"] == "promoted"
    assert payload["verdicts"][0]["decided_at"] == "2021-10-27T00:00:00Z"


def test_an_answer_says_how_often_its_hour_held_there(client: TestClient) -> None:
    answer = client.get("/v1/products/bikes/forecast", params={"place": "a", "at": AT}).json()
    found = answer["record"]
    assert (found["state"], found["kind"], found["n"], found["held"]) == ("held", "replay", 40, 0.75)
    assert found["local_hour"] == 18
    assert found["sentence"]["en"] in answer["sentence"]["en"]
    assert answer["skill"]["value"] == 0.25


def test_a_place_without_scores_is_too_early_and_shows_the_citys(client: TestClient) -> None:
    found = client.get("/v1/products/bikes/forecast", params={"place": "c", "at": AT}).json()["record"]
    assert (found["state"], found["held"], found["n"]) == ("too_early", None, 0)
    assert (found["city"]["n"], found["city"]["kind"]) == (80, "replay")


def test_the_products_own_primary_score_names_the_skill(client: TestClient) -> None:
    answer = client.get("/v1/products/crashes/forecast", params={"place": "1", "at": AT}).json()
    assert (answer["skill"]["score"], answer["skill"]["baseline"]) == ("poisson_deviance", "climatology")
