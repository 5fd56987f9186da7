"""What a training shows for itself: parameters, metrics, fold tables and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from urbancast.evaluation import metrics
from urbancast.evaluation.backtest import Backtest
from urbancast.flows.job import Job
from urbancast.registry.release import Release
from urbancast.registry.tracking import Trained

COLUMNS = ("absolute_error", "squared_error", "deviance", "pinball", "crps", "hits_80")


def trained(job: Job, release: Release, result: Backtest) -> Trained:
    """Everything worth keeping of one training, in plain values."""
    folds = metrics.means(result.losses, by=["candidate", "cut"])
    is_own = pl.col("candidate") == release.candidate
    own = result.losses.filter(is_own).select("day", "value", "mean", *metrics.LOSSES)
    deciles = metrics.means(metrics.with_decile(own), by=["decile"])
    reliability = metrics.reliability(own)
    return Trained(
        release=release,
        params=dict(_flat({k: v for k, v in release.facts.items() if k not in ("checksums", "backtest")}))
        | {"candidate": release.candidate, "number": str(release.number), "primary": job.recipe.primary},
        metrics=dict(_metrics(result)),
        tables={"folds.csv": folds.write_csv(), "deciles.csv": deciles.write_csv()},
        pictures={"coverage.png": _coverage(deciles), "reliability.png": _reliability(reliability)},
    )


def _metrics(result: Backtest) -> Iterator[tuple[str, float]]:
    means = result.losses.group_by("candidate").agg(pl.col(COLUMNS).mean()).sort("candidate")
    for row in means.iter_rows(named=True):
        for column in COLUMNS:
            yield f"{row['candidate']}.{column}", float(row[column])
    last = result.losses["cut"].max()
    for row in result.losses.filter(pl.col("cut") == last).group_by("candidate").agg(pl.col(COLUMNS).mean()).to_dicts():
        yield f"{row['candidate']}.last_fold.absolute_error", float(row["absolute_error"])


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _coverage(deciles: pl.DataFrame) -> bytes:
    return _picture(
        deciles["decile"].to_list(),
        deciles["hits_80"].to_list(),
        (0.8, 0.8),
        labels=("decile of forecast size", "share inside the 80 % range"),
    )


def _reliability(classes: pl.DataFrame) -> bytes:
    forecast = (classes["forecast"] / classes["rows"]).to_list()
    observed = (classes["observed"] / classes["rows"]).to_list()
    ends = (min(forecast, default=0.0), max(forecast, default=1.0))
    return _picture(forecast, observed, ends, labels=("mean forecast", "mean observed"))


def _picture(x: list[float], y: list[float], ideal: tuple[float, float], *, labels: tuple[str, str]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second; only trainings draw
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot((min(x, default=0), max(x, default=1)), ideal, color="0.6", linestyle="--", label="ideal")
    axes.plot(x, y, marker="o", label="measured")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend()
    store = io.BytesIO()
    figure.savefig(store, format="png", dpi=100)
    return store.getvalue()
