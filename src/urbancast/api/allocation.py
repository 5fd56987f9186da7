"""Arithmetic of stock: quantiles and chances of a need, a fleet shared out, and who sends how many to whom."""

from __future__ import annotations

from typing import Any

import numpy as np

from urbancast.core.tables import QUANTILES

Floats = np.ndarray[Any, np.dtype[np.float64]]
Counts = np.ndarray[Any, np.dtype[np.int64]]
LEVELS = np.concatenate([[0.0], QUANTILES, [1.0]])


def knots(quantiles: Floats) -> Floats:
    """Quantile function at ``LEVELS``; (rows, 7) → (rows, 9). Tails end as far out as q05 is from q25; nothing below 0.

    The rule of the joint paths and of the scores: linear between the quantiles.
    """
    low = quantiles[:, :1] - (quantiles[:, 2:3] - quantiles[:, :1])
    high = quantiles[:, 6:] + (quantiles[:, 6:] - quantiles[:, 4:5])
    return np.maximum.accumulate(np.maximum(np.concatenate([low, quantiles, high], axis=1), 0), axis=1)


def at_level(table: Floats, level: float) -> Floats:
    """Quantile of each row at a level; shape (rows,)."""
    return np.array([np.interp(level, LEVELS, row) for row in table])


def chance_above(row: Floats, values: Floats) -> Floats:
    """P(X > value) of one row of ``knots`` for each value; a step where quantiles coincide; shape of ``values``."""
    right = np.searchsorted(row, values, side="right")
    left = np.clip(right - 1, 0, len(row) - 1)
    after = np.clip(right, 0, len(row) - 1)
    width = row[after] - row[left]
    share = np.where(width > 0, (values - row[left]) / np.where(width > 0, width, 1), 0)
    below = LEVELS[left] + np.clip(share, 0, 1) * (LEVELS[after] - LEVELS[left])
    return np.where(right == 0, 1.0, np.where(right >= len(row), 0.0, 1 - below))


def shared_out(table: Floats, fleet: int) -> Counts:
    """Exactly ``fleet`` units over the rows of ``knots``, each to where it is most likely still short.

    A unit is worth the chance that the need lies above what is there, which falls with each: taking the greatest
    of all first is best. What is left when nobody is short any more follows the sizes of the need.
    """
    worth, owner = [np.empty(0)], [np.empty(0, dtype=np.int64)]
    for row, line in enumerate(table):
        most = min(fleet, int(np.ceil(line[-1])))
        worth.append(chance_above(line, np.arange(most, dtype=np.float64)))
        owner.append(np.full(most, row, dtype=np.int64))
    worths, owners = np.concatenate(worth), np.concatenate(owner)
    is_wanted = worths > 0
    worths, owners = worths[is_wanted], owners[is_wanted]
    taken = owners[np.argsort(-worths, kind="stable")[:fleet]]
    counts: Counts = np.asarray(np.bincount(taken, minlength=len(table)), dtype=np.int64)
    rest: Counts = in_proportion(table[:, 4] + 1e-9, fleet - int(counts.sum()))
    every: Counts = np.add(counts, rest)
    return every


def in_proportion(weights: Floats, total: int) -> Counts:
    """Whole numbers that add up to ``total`` in proportion to weights: largest remainders, the first of equals."""
    weights = np.maximum(np.nan_to_num(weights), 0)
    if total <= 0 or not len(weights):
        return np.zeros(len(weights), dtype=np.int64)
    exact = total * (weights / weights.sum() if weights.sum() > 0 else np.full(len(weights), 1 / len(weights)))
    counts: Counts = np.asarray(np.floor(exact), dtype=np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts


def transfers(standing: Counts, target: Counts, distance_km: Floats) -> list[tuple[int, int, int]]:
    """Moves (from, to, count) that bring ``standing`` as near to ``target`` as its sum allows, over least distance.

    As many are moved as there are both surplus and want; ``distance_km``: (rows, rows).
    """
    from scipy.optimize import linprog  # a third of a second, wanted only by those who ask for transfers

    over, short = np.flatnonzero(standing > target), np.flatnonzero(standing < target)
    surplus, want = (standing - target)[over], (target - standing)[short]
    if not len(over) or not len(short):
        return []
    cost = distance_km[np.ix_(over, short)].ravel()
    leaving = np.kron(np.eye(len(over)), np.ones((1, len(short))))
    arriving = np.kron(np.ones((1, len(over))), np.eye(len(short)))
    # All of the smaller side moves, at most all of the other. A vertex of a transport problem is whole.
    all_of, some_of = ((arriving, want), (leaving, surplus))
    if surplus.sum() < want.sum():
        all_of, some_of = some_of, all_of
    found = linprog(cost, A_ub=some_of[0], b_ub=some_of[1], A_eq=all_of[0], b_eq=all_of[1], method="highs-ds")
    moved = np.rint(np.asarray(found.x)).astype(np.int64).reshape(len(over), len(short))
    return [(int(over[i]), int(short[j]), int(moved[i, j])) for i, j in np.argwhere(moved > 0)]
