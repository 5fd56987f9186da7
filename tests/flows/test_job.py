"""A step is told, recorded and logged: its start, its end, and what was said between."""

from __future__ import annotations

import os

import pytest
import structlog

from tests.flows.conftest import Open
from urbancast.core.errors import PortalError
from urbancast.flows import pull
from urbancast.flows.job import step
from urbancast.lake import logs, runs
from urbancast.lake.store import Lake

RUN = "pull-riverton-2026-03-31T10:00:00Z"


def test_a_step_is_logged_with_its_facts_and_what_was_said_meanwhile(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _), structlog.testing.capture_logs():
        with step(job, RUN, "pull", "fetch") as facts:
            structlog.get_logger().warning("one page came twice", url="https://x.example/a?token=abc")
            facts["rows"] = 4
        structlog.get_logger().warning("said after the step")
    lines = logs.read(lake, "riverton", RUN)
    assert [line["event"] for line in lines] == ["started", "one page came twice", "done"]
    assert {(line["run"], line["step"], line["pid"]) for line in lines} == {(RUN, "fetch", os.getpid())}
    assert lines[2]["facts"] == {"rows": 4}
    assert lines[2]["seconds"] >= 0
    assert lines[1]["url"] == "https://x.example/a?[removed]"


def test_a_failed_step_is_logged_as_an_error_with_its_message(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _), pytest.raises(PortalError), step(job, RUN, "pull", "fetch"):
        raise PortalError("https://x.example/a?lat=48.1: expected an answer, found none; try again later")
    failed = logs.read(lake, "riverton", RUN)[-1]
    assert (failed["event"], failed["level"], failed["error"]) == ("failed", "error", "PortalError")
    assert failed["message"] == "https://x.example/a?[removed] expected an answer, found none; try again later"


def test_every_step_of_a_run_is_in_its_log(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        pull.run(job)
    steps = runs.read(lake, "riverton").filter(state="done")["step"].to_list()
    lines = logs.read(lake, "riverton", RUN)
    assert [line["step"] for line in lines if line["event"] == "done"] == steps


def test_a_log_that_cannot_be_written_leaves_the_run_as_it_is(lake: Lake, riverton: Open) -> None:
    lake.files.put("logs", b"a file where a folder should be")
    with riverton(lake) as (job, _), structlog.testing.capture_logs() as told:
        pull.run(job)
    assert {line["event"] for line in told} == {"a run's log could not be written"}
    assert runs.read(lake, "riverton").filter(step="complete")["state"].to_list() == ["started", "done"]
