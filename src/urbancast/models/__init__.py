"""Forecasters by name; a fitted one is JSON and native text, never a pickle."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from types import ModuleType

from urbancast.core.errors import ContractError
from urbancast.core.product import Candidate
from urbancast.models.fitted import Fitted, Forecaster

__all__ = ["MODELS", "Fitted", "Forecaster", "load", "make"]

MODELS = ("seasonal_naive", "climatology", "linear", "gbm", "additive", "blend", "reach", "pair_mean", "duration")
_MODULES = {"seasonal_naive": "seasonal"}


def make(candidate: Candidate) -> Forecaster:
    """Forecaster of this candidate; ``ContractError`` for a model nobody wrote."""
    if candidate.model not in MODELS:
        expected = ", ".join(MODELS)
        raise ContractError(f"model: expected one of {expected}, found {candidate.model!r}; name one of them")
    return Forecaster(candidate, _module(candidate.model).fit)


def load(files: Mapping[str, bytes]) -> Fitted:
    """Fitted forecaster from what ``Fitted.dump`` gave."""
    state = json.loads(files["model.json"])
    candidate = Candidate(**state["candidate"])
    point = _module(candidate.model).read(state["point"], files)
    return Fitted.of_state(candidate, point, state)


def _module(model: str) -> ModuleType:
    return importlib.import_module(f"urbancast.models.{_MODULES.get(model, model)}")
