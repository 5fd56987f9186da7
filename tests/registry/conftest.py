"""A fitted forecaster of a small panel, and a release of it to freeze."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.features.panels import DENSE, counts, panel, utc
from urbancast.core.product import Candidate
from urbancast.evaluation import backtest
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.models import Fitted
from urbancast.registry.release import Release

CUT = utc(2021, 6, 1, 6)
PLAN = Plan(
    features=DENSE, horizon=timedelta(hours=48), train_window=timedelta(days=40), calibration=timedelta(days=14)
)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def seen() -> Panel:
    return panel(counts(utc(2021, 4, 1), utc(2021, 6, 4), tz="Europe/Paris"))


@pytest.fixture(scope="session")
def fitted(seen: Panel) -> Fitted:
    """Trees: a release with a native text file beside its JSON."""
    candidate = Candidate(name="gbm", model="gbm", params={"rounds": 10, "num_leaves": 7})
    return backtest.fit(seen, PLAN, "count", candidate, CUT)


@pytest.fixture(scope="session")
def simple(seen: Panel) -> Fitted:
    return backtest.fit(seen, PLAN, "count", Candidate(name="seasonal_naive", model="seasonal_naive"), CUT)


def proposed(candidate: str, **more: Any) -> Release:
    """A release that is not frozen yet: no name, no path."""
    fields: dict[str, Any] = {
        "product": "town",
        "measure": "count",
        "name": "",
        "number": 1,
        "candidate": candidate,
        "trained_until": CUT,
        "path": "",
        "facts": {"seed": PLAN.seed, "recipe": "abc"},
    }
    return Release(**(fields | more))
