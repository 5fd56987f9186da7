from __future__ import annotations

import polars as pl
import pytest

from urbancast.lake import covariates

P = "paris_bikes"


@pytest.fixture
def rain(at):
    """Rain of one hour by (issued after days, kind, value)."""

    def frame(*rows, hour=100) -> pl.DataFrame:
        issued = [at(row[0]) for row in rows]
        return pl.DataFrame({"value": [row[2] for row in rows], "kind": [row[1] for row in rows]}).with_columns(
            place=pl.lit(""),
            variable=pl.lit("rain_mm"),
            time=pl.lit(at(0, hour)),
            issued_at=pl.Series(issued, dtype=pl.Datetime("us", "UTC")),
            available_at=pl.Series(issued, dtype=pl.Datetime("us", "UTC")),
        )

    return frame


def test_every_issue_of_a_forecast_is_kept_once(lake, rain):
    issues = rain((0, "issued", 1.0), (1, "issued", 1.0), (2, "issued", 3.0))
    assert covariates.add(lake, P, issues, run="r") == 3
    assert covariates.add(lake, P, issues, run="r") == 0
    assert covariates.versions(lake, P)["value"].to_list() == [1.0, 1.0, 3.0]


def test_an_observed_value_reported_again_adds_nothing(lake, at, rain):
    assert covariates.add(lake, P, rain((5, "observed", 1.0)), run="r") == 1
    assert covariates.add(lake, P, rain((6, "observed", 1.0)), run="r") == 0
    assert covariates.add(lake, P, rain((7, "observed", 2.0)), run="r") == 1
    assert covariates.versions(lake, P).select("value", "available_at").rows() == [(1.0, at(5)), (2.0, at(7))]


def test_a_changed_value_of_a_known_issue_comes_after_it(lake, rain):
    covariates.add(lake, P, rain((5, "issued", 1.0)), run="r")
    assert covariates.add(lake, P, rain((5, "issued", 2.0)), run="r") == 1
    rows = covariates.versions(lake, P)
    assert rows["value"].to_list() == [1.0, 2.0]
    assert rows["available_at"].n_unique() == 2
    assert covariates.add(lake, P, rain((5, "issued", 2.0)), run="r") == 0


def test_kinds_stand_beside_each_other(lake, rain):
    covariates.add(lake, P, rain((1, "issued", 1.0), (5, "observed", 1.0), (5, "oracle", 1.0)), run="r")
    assert covariates.versions(lake, P)["kind"].to_list() == ["issued", "observed", "oracle"]


def test_versions_are_cut_by_time(lake, at, rain):
    for hour in (1, 25, 49):
        covariates.add(lake, P, rain((0, "issued", 1.0), hour=hour), run="r")
    assert covariates.versions(lake, P, since=at(1), until=at(2))["time"].to_list() == [at(1, 1)]
