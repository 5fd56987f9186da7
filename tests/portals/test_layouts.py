from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from urbancast.core.errors import ContractError
from urbancast.core.product import Layout
from urbancast.core.time import UTC_US
from urbancast.portals import layouts
from urbancast.portals.fetched import Fetched

NOW = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


def parse(native: pl.DataFrame) -> pl.DataFrame:
    stamp = pl.concat_str("day", "hour", separator=" ")
    return native.select(
        pl.col("site"),
        time=stamp.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", time_zone="UTC", strict=False),
        value=pl.col("count").cast(pl.Float64, strict=False),
    )


def parse_old(native: pl.DataFrame) -> pl.DataFrame:
    return parse(native.rename({"Compteur": "site", "Jour": "day", "Heure": "hour", "Total": "count"}))


NEW = Layout(name="new", columns=("site", "day", "hour"), optional=("count", "note"), parse=parse)
OLD = Layout(name="old", columns=("Compteur", "Jour", "Heure", "Total"), parse=parse_old)
SCHEMA = {"site": pl.String, "time": UTC_US, "value": pl.Float64}


@pytest.fixture
def counts(source):
    return source("files", "", name="counts", layouts=(NEW, OLD), schema=SCHEMA)


def page(payload: bytes, media: str = "application/json") -> Fetched:
    facts = {"rows_claimed": None, "rows_received": 0, "window": None}
    return Fetched(url="file:///x", query={}, payload=payload, media=media, fetched_at=NOW, **facts)


def rows(n: int = 8, **changes) -> Fetched:
    row = {"site": "a", "day": "2026-10-01", "hour": "3:00", "count": "7"} | changes
    return page(json.dumps([{name: value for name, value in row.items() if value is not None}] * n).encode())


def test_each_vintage_is_matched_by_its_own_layout(counts):
    assert layouts.match(counts, layouts.native(rows())).name == "new"
    old = page(b"Compteur;Jour;Heure;Total\na;2026-10-01;3:00;7\n", "text/csv")
    assert layouts.match(counts, layouts.native(old)).name == "old"
    assert layouts.parse(counts, old).row(0)[:3] == ("a", datetime(2026, 10, 1, 3, tzinfo=UTC), 7.0)


def test_the_canonical_frame_is_the_schema_with_position_and_fetch(counts):
    frame = layouts.parse(counts, rows(3))
    assert frame.schema == pl.Schema({**SCHEMA, "_row": pl.Int64, "fetched_at": UTC_US})
    assert frame["_row"].to_list() == [0, 1, 2]
    assert set(frame["fetched_at"]) == {NOW}


def test_a_page_that_omits_null_fields_loses_no_row(counts):
    payload = (
        b'[{"site":"a","day":"2026-10-01","hour":"1:00"},{"site":"b","day":"2026-10-01","hour":"2:00","count":"3"}]'
    )
    assert layouts.parse(counts, page(payload))["value"].to_list() == [None, 3.0]
    assert layouts.parse(counts, rows(8, count=None))["value"].null_count() == 8


def test_an_empty_answer_is_an_empty_table(counts):
    assert layouts.parse(counts, page(b"[]")).schema == layouts.parse(counts, rows()).schema
    assert layouts.match(counts, layouts.native(page(b"[]"))).name == "new"


def test_a_renamed_column_is_named_with_its_likely_new_name(counts):
    payload = json.dumps([{"site": "a", "day_local": "2026-10-01", "hour": "1:00"}]).encode()
    with pytest.raises(ContractError, match=r"nearest to 'new' but for: 'day' seems renamed to 'day_local'"):
        layouts.parse(counts, page(payload))


def test_a_missing_column_is_named(counts):
    with pytest.raises(ContractError, match=r"counts: .*\(new, old\).* missing 'hour'; nothing was written"):
        layouts.parse(counts, rows(hour=None))


def test_an_unexpected_column_is_named(counts):
    with pytest.raises(ContractError, match="unexpected 'direction'"):
        layouts.parse(counts, rows(direction="N"))


def test_a_layout_may_let_any_further_column_pass(counts):
    open_minded = replace(counts, layouts=(replace(NEW, optional=("count", layouts.ANY)),))
    assert layouts.parse(open_minded, rows(direction="N")).columns == [*SCHEMA, "_row", "fetched_at"]


def test_the_portals_own_row_ids_are_no_columns_of_the_source(counts):
    assert layouts.parse(counts, rows(**{":id": "row-1"})).height == 8


def test_two_layouts_that_both_match_are_refused(counts):
    twice = replace(counts, layouts=(NEW, replace(NEW, name="newer")))
    with pytest.raises(ContractError, match="found new, newer"):
        layouts.parse(twice, rows())


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("count", "seven", r"counts\.count: expected values that read as Float64 \(value\), found 'seven'"),
        ("day", "1 Oct 2026", r"counts\.day: expected values that read as Datetime.*\(time\), found '1 Oct 2026'"),
        ("hour", "three", r"counts\.hour: expected values that read as Datetime.*\(time\), found 'three'"),
        ("day", 20261001, r"counts\.day: .* found 20261001"),
        ("count", {"n": 7}, r"counts\.value: expected Float64, found Struct"),
    ],
)
def test_a_retyped_column_is_refused_by_name(counts, column, value, told):
    with pytest.raises(ContractError, match=told):
        layouts.parse(counts, rows(**{column: value}))


def test_single_values_that_cannot_be_read_stay_for_quarantine(counts):
    payload = json.dumps(
        [{"site": "a", "day": "2026-10-01", "hour": f"{h}:00", "count": "bad" if h == 3 else "7"} for h in range(9)]
    )
    fetched = page(payload.encode())
    bad = layouts.parse(counts, fetched).filter(pl.col("value").is_null())["_row"].to_list()
    (text,) = layouts.native_rows(layouts.native(fetched), bad)
    assert json.loads(text) == {"site": "a", "day": "2026-10-01", "hour": "3:00", "count": "bad"}


def test_a_layout_that_drops_rows_is_refused(counts):
    def drop(native: pl.DataFrame) -> pl.DataFrame:
        return parse(native).head(1)

    with pytest.raises(ContractError, match="a layout drops no row"):
        layouts.parse(replace(counts, layouts=(replace(NEW, parse=drop),)), rows())


def test_a_layout_that_gives_another_type_is_refused(counts):
    other = replace(counts, schema={**SCHEMA, "value": pl.Int64})
    with pytest.raises(ContractError, match=r"counts\.value: expected Int64, found Float64"):
        layouts.parse(other, rows())


def test_an_answer_comes_back_from_its_manifest(counts):
    fetched = rows()
    manifest = {
        "url": fetched.url,
        "query": json.dumps({"a": "1"}),
        "window_start": None,
        "window_end": None,
        "fetched_at": NOW,
        "rows_claimed": None,
        "rows_received": 8,
    }
    again = Fetched.of_page(manifest, fetched.payload)
    assert again.media == fetched.media
    assert layouts.parse(counts, again).equals(layouts.parse(counts, fetched))
