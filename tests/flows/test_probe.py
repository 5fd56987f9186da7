"""A portal is asked whether it has anything new: what changed is pulled, what does not answer holds up nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.flows.conftest import NOW, Open
from urbancast.core.time import DAY, HOUR
from urbancast.flows import cycle, due, probe, pull
from urbancast.lake import runs
from urbancast.lake.store import Lake

PUBLISHED = datetime(2026, 4, 1, 7, tzinfo=UTC)  # nine in the morning in Riverton
METADATA = "/api/explore/v2.1/catalog/datasets/riverton-counts"


def test_what_a_portal_published_since_the_last_pull_is_pulled(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, emulator):
        cycle.begin(job)
        emulator.asked.clear()
        early, later = job.at(PUBLISHED - HOUR), job.at(PUBLISHED)
        assert probe.run(early) == {"counts": PUBLISHED - DAY}
        assert "counts" not in due.sources(lake, "riverton", early.now)
        assert probe.run(later) == {"counts": PUBLISHED}
        assert emulator.asked == [METADATA] * 2
        (owed,) = due.sources(lake, "riverton", later.now).values()
        assert owed.since == PUBLISHED
        assert owed.reason == "counts changed at its portal at 2026-04-01T07:00:00Z, last asked at 2026-03-31T10:00:00Z"
        pull.run(later)
        assert due.sources(lake, "riverton", later.now + HOUR) == {}


def test_a_portal_that_does_not_answer_is_named_and_asked_once(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, emulator):
        cycle.begin(job)
        emulator.faults.inject("503", times=9)
        emulator.asked.clear()
        assert probe.run(job.at(NOW + HOUR)) == {}
        assert emulator.asked == [METADATA]
    row = runs.read(lake, "riverton").filter(flow="probe").row(-1, named=True)
    assert row["state"] == "done"
    assert '"silent": {"counts": "portal: expected 200 from 127.0.0.1, found 503' in row["facts"]


def test_a_change_that_is_yet_to_come_waits_for_its_hour(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
    ahead = NOW + timedelta(hours=5)
    facts = {"modified": {"counts": ahead.isoformat()}}
    runs.record(lake, "riverton", "r", flow=probe.FLOW, step=probe.STEP, state="done", at=NOW + HOUR, facts=facts)
    assert due.sources(lake, "riverton", NOW + 2 * HOUR) == {}
    assert "counts" in due.sources(lake, "riverton", ahead)
