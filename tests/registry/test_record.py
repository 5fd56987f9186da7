"""Every decision is kept with its numbers and its reason."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.features.panels import utc
from tests.registry.conftest import proposed
from urbancast.lake import verdicts
from urbancast.lake.store import Lake
from urbancast.registry import record
from urbancast.registry.record import Decision

NOW = utc(2021, 6, 1, 7)


def decision(**more: Any) -> Decision:
    fields: dict[str, Any] = {
        "product": "town",
        "measure": "count",
        "challenger": "count-gbm-1",
        "champion": "count-naive-0",
        "action": "promoted",
        "reason": "wins",
        "skill": 0.2,
        "low": -3.0,
        "high": -1.0,
        "numbers": {"rows": 12, "rival": "naive"},
    }
    return Decision(**(fields | more))


def test_a_verdict_is_written_with_its_numbers_and_reason(lake: Lake) -> None:
    record.verdict(lake, decision(), run="r", now=NOW)
    row = verdicts.read(lake, "town").row(0, named=True)
    assert (row["action"], row["wins"], row["skill"], row["low"], row["high"]) == ("promoted", True, 0.2, -3.0, -1.0)
    assert (row["reason"], row["decided_at"]) == ("wins", NOW)
    assert json.loads(row["numbers"]) == {"rows": 12, "rival": "naive"}


def test_the_same_decision_at_the_same_moment_is_written_once(lake: Lake) -> None:
    for _ in range(2):
        record.verdict(lake, decision(), run="r", now=NOW)
    assert verdicts.read(lake, "town").height == 1


def test_a_refusal_and_a_rollback_win_nothing(lake: Lake) -> None:
    record.verdict(lake, decision(action="refused", reason="within noise"), run="r", now=NOW)
    back = decision(action="rolled_back", reason="asked", skill=None, low=None, high=None, numbers={})
    record.verdict(lake, back, run="r", now=NOW + timedelta(hours=1))
    rows = verdicts.read(lake, "town")
    assert rows["wins"].to_list() == [False, False]
    assert rows["skill"].to_list() == [0.2, None]


def test_a_promotion_is_found_again_as_it_was_decided(lake: Lake) -> None:
    made = decision()
    record.verdict(lake, decision(challenger="count-gbm-2", action="refused"), run="r", now=NOW)
    record.verdict(lake, made, run="r", now=NOW)
    assert record.promotion(lake, proposed("gbm", name="count-gbm-1")) == made
    assert record.promotion(lake, proposed("gbm", name="count-gbm-2")) is None
    assert record.promotion(lake, proposed("gbm", name="count-gbm-1", measure="other")) is None
