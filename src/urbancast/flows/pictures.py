"""Pictures of a training, PNG: calibration by size and level, observed against forecast, what it goes by."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 15  # inputs in a picture
BLUE, GREY = "#1f6f8b", "0.6"


def coverage(deciles: pl.DataFrame) -> bytes:
    """Share of values inside the 80 % range by decile of the forecast's size, with 95 % of the days' noise."""

    def draw(axes: Axes) -> None:
        axes.axhline(0.8, color=GREY, linestyle="--", label="ideal")
        error = 1.96 * deciles["hits_80_se"].to_numpy()
        axes.errorbar(
            deciles["decile"].to_list(), deciles["hits_80"].to_list(), error, color=BLUE, marker="o", label="measured"
        )
        axes.set_ylim(0, 1.02)
        axes.legend()

    return _picture(draw, "decile of the forecast's size", "share inside the 80 % range")


def pit(bins: pl.DataFrame) -> bytes:
    """Histogram of the randomised PIT: flat where the whole forecast is honest."""

    def draw(axes: Axes) -> None:
        width = 1 / max(1, bins.height)
        axes.bar(bins["from"].to_list(), bins["share"].to_list(), width, align="edge", color=BLUE, edgecolor="white")
        axes.axhline(width, color=GREY, linestyle="--", label="ideal")
        axes.legend()

    return _picture(draw, "level of the value within its forecast (PIT)", "share of values")


def reliability(classes: pl.DataFrame) -> bytes:
    """Mean observed against mean forecast, by classes of equal sums of the forecast."""
    forecast = (classes["forecast"] / classes["rows"]).to_list()
    observed = (classes["observed"] / classes["rows"]).to_list()

    def draw(axes: Axes) -> None:
        ends = (min(forecast, default=0.0), max(forecast, default=1.0))
        axes.plot(ends, ends, color=GREY, linestyle="--", label="ideal")
        axes.plot(forecast, observed, color=BLUE, marker="o", label="measured")
        axes.legend()

    return _picture(draw, "mean forecast", "mean observed")


def importance(shares: pl.DataFrame) -> bytes:
    """The inputs with the greatest shares of the first part of a forecaster."""
    part = shares["part"][0]
    top = shares.filter(pl.col("part") == part).head(SHOWN).reverse()

    def draw(axes: Axes) -> None:
        axes.barh(top["feature"].to_list(), top["share"].to_list(), color=BLUE)

    return _picture(
        draw, f"share of the gain: {part}" if "trees" in part else f"share: {part}", "", height=1 + 0.25 * top.height
    )


def _picture(draw: Callable[[Axes], None], x: str, y: str, *, height: float = 3.5) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second; only trainings draw
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    store = io.BytesIO()
    figure.savefig(store, format="png", dpi=100)
    return store.getvalue()
