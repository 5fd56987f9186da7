"""What the newest values were beside the profile and beside a week before, fading with reach.

For sources that are known within the hour; of a day's counts that come the next morning it says little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from urbancast.features import profile
from urbancast.features.known import Floats, Known, Targets

FADES_H = (2.0, 8.0, 40.0)
HOUR_US = 3_600_000_000
SINCE = ("miss", "gain")  # beside the profile, beside the value a week before


def columns(_params: Mapping[str, Any]) -> list[str]:
    """Columns this feature adds, all in the measure's unit."""
    names = [f"lag_{since}_{part}" for since in SINCE for part in ("now", "day", "turn", "city")]
    return ["lag_newest", *names, *(f"lag_{since}_{hours:g}h" for since in SINCE for hours in FADES_H)]


def at(known: Known, targets: Targets, params: Mapping[str, Any]) -> dict[str, Floats]:
    """Newest value, and what it was above the usual: now, fading, in the mean of its day, in its turn, city-wide."""
    half_life = float(params.get("half_life_weeks", profile.HALF_LIFE_WEEKS))
    if "recent" not in known.memo:
        known.memo["recent"] = _of_places(known, half_life)
    newest, above = known.memo["recent"]
    code = targets.code
    reach_h = np.maximum(targets.cell - known.last[code], 0) * (known.axis.grain_us / HOUR_US)
    out = {"lag_newest": newest[code]}
    for since, (now, day, turn, city) in above.items():
        out[f"lag_{since}_now"], out[f"lag_{since}_day"] = now[code], day[code]
        out[f"lag_{since}_turn"] = _faded(turn[code], reach_h, FADES_H[0])
        out[f"lag_{since}_city"] = _faded(city[code], reach_h, FADES_H[1])
        out |= {f"lag_{since}_{hours:g}h": _faded(now[code], reach_h, hours) for hours in FADES_H}
    return out


def _faded(values: Floats, reach_h: Any, hours: float) -> Floats:
    return np.asarray(values * np.exp(-reach_h / hours), dtype=np.float32)


def _of_places(known: Known, half_life: float) -> tuple[Floats, dict[str, tuple[Floats, Floats, Floats, Floats]]]:
    """Newest value by place, and by what it is compared with: now, mean of the last day, turn and the city's share."""
    block = known.block(2)
    last, before = block[:, 1], block[:, 0]
    usual, _ = profile.of(known, half_life)
    day = known.axis.day
    return last[:, -1], {
        since: _above(known, last, due, day) for since, due in zip(SINCE, (usual, before), strict=True)
    }


def _above(known: Known, last: Floats, due: Floats, day: int) -> tuple[Floats, Floats, Floats, Floats]:
    above = last - due
    now, tail = above[:, -1], above[:, -day:]
    is_known = np.isfinite(tail)
    mean = np.where(is_known, tail, 0).sum(1) / np.maximum(is_known.sum(1), 1)
    turn = now - above[:, -2] if above.shape[1] > 1 else np.zeros_like(now)
    # What others are above now, in proportion to what is due at each.
    is_now = np.isfinite(now) & (known.last == known.last.max(initial=-1))
    total = np.where(is_now, due[:, -1], 0).sum()
    ratio = np.where(is_now, now, 0).sum() / total if total > 0 else 0.0
    return now, mean.astype(np.float32), turn, (ratio * due[:, -1]).astype(np.float32)
