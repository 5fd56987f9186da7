"""The rule of revisions holds for any sequence of reports."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings, strategies as st

from urbancast.lake.revisions import KEY, first_versions, revisions

START = datetime(2021, 7, 12, tzinfo=UTC)
CONTACT = START + timedelta(days=5)
UTC_US = pl.Datetime("us", "UTC")
SCHEMA = {
    "place": pl.String,
    "measure": pl.String,
    "time": UTC_US,
    "draw": pl.Int64,
    "value": pl.Float64,
    "available_at": UTC_US,
}
NOTHING = pl.DataFrame(schema={**SCHEMA, "availability": pl.String})

values = st.sampled_from([None, 0.0, 1.0, 2.0])
places = st.sampled_from(["a", "b"])
single = st.dictionaries(places, st.tuples(st.integers(1, 9), values), min_size=1)
past = st.dictionaries(places, st.dictionaries(st.integers(1, 5), values, min_size=1, max_size=4), min_size=1)
several = st.dictionaries(places, st.dictionaries(st.integers(1, 9), values, min_size=1, max_size=4), min_size=1)


def report(versions: dict[str, dict[int, float | None]]) -> pl.DataFrame:
    """Frame of a report: by place, value by the day it is declared for."""
    rows = [
        (place, "m", START, 0, value, START + timedelta(days=day))
        for place, by_day in versions.items()
        for day, value in by_day.items()
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def add(known: pl.DataFrame, told: pl.DataFrame, fetched_at: datetime) -> pl.DataFrame:
    proposed = first_versions(told, fetched_at=fetched_at, first_contact=CONTACT)
    return pl.concat([known, revisions(proposed, known, fetched_at=fetched_at)])


def newest(known: pl.DataFrame) -> dict[str, float | None]:
    rows = known.sort("available_at").unique("place", keep="last", maintain_order=True)
    return dict(rows.select("place", "value").iter_rows())


def known_at(known: pl.DataFrame, at: datetime) -> dict[str, float | None]:
    return {k: v for k, v in newest(known.filter(pl.col("available_at") <= at)).items() if v is not None}


def fetches(reports: list[dict]) -> list[tuple[datetime, dict]]:
    return [(CONTACT + timedelta(days=day), told) for day, told in enumerate(reports)]


@given(st.lists(several, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_the_same_report_again_adds_nothing(reports):
    known = NOTHING
    for fetched_at, told in fetches(reports):
        known = add(known, report(told), fetched_at)
        assert add(known, report(told), fetched_at).height == known.height


@given(st.lists(several, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_all_reports_read_again_in_their_order_add_nothing(reports):
    known = NOTHING
    for fetched_at, told in fetches(reports):
        known = add(known, report({p: {1: list(v.values())[-1]} for p, v in told.items()}), fetched_at)
    again = known
    for fetched_at, told in fetches(reports):
        again = add(again, report({p: {1: list(v.values())[-1]} for p, v in told.items()}), fetched_at)
    assert again.height == known.height


@given(st.lists(several, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_versions_of_a_key_differ_from_the_one_before_at_instants_of_their_own(reports):
    known = NOTHING
    for fetched_at, told in fetches(reports):
        known = add(known, report(told), fetched_at)
    assert known.select(*KEY, "available_at").is_duplicated().sum() == 0
    for _, versions in known.sort("available_at").group_by("place"):
        told = versions["value"].to_list()
        assert all(one != other for one, other in itertools.pairwise(told))


@given(st.lists(past, min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_after_a_report_the_newest_known_is_its_last_word(reports):
    known = NOTHING
    for fetched_at, told in fetches(reports):
        known = add(known, report(told), fetched_at)
        at = fetched_at + timedelta(days=20)
        for place, by_day in told.items():
            assert known_at(known, at).get(place) == by_day[max(by_day)]


@given(st.lists(single, min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_single_values_follow_the_rule_written_out(reports):
    known, expected = NOTHING, []
    now_known: dict[str, float | None] = {}
    for fetched_at, told in fetches(reports):
        for place, (day, value) in told.items():
            declared = START + timedelta(days=day)
            is_new = not any(row[0] == place for row in expected)
            if is_new or value != now_known[place]:
                at = declared if is_new and declared < CONTACT else fetched_at
                later = [row for row in expected if row[0] == place]
                if later and declared < CONTACT and declared > max(row[2] for row in later):
                    at = declared
                expected.append((place, value, at))
                now_known[place] = value
        known = add(known, report({p: {day: value} for p, (day, value) in told.items()}), fetched_at)
    assert sorted(known.select("place", "value", "available_at").rows(), key=str) == sorted(expected, key=str)


@given(st.lists(single, min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_later_report_never_changes_what_was_known_since_first_contact(reports):
    known = NOTHING
    for fetched_at, told in fetches(reports):
        moments = [CONTACT + timedelta(days=d) for d in range(6)]
        before = {at: known_at(known, at) for at in moments if at < fetched_at}
        versions = {p: {day + 5: value} for p, (day, value) in told.items()}
        known = add(known, report(versions), fetched_at)
        assert before == {at: known_at(known, at) for at in before}
