"""Planted faults: a model that learns from shuffled values, and releases frozen with wrecked insides."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from urbancast import models
from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILES
from urbancast.flows import forecast
from urbancast.flows.job import Job
from urbancast.models import Fitted, gbm
from urbancast.registry import record, release as registry
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

PARAMS = {"rounds": 20, "num_leaves": 7}


def shuffled_model(monkeypatch: pytest.MonkeyPatch) -> Candidate:
    """A candidate of a model of its own file, `shuffled`: the real trees, fitted on values in another order."""
    module = ModuleType("urbancast.models.shuffled")

    def fit(frame: pl.DataFrame, params: Mapping[str, Any], seed: int) -> gbm.BoosterPoint:
        return gbm.fit(frame.with_columns(pl.col("value").shuffle(seed)), params, seed)

    module.fit, module.read = fit, gbm.read  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(models, "MODELS", (*models.MODELS, "shuffled"))
    return Candidate(name="shuffled", model="shuffled", params=PARAMS)


def with_wrecked_booster(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A dump of trees whose every leaf says the contrary, several times over."""

    def worse(match: re.Match[str]) -> str:
        return "leaf_value=" + " ".join(f"{float(leaf) * -25 + 1}" for leaf in match[1].split())

    texts = {name: text for name, text in files.items() if name != "model.json"}
    sized = re.compile(r"tree_sizes=.*\n")  # bytes of each tree, which change: trees are found without
    wrecked = {
        name: sized.sub("", re.sub(r"leaf_value=(.*)", worse, text.decode())).encode() for name, text in texts.items()
    }
    assert wrecked != texts
    return {**files, **wrecked}


def with_inflated_scale(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A dump whose range is twelve times as wide as it was found to be; its mean and median are as they were."""
    state = json.loads(files["model.json"])
    kept = (0, 1 + QUANTILES.index(0.5))
    state["interval"]["levels"] = [
        [[each * (1 if i in kept else 12) for i, each in enumerate(sizes)] for sizes in band]
        for band in state["interval"]["levels"]
    ]
    return {**files, "model.json": json.dumps(state).encode()}


def promoted_by_hand(job: Job, files: Mapping[str, bytes], champion: Release) -> Release:
    """Freeze a dump as the next release, say an hour later that it won, and serve it: what no flow would have done."""
    job = job.at(job.now + timedelta(hours=1))
    fitted: Fitted = models.load(files)
    number = registry.next_number(job.lake, champion.product, champion.measure)
    new = replace(champion, number=number, trained_until=job.now)
    made = registry.freeze(job.lake, fitted, new, run="by-hand", now=job.now)
    decided = Decision(
        product=made.product,
        measure=made.measure,
        challenger=made.name,
        champion=champion.name,
        action="promoted",
        reason="by hand",
    )
    record.verdict(job.lake, decided, run="by-hand", now=job.now)
    forecast.switch(job, {**forecast.serving_releases(job), made.measure: made}, run_id="by-hand")
    return made
