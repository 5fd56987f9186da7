"""Trips as a product's making, shared: features, simple rules, candidates, and ids that are draws."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import polars as pl

from urbancast.core.product import Candidate, Feature

FEATURES = (Feature(name="calendar"), Feature(name="pair"))
BASELINE = "pair_mean"
RULES = (
    Candidate(name=BASELINE, model="pair_mean"),
    Candidate(name="pair_hour", model="pair_mean", params={"rule": "hour"}),
)
CANDIDATES = (Candidate(name="duration", model="duration"),)


def draws_of(ids: Iterable[str]) -> pl.Series:
    """Number of each row id that is the same everywhere: 63 bits of its BLAKE2b; Int64."""
    numbers = [int.from_bytes(blake2b(each.encode(), digest_size=8).digest(), "big") >> 1 for each in ids]
    return pl.Series("draw", numbers, dtype=pl.Int64)
