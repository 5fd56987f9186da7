"""Joint paths: draws over places, intervals and measures at once, from marginal quantiles and past dependence.

The Schaake shuffle: every marginal keeps its own sample exactly; which values go together is what went together in
past windows, by rank. Clark et al. 2004.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from urbancast.core.tables import QUANTILES

Array = np.ndarray[Any, np.dtype[np.float64]]
DRAWS = 200
WINDOWS = 200  # newest past windows that tell the dependence
BACK = 4  # periods whose mean is the simple rule that residuals are about


def residuals(values: Any, period: int) -> Array:
    """Values less the mean of the known values 1 … ``BACK`` periods before; along the last axis, NaN where unknown."""
    values = np.asarray(values, dtype=np.float64)
    total, count = np.zeros_like(values), np.zeros_like(values)
    for back in range(1, BACK + 1):
        shift = back * period
        if shift >= values.shape[-1]:
            break
        before = values[..., :-shift]
        is_known = np.isfinite(before)
        total[..., shift:] += np.where(is_known, before, 0)
        count[..., shift:] += is_known
    return np.asarray(np.where(count > 0, values - total / np.maximum(count, 1), np.nan))


def windows(past: Any, intervals: int, *, most: int = WINDOWS) -> Array:
    """Newest windows of ``intervals`` cells; (…, cells) → (windows, …, intervals), newest first.

    A window of which less than half is known is left out; what is unknown in the others stands for the rule itself, 0.
    """
    past = np.asarray(past, dtype=np.float64)
    found = []
    for end in range(past.shape[-1], intervals - 1, -1):
        window = past[..., end - intervals : end]
        is_known = np.isfinite(window)
        if window.size and is_known.mean() >= 0.5:
            found.append(np.where(is_known, window, 0.0))
        if len(found) == most:
            break
    return np.stack(found) if found else np.empty((0, *past.shape[:-1], intervals))


def order(template: Array, shape: tuple[int, ...], *, seed: int, draws: int = DRAWS) -> Any:
    """Which draw takes the k-th smallest value of each marginal; whole numbers of shape (draws, …).

    ``template``: (windows, …), used over and over where there are fewer than draws; equal values are ordered by
    chance, seeded. Without a window the draws are independent.
    """
    chance = np.random.default_rng(seed).random((draws, *shape))
    if not len(template):
        return np.argsort(chance, axis=0)
    return np.lexsort((chance, template[np.arange(draws) % len(template)]), axis=0)


def joint(quantiles: Array, order: Any, *, is_signed: Array) -> Array:
    """Draws of shape (draws, …) whose marginals are exactly ``samples`` and whose ranks follow ``order``.

    ``quantiles``: (…, 7) at the contract's levels; ``is_signed`` (broadcast to …): where it is false nothing lies
    below zero.
    """
    out = np.empty(order.shape)
    np.put_along_axis(out, order, samples(quantiles, len(order), is_signed=is_signed), axis=0)
    return out


def samples(quantiles: Array, draws: int, *, is_signed: Array) -> Array:
    """Values at the middles of ``draws`` equal shares of each distribution, ascending; shape (draws, …).

    Linear between the quantiles; tails end as far out as q05 is from q25, and q95 from q75.
    """
    low = quantiles[..., :1] - (quantiles[..., 2:3] - quantiles[..., :1])
    high = quantiles[..., 6:] + (quantiles[..., 6:] - quantiles[..., 4:5])
    knots = np.concatenate([low, quantiles, high], axis=-1)
    levels = np.concatenate([[0.0], QUANTILES, [1.0]])
    at = (np.arange(draws) + 0.5) / draws
    right = np.searchsorted(levels, at, side="right")
    share = (at - levels[right - 1]) / (levels[right] - levels[right - 1])
    left = knots[..., right - 1]
    out = np.maximum.accumulate(np.moveaxis(left + share * (knots[..., right] - left), -1, 0), axis=0)
    return np.asarray(np.where(is_signed, out, np.maximum(out, 0)))
