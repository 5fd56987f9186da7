"""Runs as a person reads them: one entry a run, its state, its tries and its time."""

from __future__ import annotations

import polars as pl

from urbancast.lake import contract, runs
from urbancast.lake.kept import Kept

P = "paris_bikes"


def wrote(lake, at, run, *steps):
    """Rows of a run: (flow, step, state, day, facts, message)."""
    for flow, step, state, day, facts, message in steps:
        runs.record(lake, P, run, flow=flow, step=step, state=state, at=at(day), facts=facts, message=message)


def entry(lake, run, **held):
    rows = runs.entries(runs.steps(runs.read(lake)), **held)
    return rows.row(by_predicate=pl.col("run") == run, named=True)


def test_a_run_that_failed_and_was_done_again_is_done_after_two_tries(lake, at):
    wrote(lake, at, "pull-p-1",
          ("pull", "fetch", "started", 0, {}, ""), ("pull", "fetch", "failed", 1, {}, "gone"),
          ("pull", "fetch", "started", 5, {}, ""), ("pull", "fetch", "done", 6, {"seconds": 12.5}, ""))  # fmt: skip
    found = entry(lake, "pull-p-1")
    assert (found["state"], found["tries"], found["steps"], found["message"]) == ("done", 2, 1, "")
    assert found["seconds"] == 24 * 3600 + 12.5  # a told time counts, not the days between
    assert (found["started"], found["ended"]) == (at(0), at(6))


def test_a_failed_run_says_why(lake, at):
    wrote(lake, at, "pull-p-1",
          ("pull", "fetch", "started", 0, {}, ""), ("pull", "fetch", "done", 1, {}, ""),
          ("pull", "observe", "started", 1, {}, ""), ("pull", "observe", "failed", 2, {}, "no column"))  # fmt: skip
    found = entry(lake, "pull-p-1")
    assert (found["state"], found["message"], found["steps"]) == ("failed", "no column", 2)


def test_an_unfinished_run_is_at_work_only_under_the_lease_it_began_with(lake, at):
    wrote(lake, at, "train-p-1", ("train", "fit", "started", 2, {}, ""))
    assert entry(lake, "train-p-1")["state"] == "stopped"
    assert entry(lake, "train-p-1", held_since={P: at(1)})["state"] == "running"
    assert entry(lake, "train-p-1", held_since={P: at(3)})["state"] == "stopped"
    assert entry(lake, "train-p-1")["ended"] is None


def test_a_run_is_named_by_the_flow_that_began_it(lake, at):
    wrote(lake, at, "replay-p-1",
          ("train", "fit", "started", 0, {}, ""), ("train", "fit", "done", 1, {}, ""),
          ("replay", "days", "started", 1, {}, ""), ("replay", "days", "done", 2, {}, ""))  # fmt: skip
    assert entry(lake, "replay-p-1")["flow"] == "replay"


def test_no_rows_are_no_runs():
    assert runs.entries(runs.steps(contract.empty("runs"))).is_empty()


def test_what_is_kept_is_made_again_only_when_its_table_moves(lake, at):
    kept, made = Kept(lake), []

    def build() -> int:
        made.append(1)
        return runs.read(lake).height

    wrote(lake, at, "a", ("pull", "fetch", "started", 0, {}, ""))
    assert [kept.look().get("rows", ("runs",), build) for _ in range(3)] == [1, 1, 1]
    assert len(made) == 1
    wrote(lake, at, "a", ("pull", "fetch", "done", 1, {}, ""))
    assert kept.look().get("rows", ("runs",), build) == 2
    assert len(made) == 2
