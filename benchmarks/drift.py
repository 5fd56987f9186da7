"""Level shifts planted in simulated counters: on which day they are reported, and what is reported where none is.

    python benchmarks/drift.py [--first 1] [--seeds 20]

For each seed of Paris' simulated counters (56, without their own breaks): 60 days without a shift, judged by every
signal of the measure as a watch does; then a random fifth of the counters moved by −20 % and by +20 % from each of
three days on. A row is printed for each seed: alarms of the still days (of level shifts alone, of all signals), and the
day of the report for each planted shift ("–": not by the fourth).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
OUT = ROOT / "benchmarks" / "out" / f"{Path(__file__).stem}.json"

import numpy as np  # noqa: E402

from tests.monitoring.test_drift import DAY, DAYS, FIRST, alarms, counters, judged  # noqa: E402
from urbancast.monitoring.reference import Cube  # noqa: E402

FACTORS = (0.8, 1.2)
BEGINS = (20, 35, 50)  # days after the first
LOOKED_AT = 4


def main() -> None:
    """Measure, print a row a seed and the sums, write benchmarks/out/drift.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    still: list[dict[str, int]] = []
    found: dict[float, list[int | None]] = {factor: [] for factor in FACTORS}
    print("seed  alarms: level shifts, all  day of the report, " + ", ".join(f"{f - 1:+.0%}" for f in FACTORS))
    for seed in range(given.first, given.first + given.seeds):
        grid = counters(seed)
        still.append(raised(grid))
        words = [f"{seed:>4}  {still[-1]['level-shift']:>21}, {still[-1]['all']:>3}"]
        for factor, days in found.items():
            told = [reported(planted(grid, seed, factor, day), day, factor) for day in BEGINS]
            words.append(" ".join(str(day or "–") for day in told))
            days.extend(told)
        print("  ".join(words), flush=True)
    for factor, days in found.items():
        soon = sum(day is not None and day <= 3 for day in days)
        print(f"{factor - 1:+.0%} in a random fifth: reported within 3 days in {soon} of {len(days)}")
    alarms_of = [one["all"] for one in still]
    print(f"false alarms in {DAYS} still days: {sum(alarms_of) / len(still):.2f} on average, {max(alarms_of)} at most")
    planted_days = {str(factor): days for factor, days in found.items()}
    OUT.write_text(json.dumps({"first": given.first, "still": still, "planted": planted_days}) + "\n")


def raised(grid: Cube) -> dict[str, int]:
    """Alarms of still days, of level shifts and of all signals."""
    days = [judged(grid, FIRST + i * DAY) for i in range(DAYS)]
    each = {
        name: alarms([name in day and day[name][1] for day in days], enough=1 if name == "level-shift" else 2)
        for name in {name for day in days for name in day}
    }
    return {"level-shift": each["level-shift"], "all": sum(each.values())}


def planted(grid: Cube, seed: int, factor: float, after: int) -> Cube:
    """The same counters, a random fifth of them moved by a factor from a day on."""
    moved = np.random.default_rng([seed, after]).choice(len(grid.places), len(grid.places) // 5, replace=False)
    values = grid.values.copy()
    values[moved, grid.days.index(FIRST + after * DAY) :] *= factor
    return replace(grid, values=np.round(values))


def reported(grid: Cube, after: int, factor: float) -> int | None:
    """Day of the first report in the right direction, 1 the first with the shift; None where not soon."""
    for day in range(LOOKED_AT):
        signal, is_drifted = judged(grid, FIRST + (after + day) * DAY)["level-shift"]
        if is_drifted and signal.facts["direction"] == ("up" if factor > 1 else "down"):
            return day + 1
    return None


if __name__ == "__main__":
    main()
