from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, strategies as st

from urbancast.products.sorting import Rule, Sorted, sort_rows

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
RULES = (Rule(name="negative", broken=pl.col("value") < 0, reason="below zero"),)


def sort(rows: list[tuple[str, float | None, int]]) -> Sorted:
    """Rows as (key, value, number of the fetch)."""
    frame = pl.DataFrame(
        {
            "key": [row[0] for row in rows],
            "value": [row[1] for row in rows],
            "fetched_at": [FIRST + timedelta(days=row[2]) for row in rows],
        },
        schema={"key": pl.String, "value": pl.Float64, "fetched_at": pl.Datetime("us", "UTC")},
    )
    return sort_rows(frame, source="s", key=("key",), rules=RULES)


def test_a_row_said_twice_is_repeated() -> None:
    found = sort([("a", 1, 0), ("a", 1, 0), ("a", 1, 1)])
    assert (found.kept.height, found.repeated, found.quarantine.height) == (1, 2, 0)


def test_a_later_fetch_that_says_otherwise_is_a_revision() -> None:
    found = sort([("a", 1, 0), ("a", 2, 1), ("a", 1, 2)])
    assert found.kept["value"].to_list() == [1, 2, 1]


def test_one_fetch_that_says_two_things_keeps_the_first() -> None:
    found = sort([("a", 1, 0), ("a", 2, 0), ("a", 1, 0)])
    assert found.kept["value"].to_list() == [1]
    assert found.quarantine["rule"].to_list() == ["conflict"]
    assert found.repeated == 1


def test_a_broken_row_is_kept_out_once_with_its_content() -> None:
    found = sort([("a", -1, 0), ("a", -1, 3), ("b", None, 0)])
    assert found.quarantine.select("source", "rule", "reason").rows() == [("s", "negative", "below zero")] * 2
    assert found.quarantine["row"].to_list() == ['{"key":"a","value":-1.0}', '{"key":"b","value":null}']
    assert found.repeated == 1


rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([-1.0, 0.0, 1.0, 2.0, None]), st.integers(0, 3)), max_size=25
)


@given(rows)
def test_every_row_has_one_fate_and_the_last_word_is_kept(said: list[tuple[str, float | None, int]]) -> None:
    found = sort(said)
    assert found.kept.height + found.quarantine.height + found.repeated == len(said)
    assert found.quarantine.is_unique().all()
    for key in "abc":
        good = [row for row in said if row[0] == key and row[1] is not None and row[1] >= 0]
        kept = found.kept.filter(pl.col("key") == key)["value"].to_list()
        firsts = [next(row[1] for row in good if row[2] == fetch) for fetch in sorted({row[2] for row in good})]
        news = [value for i, value in enumerate(firsts) if i == 0 or value != firsts[i - 1]]
        assert kept == news
