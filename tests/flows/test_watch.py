"""Watch on a small town: measured once, told once, resolved by itself; nobody listening fails nothing."""

from __future__ import annotations

from tests.flows.conftest import Open
from urbancast.flows import cycle, watch
from urbancast.lake import drift
from urbancast.lake.store import Lake


def test_a_sound_day_raises_nothing_and_a_second_watch_changes_nothing(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        cycle.begin(job)
        seen = watch.run(job)
        rows = drift.read(lake, "riverton")
        again = watch.run(job)
    assert seen.opened == ()
    assert seen.rows == rows.height > 0
    assert (again.rows, again.days) == (0, ())
    assert drift.read(lake, "riverton").equals(rows)
