"""Seconds and memory of each stage of each product on its sample city: pull, panel, frame, fits, forecast, verify.

    python benchmarks/speed/stages.py [PRODUCT …] [--rows small] [--out PATH]

Each stage runs in a fresh process on a temporary lake, so that its peak memory is its own, libraries included; the
emulated portal runs in this one. Beside the frame stand the lag columns built with polars
joins at some of the same origins, scaled by rows, values compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import _lags_by_joins
import polars as pl

from urbancast import products
from urbancast.core.product import Feature, Product, Recipe
from urbancast.features import frame as frames
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.flows import forecast, panel as panels, pull, verify
from urbancast.flows.job import Job
from urbancast.lake.store import Lake
from urbancast.models import make
from urbancast.portals.emulator import Emulator
from urbancast.registry import release as registry
from urbancast.registry.release import Release

OUT = Path(__file__).resolve().parents[1] / "out" / f"{Path(__file__).stem}.json"
NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)
ORIGINS_BESIDE = 12
FRESH = get_context("forkserver")
LAG = (Feature(name="lag"),)
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One product's work: ``folder`` holds the lake and the training frame."""

    product: str
    folder: Path
    url: str
    is_small: bool

    @property
    def recipe(self) -> Recipe:
        """The product's recipe; shortened where small."""
        made = products.recipe(self.product)
        if not self.is_small:
            return made
        return replace(made, history=min(made.history, timedelta(days=120)), fit_rows=min(made.fit_rows, 20_000))

    @property
    def job(self) -> Job:
        """The product in its temporary lake at a fixed moment, asking the emulator in the parent process."""
        return Job(
            product=products.get(self.product),
            recipe=self.recipe,
            lake=Lake.open(str(self.folder / "lake")),
            now=NOW,
            provenance="sample",
            portal_url=self.url,
        )

    @property
    def cut(self) -> datetime:
        """Moment of training and of the forecast's origin: early enough that all of its truth is known now."""
        return NOW - products.get(self.product).horizon - timedelta(days=7)

    @property
    def plan(self) -> Plan:
        """What the frame holds."""
        return Plan.of(self.recipe, products.get(self.product))

    @property
    def measure(self) -> str:
        """The first measure."""
        return products.get(self.product).measure.id

    def known(self) -> Panel:
        """The panel as known at the cut."""
        return panels.panel(self.job, until=self.cut)

    def training_rows(self, known: Panel) -> pl.DataFrame:
        """Rows that a fit at the cut sees."""
        return frames.training_rows(known, self.cut, self.plan, measure=self.measure)


def main() -> None:
    """Measure every stage of every product with a sample; print and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("products", nargs="*", help="products by id [default: all with a sample]")
    parser.add_argument("--rows", choices=("small", "full"), default="full", help="small: 120 days, 20,000 rows")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    if asked.rows == "small":  # quick, at a price: pages of libraries that the fork does not touch are not counted
        FRESH.set_forkserver_preload([name for name in sys.modules if name.startswith("urbancast.")])
    chosen = asked.products or [name for name, one in products.discover().items() if has_sample(one)]
    rows = [row for product in chosen for row in measured(product, is_small=asked.rows == "small")]
    asked.out.parent.mkdir(exist_ok=True)
    asked.out.write_text(json.dumps(rows), "utf-8")


def has_sample(product: Product) -> bool:
    """Whether a product can be run without its portals."""
    return (product.folder / "sample.py").is_file()


def measured(product: str, *, is_small: bool) -> list[Row]:
    """Rows of every stage of one product, printed as they come."""
    rows: list[Row] = []
    recipe = products.recipe(product)
    fits = [f"fit:{candidate.name}" for candidate in (*recipe.rules, *recipe.candidates)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(products.sample(product).datasets(), clock=lambda: NOW) as emulator,
    ):
        bench = Bench(product=product, folder=Path(folder), url=emulator.url, is_small=is_small)
        for stage in ("idle", "pull", "panel", "frame", "lags", *fits, "forecast", "verify"):
            row = in_its_own_process(bench, stage)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
            rows.append(row)
    return rows


def in_its_own_process(bench: Bench, stage: str) -> Row:
    """Row of one stage; a fork of an idle server, for ``ru_maxrss`` of an exec'd child begins at its parent's peak."""
    with ProcessPoolExecutor(1, mp_context=FRESH) as pool:
        return pool.submit(run, bench, stage).result()


def run(bench: Bench, stage: str) -> Row:
    """Do one stage here and now, as ``name`` or ``name:argument``."""
    name, _, argument = stage.partition(":")
    row = STAGES[name](bench, argument)
    return {"work": f"{bench.product}: {row.pop('work')}", "peak_mb": peak_mb(), **row}


def idle(_bench: Bench, _argument: str) -> Row:
    """Do nothing: the memory under every stage."""
    return {"work": "libraries loaded, nothing done"}


def pulled(bench: Bench, _argument: str) -> Row:
    """Fetch the whole history from the emulated portal, keep the bytes, observe, write."""
    done, seconds = timed(lambda: pull.run(bench.job))
    added = f"{done.added:,} observations"
    return {"work": f"pull, emulator's time included, {added}", "rows": sum(done.raw_rows.values()), "seconds": seconds}


def read(bench: Bench, _argument: str) -> Row:
    """Read all versions known at the cut from the lake."""
    known, seconds = timed(bench.known)
    return {"work": "read the panel", "rows": known.observations.height, "seconds": seconds}


def framed(bench: Bench, _argument: str) -> Row:
    """Draw the training rows and build their frame; kept for the fits."""
    known, plan = bench.known(), bench.plan

    def work() -> pl.DataFrame:
        return frames.build(known, features=plan.features, measure=bench.measure, rows=bench.training_rows(known))

    frame, seconds = timed(work)
    frame.filter(pl.col("reach_h").is_not_null()).write_parquet(bench.folder / "frame.parquet")
    origins = frame["origin"].n_unique()
    work_name = f"training frame, {origins} origins"
    return {"work": work_name, "rows": frame.height, "features": width(plan), "seconds": seconds}


def lags(bench: Bench, _argument: str) -> Row:
    """Build the lag columns alone, beside polars joins at some of the same origins, scaled by rows."""
    known = bench.known()
    rows = bench.training_rows(known)
    ours, seconds = timed(lambda: frames.build(known, features=LAG, measure=bench.measure, rows=rows))
    origins = rows["origin"].unique().sort()
    count = min(ORIGINS_BESIDE, len(origins))
    chosen = origins.gather([len(origins) * (2 * k + 1) // (2 * count) for k in range(count)])
    some = rows.filter(pl.col("origin").is_in(chosen.implode())).select("place", "origin", "time")
    versions, once_s = timed(lambda: _lags_by_joins.Versions.of(known, bench.measure))
    _lags_by_joins.build(versions, some.head(1))  # threads started, nothing timed cold
    theirs, some_s = timed(lambda: _lags_by_joins.build(versions, some))
    beside_s = once_s + some_s * rows.height / some.height
    compared = require_same(ours, theirs)
    return {
        "work": f"lag columns as known at {len(origins)} origins",
        "rows": rows.height,
        "features": len(frames.columns(LAG)),
        "seconds": seconds,
        "peak_mb": None,  # of both ways together: says nothing
        "beside": f"polars filter and join at {count} of them, scaled by rows; {compared:,} rows equal",
        "beside_seconds": round(beside_s, 2),
        "times_as_fast": round(beside_s / seconds, 1),
    }


def require_same(ours: pl.DataFrame, theirs: pl.DataFrame) -> int:
    """Rows compared, in every lag column, where the place had spoken of late; stops where one differs."""
    names = frames.columns(LAG)
    key = ["place", "origin", "time"]
    both = theirs.join(ours.select(*key, "lead_h", "reach_h", *names), on=key, suffix="_ours")
    spoke = (pl.col("reach_h") - pl.col("lead_h")) <= _lags_by_joins.SILENT / timedelta(hours=1)
    both = both.filter(spoke)
    for name in names:
        a, b = both[name].cast(pl.Float64), both[f"{name}_ours"].cast(pl.Float64)
        is_same = (a.is_null() & b.is_null()) | ((a - b).abs() <= 1e-5 * (1 + a.abs())).fill_null(value=False)
        if not is_same.all():
            raise SystemExit(f"{name}: expected the same values both ways, found {(~is_same).sum()} of {len(a)} differ")
    if both.is_empty():
        raise SystemExit("lags: expected rows to compare, found none; the alternative proves nothing")
    return both.height


def fitted(bench: Bench, name: str) -> Row:
    """Fit one candidate on the frame and freeze it."""
    recipe, frame = bench.recipe, pl.read_parquet(bench.folder / "frame.parquet")
    candidate = next(one for one in (*recipe.rules, *recipe.candidates) if one.name == name)
    one, seconds = timed(lambda: make(candidate).fit(frame, bench.plan.seed))
    release = Release(
        product=bench.product,
        measure=bench.measure,
        name="",
        number=0 if name == recipe.baseline else -1 if candidate in recipe.rules else 1,
        candidate=name,
        trained_until=bench.cut,
        path="",
        facts={},
    )
    registry.freeze(bench.job.lake, one, release, run="bench", now=NOW)
    return {"work": f"fit {name}", "rows": frame.height, "features": width(bench.plan), "seconds": seconds}


def forecasted(bench: Bench, _argument: str) -> Row:
    """Load every release, build the frame of one origin, forecast, write."""
    job, known = bench.job, bench.known()
    releases = registry.every(job.lake, bench.product)

    def work() -> int:
        loaded = [(release, registry.load(job.lake, release)) for release in releases]
        return forecast.issue(job, loaded, known, [bench.cut], "bench")

    written, seconds = timed(work)
    said = f"forecast of one origin by {len(releases)} forecasters"
    return {"work": said, "rows": written, "features": width(bench.plan), "seconds": seconds}


def verified(bench: Bench, _argument: str) -> Row:
    """Score what was forecast against what is known now and write the ledger."""
    tally, seconds = timed(lambda: verify.run(bench.job, since=bench.cut))
    return {"work": "verify and ledger", "rows": tally.rows, "seconds": seconds}


STAGES: Mapping[str, Callable[[Bench, str], Row]] = {
    "idle": idle,
    "pull": pulled,
    "panel": read,
    "frame": framed,
    "lags": lags,
    "fit": fitted,
    "forecast": forecasted,
    "verify": verified,
}


def width(plan: Plan) -> int:
    """Columns of a plan's features."""
    return len(frames.columns(plan.features))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and its seconds."""
    began = time.perf_counter()
    done = work()
    return done, round(time.perf_counter() - began, 3)


def peak_mb() -> int:
    """Largest memory of this process."""
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


if __name__ == "__main__":
    main()
