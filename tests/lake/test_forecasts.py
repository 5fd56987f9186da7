from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.lake import forecasts

P = "paris_bikes"


@pytest.fixture
def add(lake):
    return lambda frame, run="r": forecasts.add(lake, P, frame, run=run, issued_at=frame["origin"][0])


def test_a_set_that_is_there_is_never_rewritten(lake, at, promised, add):
    assert add(promised(at()), "first") == 72
    version = lake.version("forecasts")
    assert add(promised(at()).with_columns(mean=pl.lit(4.0)), "second") == 0
    assert lake.version("forecasts") == version
    assert forecasts.read(lake, P)["run"].unique().to_list() == ["first"]


def test_a_new_set_beside_a_known_one_is_added(lake, at, promised, add):
    add(promised(at()))
    assert add(pl.concat([promised(at()), promised(at(), release="r1"), promised(at(1))])) == 144
    assert forecasts.origins(lake, P).select("origin", "release", "rows").rows() == [
        (at(), "r0", 72),
        (at(), "r1", 72),
        (at(1), "r0", 72),
    ]


def test_forecasts_are_read_by_origin_release_and_target_time(lake, at, promised, add):
    for day in range(25):
        add(pl.concat([promised(at(day), hours=48), promised(at(day), release="r1", hours=48)]))
    one = forecasts.read(lake, P, origin=at(20), release="r1", measure="bikes")
    assert one.height == 3 * 48
    assert one["origin"].unique().to_list() == [at(20)]
    hour = forecasts.read(lake, P, since=at(20), until=at(20, 1), release="r0")
    assert hour["origin"].unique().sort().to_list() == [at(19), at(20)]
    assert forecasts.read(lake, P, origin=at(20), since=at(21), until=at(21, 2)).height == 2 * 3 * 2
    assert forecasts.read(lake, P, measure="other").height == 0


def test_origins_are_cut_by_origin(lake, at, promised, add):
    for day in range(4):
        add(promised(at(day)))
    found = forecasts.origins(lake, P, since=at(1), until=at(3))
    assert found["origin"].to_list() == [at(1), at(2)]
    assert found["last"].to_list() == [at(1, 23), at(2, 23)]


def test_quantiles_out_of_order_are_refused(lake, at, promised, add):
    with pytest.raises(ContractError, match="forecasts: expected rule 'quantiles_ordered' to hold, found 72 rows"):
        add(promised(at()).with_columns(q90=pl.lit(0.5)))
    assert lake.version("forecasts") == -1


def test_an_origin_at_the_edge_of_a_month_is_found(lake, at, promised, add):
    edge = at(20)  # 1 August
    add(promised(edge - timedelta(hours=1)))
    add(promised(edge))
    assert forecasts.read(lake, P, origin=edge)["origin"].unique().to_list() == [edge]
    assert forecasts.read(lake, P, since=edge, until=edge + timedelta(hours=1)).height == 6
