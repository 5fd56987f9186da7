"""The simple rules of trips: the pair's mean, as it is or times what the hour of week adds in the whole city."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from urbancast.core.errors import ContractError
from urbancast.models.seasonal import ColumnPoint, read

__all__ = ["fit", "read"]

RULES = {"mean": "rule_pair_mean", "hour": "rule_pair_hour"}


def fit(_frame: pl.DataFrame, params: Mapping[str, Any], _seed: int) -> ColumnPoint:
    """Nothing to fit: the rule reads its column; ``rule`` is ``mean`` or ``hour``."""
    rule = str(params.get("rule", "mean"))
    if rule not in RULES:
        raise ContractError(f"pair_mean rule: expected one of {', '.join(RULES)}, found {rule!r}; name one of them")
    return ColumnPoint(RULES[rule])
