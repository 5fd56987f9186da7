"""Noise for simulations: a pure function of a seed and whole numbers, so any window shows the same rows."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]
_SMALL = 10
_GOLDEN, _M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def key_of(text: str) -> int:
    """Whole number that stands for a name, the same everywhere."""
    return crc32(text.encode())


def uniform(seed: int, stream: str, *keys: ArrayLike) -> Floats:
    """Uniform on (0, 1) for every combination of the broadcast whole-number keys. SplitMix64, Steele 2014."""
    state = _mixed(np.uint64((seed ^ key_of(stream) << 20) & 0xFFFFFFFFFFFFFFFF))
    for key in keys:
        state = _mixed(state ^ (np.asarray(key, dtype=np.int64).astype(np.uint64) * _GOLDEN))
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) / float(1 << 53)


def normal(seed: int, stream: str, *keys: ArrayLike) -> Floats:
    """Return standard normal values; shapes as in ``uniform``."""
    return np.asarray(ndtri(uniform(seed, stream, *keys)), dtype=np.float64)


def smooth(seed: int, stream: str, at: ArrayLike, *, every: int) -> Floats:
    """Noise of mean 0 and deviation about 1 that turns about once in ``every`` steps; ``at`` whole, shape (n,)."""
    knot, part = np.divmod(np.asarray(at, dtype=np.int64), every)
    weight = (1 - np.cos(np.pi * part / every)) / 2
    mixed = (1 - weight) * normal(seed, stream, knot) + weight * normal(seed, stream, knot + 1)
    return mixed / np.sqrt((1 - weight) ** 2 + weight**2)


def drift(seed: int, stream: str, at: ArrayLike, *, keep: float = 0.7, length: int = 14) -> Floats:
    """Autoregressive noise of deviation 1 by step: each step keeps that share of the one before; shape (n,)."""
    steps, where = np.unique(np.asarray(at, dtype=np.int64), return_inverse=True)
    back = np.arange(length)
    shocks = normal(seed, stream, steps[:, None] - back[None, :])
    weights = keep**back
    return np.asarray((shocks @ weights / np.sqrt((weights**2).sum()))[where], dtype=np.float64)


def counts(mean: Floats, z: Floats) -> Floats:
    """Poisson counts of that mean at the quantiles of standard normal values; exact below ``_SMALL``, else rounded.

    Above it the square root of a count is close to normal. Anscombe 1948.
    """
    drawn = np.maximum(np.rint((np.sqrt(mean + 0.375) + z / 2) ** 2 - 0.625), 0.0)
    is_small = mean < _SMALL
    rate, u = mean[is_small], ndtr(z[is_small])
    chance = np.exp(-rate)
    reached, exact = chance.copy(), np.zeros_like(rate)
    for k in range(1, 4 * _SMALL):
        exact += u > reached
        chance *= rate / k
        reached += chance
    drawn[is_small] = exact
    return np.asarray(drawn)


def _mixed(state: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = np.asarray(state, dtype=np.uint64) + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _M1
        z = (z ^ (z >> np.uint64(27))) * _M2
        return np.asarray(z ^ (z >> np.uint64(31)))
