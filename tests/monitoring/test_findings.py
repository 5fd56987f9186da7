"""From what was measured to what a person should act on: numbers in the words, nothing said that chance explains."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from urbancast.monitoring import findings
from urbancast.monitoring.alerts import GRAVITY, KINDS, Found, changes
from urbancast.monitoring.freshness import Freshness, Issued

NOW = datetime(2026, 6, 10, 8, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = date(2026, 6, 9)


def scored(share: float, *, days: int = 30, n: int = 500, seed: int = 1, by_day: float = 0.0) -> pl.DataFrame:
    """Days of ranges that hold a share of the time, more on some days than on others."""
    rng = np.random.default_rng(seed)
    chance = np.clip(share + by_day * rng.normal(size=days), 0, 1)
    hits = rng.binomial(n, chance).astype(float)
    return pl.DataFrame({"day": [TODAY - i * DAY for i in range(days)], "n": [n] * days, "hits_80": hits})


def test_ranges_that_hold_are_not_spoken_of() -> None:
    assert findings.coverage(scored(0.80), "bikes", "live") == []
    assert findings.coverage(scored(0.77), "bikes", "live") == []


def test_ranges_that_do_not_hold_are_told_with_their_scatter() -> None:
    (found,) = findings.coverage(scored(0.68), "bikes", "live")
    assert (found.alert, found.severity) == ("coverage:bikes", "warning")
    assert "held 69 % ± 1 % of the time over 30 days (live)" in found.message
    assert "(live)" in found.message
    assert findings.coverage(scored(0.5), "bikes", "live")[0].severity == "critical"
    assert findings.coverage(scored(0.93), "bikes", "replay")[0].alert == "coverage:bikes"
    assert findings.coverage(scored(0.5), "bikes", "replay")[0].severity == "warning"


def test_few_days_and_days_that_scatter_say_nothing() -> None:
    assert findings.coverage(scored(0.6, days=7), "bikes", "live") == []
    assert findings.coverage(scored(0.70, by_day=0.25), "bikes", "live") == []


@pytest.mark.parametrize(("ratio", "is_told"), [(0.8, False), (1.0, False), (1.3, True)])
def test_skill_under_its_floor_is_told_only_beyond_chance(ratio: float, is_told: bool) -> None:
    rng = np.random.default_rng(2)
    baseline = rng.gamma(50, 2, 30)
    loss = baseline * ratio * rng.normal(1, 0.08, 30)
    days = pl.DataFrame({"day": [TODAY - i * DAY for i in range(30)], "loss": loss, "baseline": baseline})
    found = findings.skill(days, "bikes", "live", floor=0.0)
    assert [one.alert for one in found] == (["skill:bikes"] if is_told else [])


def test_many_sensors_that_die_at_once_are_one_alert() -> None:
    rows = pl.DataFrame({"place": [f"p{i}" for i in range(8)], "signal": ["silent"] * 8, "day": [TODAY] * 8,
                         "hours": [24.0] * 8})  # fmt: skip
    assert [one.alert for one in findings.dead_sensors(rows.head(2))] == ["dead-sensor:p0", "dead-sensor:p1"]
    (one,) = findings.dead_sensors(rows)
    assert (one.alert, one.severity) == ("dead-sensor", "critical")
    assert one.message.startswith("8 places")


def told(flags: list[bool], signal: str = "level") -> pl.DataFrame:
    """A signal on days in a row, the last today."""
    days = [TODAY - i * DAY for i in range(len(flags))][::-1]
    rows = {"measure": "bikes", "kind": "target", "signal": signal, "day": days, "score": [4.0 * f for f in flags]}
    return pl.DataFrame({**rows, "threshold": 3.0, "is_drifted": flags})


def test_one_day_is_no_drift_two_of_three_are_and_a_week_without_ends_it() -> None:
    assert [one.is_fading for one in findings.drifted(told([False, False, True]))] == [True]
    (found,) = findings.drifted(told([True, False, True]))
    assert (found.alert, found.is_fading) == ("drift:bikes/target", False)
    assert "score 4.0 against 3.0 on 2026-06-09" in found.message
    assert findings.drifted(told([False] * 7)) == []


def test_a_shift_is_told_at_once_with_places_and_size() -> None:
    facts = {"bikes": {"units": 3, "change": -0.21, "places": ["a", "b", "c"], "direction": "down"}}
    (found,) = findings.shifted(told([False, True], "level-shift"), facts)
    assert found.message == (
        "3 places of bikes moved about -21 % apart from the others in the last days to 2026-06-09: a, b, c."
    )
    assert not found.is_fading
    assert findings.shifted(told([True, False], "level-shift"), facts)[0].is_fading


def test_a_late_source_says_how_many_updates_and_weather_is_a_notice() -> None:
    late = Freshness(source="counts", rhythm_hours=24, newest=NOW - 5 * DAY, missed_updates=4, is_late=True,
                     since=NOW - 4 * DAY)  # fmt: skip
    (found,) = findings.stale_sources([late])
    assert (found.alert, found.severity) == ("stale-source:counts", "critical")
    assert "4 updates missed, the first due 2026-06-06T08:00:00Z" in found.message
    weather = Freshness(source="rain", rhythm_hours=24, newest=NOW, missed_updates=9, is_late=True, is_required=False)
    assert findings.stale_sources([weather])[0].severity == "info"
    assert findings.stale_sources([Freshness(source="counts", rhythm_hours=24, newest=NOW, missed_updates=1)]) == []


def test_an_old_forecast_is_told_and_a_fresh_one_is_not() -> None:
    old = Issued(age_hours=60, expected_hours=24, missed_issues=2, is_late=True)
    assert findings.stale_forecast(old)[0].severity == "critical"
    assert findings.stale_forecast(Issued(age_hours=9, expected_hours=24, missed_issues=0, is_late=False)) == []


@pytest.mark.parametrize(("free", "severity"), [(3_000_000_000, None), (1_900_000_000, "warning"), (10, "critical")])
def test_room_on_the_disk(free: int, severity: str | None) -> None:
    assert [one.severity for one in findings.disk(free)] == ([severity] if severity else [])
    assert findings.disk(None) == []


def test_a_rollback_is_told_for_a_week_and_one_of_a_replay_is_not() -> None:
    row = {"measure": "bikes", "challenger": "old", "champion": "new", "action": "rolled_back", "kind": "live",
           "decided_at": NOW - DAY, "reason": "lost 12 % on 6 days"}  # fmt: skip
    rows = pl.DataFrame([row, {**row, "measure": "trips", "kind": "replay"}])
    (found,) = findings.rolled_back(rows, NOW)
    assert (found.alert, found.message.endswith("lost 12 % on 6 days.")) == ("rollback:bikes", True)
    assert findings.rolled_back(rows, NOW + 8 * DAY) == []


severities = st.sampled_from(list(GRAVITY))
alerts = st.dictionaries(st.sampled_from([f"{kind}:x" for kind in KINDS[:5]]), severities)


@given(open_now=alerts, found=alerts, fading=st.sets(st.sampled_from([f"{kind}:x" for kind in KINDS[:5]])))
def test_what_is_found_twice_changes_nothing(open_now: dict[str, str], found: dict[str, str], fading: set[str]) -> None:
    seen = [Found(alert=name, severity=grave, message="", is_fading=name in fading) for name, grave in found.items()]  # type: ignore[arg-type]
    change = changes(open_now, seen, judged=KINDS)
    after = {name: grave for name, grave in open_now.items() if name not in change.resolved}
    after |= {one.alert: one.severity for one in (*change.opened, *change.raised)}
    again = changes(after, seen, judged=KINDS)
    assert (list(again.opened), list(again.raised), list(again.resolved)) == ([], [], [])
    assert set(after) == {name for name in found if name in open_now or name not in fading}
    assert all(GRAVITY[after[name]] >= GRAVITY[open_now[name]] for name in after if name in open_now)


def test_what_was_not_judged_is_not_resolved() -> None:
    change = changes({"coverage:x": "warning", "drift:x": "warning"}, [], judged=["drift"])
    assert list(change.resolved) == ["drift:x"]
