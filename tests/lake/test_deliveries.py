"""What is still to be told: once when opened, once when graver, once when ended, and again what did not arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from urbancast.lake import alerts, deliveries
from urbancast.lake.store import Lake

P = "bikes"
T0 = datetime(2026, 3, 31, 10, tzinfo=UTC)


def at(hours: int = 0) -> datetime:
    return T0 + timedelta(hours=hours)


def opened(lake: Lake, hours: int, severity: str = "warning") -> int:
    return alerts.open_alert(
        lake, P, alert="drift:x", severity=severity, message=severity, action="look", at=at(hours), run="r"  # type: ignore[arg-type]
    )  # fmt: skip


def told(lake: Lake, *, is_sent: bool, hours: int) -> list[tuple[str, str]]:
    """Tell the webhook all it is owed; state and severity of each word."""
    words = deliveries.owed(lake, P, "webhook")
    for word in words:
        deliveries.record(lake, word, "webhook", is_sent=is_sent, message="", at=at(hours))
    return [(word["state"], word["severity"]) for word in words]


def test_an_alert_is_told_once_when_opened_and_once_when_it_ends(lake: Lake) -> None:
    opened(lake, 0)
    assert told(lake, is_sent=True, hours=0) == [("open", "warning")]
    assert opened(lake, 1) == 0
    assert told(lake, is_sent=True, hours=1) == []
    alerts.resolve(lake, P, alert="drift:x", at=at(2), run="r")
    assert told(lake, is_sent=True, hours=2) == [("resolved", "warning")]
    assert told(lake, is_sent=True, hours=3) == []


def test_what_did_not_arrive_is_told_again(lake: Lake) -> None:
    opened(lake, 0)
    assert told(lake, is_sent=False, hours=0) == [("open", "warning")]
    assert told(lake, is_sent=True, hours=1) == [("open", "warning")]
    assert told(lake, is_sent=True, hours=2) == []


def test_a_graver_severity_is_told_and_since_stays_the_opening(lake: Lake) -> None:
    opened(lake, 0)
    told(lake, is_sent=True, hours=0)
    assert opened(lake, 5, "critical") == 1
    now = alerts.current(lake, P).row(0, named=True)
    assert (now["severity"], now["since"], now["message"]) == ("critical", at(), "critical")
    assert told(lake, is_sent=True, hours=5) == [("open", "critical")]


def test_an_end_is_told_to_who_missed_the_beginning_and_to_nobody_who_never_heard(lake: Lake) -> None:
    opened(lake, 0)
    told(lake, is_sent=False, hours=0)
    alerts.resolve(lake, P, alert="drift:x", at=at(1), run="r")
    assert deliveries.owed(lake, P, "email") == []
    assert told(lake, is_sent=True, hours=2) == [("resolved", "warning")]


def test_an_alert_that_opens_again_is_news_again(lake: Lake) -> None:
    for start in (0, 10):
        opened(lake, start)
        assert told(lake, is_sent=True, hours=start) == [("open", "warning")]
        assert alerts.current(lake, P)["since"].to_list() == [at(start)]
        alerts.resolve(lake, P, alert="drift:x", at=at(start + 1), run="r")
        assert told(lake, is_sent=True, hours=start + 1) == [("resolved", "warning")]
    outcomes: list[Any] = deliveries.read(lake, P)["outcome"].cast(pl.String).to_list()
    assert outcomes == ["sent"] * 4
