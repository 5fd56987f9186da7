"""Fetching and observing apart equal a pull; a source that is not asked is asked for its whole gap the next time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.flows.conftest import NOW, Open
from tests.flows.tables import assert_equal
from urbancast.flows import contact, pull
from urbancast.lake import observations, raw
from urbancast.lake.store import Lake

SOURCES = ["counts"]


def test_a_fetch_and_an_observation_apart_equal_a_pull(lake: Lake, riverton: Open, tmp_path: Path) -> None:
    whole = Lake.open(tmp_path / "whole")
    with riverton(whole) as (job, _):
        pulled = pull.run(job)
    with riverton(lake) as (job, _):
        pages = pull.fetch(job)
        assert observations.data_to(lake, "riverton") is None
        assert [fetch.run for fetch in contact.of(lake, "riverton", SOURCES).unobserved] == [job.run_id("pull")]
        later = pull.observe(job.at(NOW))
    assert (pages, later) == (pulled.new_pages, pulled)
    assert contact.of(lake, "riverton", SOURCES).unobserved == ()
    assert_equal(lake, whole)


def test_a_source_left_out_is_asked_for_all_that_it_missed(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        pull.run(job.at(NOW - timedelta(days=9)))
        assert pull.fetch(job.at(NOW - timedelta(days=2)), only=[]) == 0
        pull.observe(job.at(NOW - timedelta(days=2)))
        assert contact.of(lake, "riverton", SOURCES).observed == {"counts": NOW - timedelta(days=9)}
        pull.run(job)
    newest = raw.manifest(lake, "riverton", "counts").sort("fetched_at").tail(1)
    assert newest["window_start"].item() == NOW - timedelta(days=9) - job.recipe.sources[0].look_back
    seen = observations.versions(lake, "riverton")["time"].unique()
    assert len(seen) == (seen.max() - seen.min()) // timedelta(hours=1) + 1  # no hole
