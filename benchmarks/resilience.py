"""kill -9 at random instants of a product's day: the next run completes, and its tables equal an undisturbed run's.

    python benchmarks/resilience.py [--product P] [--instants 100] [--seed 1] [--minutes 30] [--training]

The day is `cycle.daily`, as `urbancast up` lives it, under the product's lease, against the sample city's portal.
``--training``: nothing was trained before, so that the day trains and promotes, too. Instants are drawn evenly over the
undisturbed day's time; one at which the day was over is drawn again. Stops early, and says so, when the minutes are
over.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
OUT = ROOT / "benchmarks" / "out" / f"{Path(__file__).stem}.json"
NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
Row = dict[str, Any]

import lightgbm  # noqa: E402, F401 - loaded before a fork, with no thread at work
import mlflow.tracking  # noqa: E402, F401

from tests.flows.tables import contents, served  # noqa: E402
from urbancast.flows import cycle, opening  # noqa: E402
from urbancast.lake import runs  # noqa: E402
from urbancast.lake.store import Lake  # noqa: E402
from urbancast.portals import emulator  # noqa: E402, F401


def main() -> None:
    """Measure, print a row for each instant and the sum, write benchmarks/out/resilience.json."""
    given = arguments()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
        begun = root / "begun"
        finished(forked(lambda: prepare(given.product, begun, is_trained=not given.training)))
        shutil.copytree(begun, root / "spared")
        started = time.monotonic()
        finished(forked(lambda: day(given.product, root / "spared")))
        took = time.monotonic() - started
        print(f"{given.product}: an undisturbed day takes {took:.2f} s; {given.instants} instants, seed {given.seed}")
        rows = tried(given, root, took)
    equal, early = sum(row["is_equal"] for row in rows), " (stopped early)" if len(rows) < given.instants else ""
    print(f"{equal} of {len(rows)} killed runs{early} were completed by the next one with equal tables")
    told = {"product": given.product, "seed": given.seed, "day_s": round(took, 2), "is_training": given.training}
    OUT.write_text(json.dumps({**told, "instants": len(rows), "equal": equal, "rows": rows}, indent=1) + "\n")
    sys.exit(equal != len(rows))


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--product", default="paris_bikes")
    parser.add_argument("--instants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--training", action="store_true")
    return parser.parse_args()


def tried(given: argparse.Namespace, root: Path, took: float) -> list[Row]:
    """One row for each instant: when and in which step it was killed, and what the next run made of it."""
    random_instant, deadline, rows = random.Random(given.seed), time.monotonic() + 60 * given.minutes, []
    lake = root / "killed"
    print(f"{'':>4} {'killed at':>10}  {'in step':<34} {'next run':>9}  tables")
    while len(rows) < given.instants and time.monotonic() < deadline:
        instant = random_instant.uniform(0, took)
        shutil.copytree(root / "begun", lake)
        child = forked(lambda: day(given.product, lake))
        time.sleep(instant)
        os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:  # it was done before: a day takes less than was thought
            took *= 0.85
            shutil.rmtree(lake)
            continue
        again = time.monotonic()
        finished(forked(lambda: day(given.product, lake, mark=root / "step")))
        seconds = time.monotonic() - again
        finished(forked(lambda: compare(lake, root / "spared", root / "differs")))
        differs = json.loads((root / "differs").read_text())
        step = (root / "step").read_text()
        rows.append({"killed_at_s": round(instant, 3), "step": step, "next_s": round(seconds, 2),
                     "is_equal": not differs, "differs": differs})  # fmt: skip
        told = "equal" if not differs else f"DIFFER: {', '.join(differs)}"
        print(f"{len(rows):>4} {instant:>8.2f} s  {step:<34} {seconds:>7.2f} s  {told}", flush=True)
        shutil.rmtree(lake)
    return rows


def forked(work: Callable[[], None]) -> int:
    """Process id of a fork that does the work; only forks touch tables, so each starts with no thread at work."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001 - the outermost line of this process
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def finished(child: int) -> None:
    """Wait for a fork that must succeed."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        sys.exit(f"expected exit code 0, found {code}")


def prepare(product: str, folder: Path, *, is_trained: bool) -> None:
    """A lake after its first day."""
    with opening.jobs([product], Lake.open(folder), opening.Origin(is_sample=True), now=NOW) as jobs:
        cycle.begin(jobs[0])
        if is_trained:
            cycle.improve(jobs[0])


def day(product: str, folder: Path, *, mark: Path | None = None) -> None:
    """The next day; ``mark``: where to write which step the run before stood in."""
    lake = Lake.open(folder)
    if mark is not None:
        rows = runs.read(lake, product)
        last = rows.row(-1, named=True)
        new = last["run"].endswith(TOMORROW.isoformat().replace("+00:00", "Z")) or str(TOMORROW.date()) in last["run"]
        mark.write_text(f"{last['flow']}: {last['step']} {last['state']}" if new else "(not begun)")
    with opening.jobs([product], lake, opening.Origin(is_sample=True), now=TOMORROW) as jobs:
        cycle.daily(jobs[0])


def compare(killed: Path, spared: Path, to: Path) -> None:
    """Names of the tables that differ, wall clocks apart."""
    one, other = Lake.open(killed), Lake.open(spared)
    left, right = contents(one), contents(other)
    differs = [table for table in left if not left[table].equals(right[table])]
    to.write_text(json.dumps(differs if served(one) == served(other) else [*differs, "serving"]))


if __name__ == "__main__":
    main()
