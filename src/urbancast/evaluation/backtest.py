"""A backtest is a replay without I/O: the same fit and forecast that the flows call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from urbancast.core.product import Candidate
from urbancast.core.tables import QUANTILE_COLUMNS, Scores
from urbancast.core.time import UTC_US, as_utc
from urbancast.evaluation import folds, metrics
from urbancast.features import frame as frames
from urbancast.features.panel import Panel
from urbancast.features.plan import Plan
from urbancast.features.rows import places_at
from urbancast.geo import bands
from urbancast.models import Fitted, make

__all__ = ["Backtest", "Plan", "fit", "fit_all", "forecast", "forecasts", "run", "scored", "with_band"]

CHUNK_ROWS = 1_000_000
SHOWN = 2_000  # of the last fold, by candidate: enough to look at
KEPT = (
    *(*metrics.KEY, "candidate", "cut", "lead_h", "reach_h", "reach_band", "day", "how", "value", "mean", "pit"),
    *metrics.LOSSES,
)


@dataclass(frozen=True)
class Backtest:
    """``forecasts``: the forecasts table's columns with candidate, cut, lead_h, reach_h (empty where not kept).

    ``losses`` has a row per forecast whose value is known; ``baseline`` names the candidate of ``scores``.
    ``sample``: some of the last fold's with quantiles and value, of each candidate at the same places and times.
    """

    forecasts: pl.DataFrame
    losses: pl.DataFrame
    baseline: str
    sample: pl.DataFrame = field(default_factory=pl.DataFrame)

    @cached_property
    def scores(self) -> pl.DataFrame:
        """Additive sums of the scores table, the baseline's on the same rows beside; `release` is the candidate."""
        beside = self.losses.filter(pl.col("candidate") == self.baseline)
        sums = metrics.ledger(self.losses, baseline=beside, by=["candidate"])
        named = sums.rename({"candidate": "release"}).with_columns(kind=pl.lit("backtest"))
        return named.select(name for name in Scores.column_names() if name not in {"product", "run"})


def fit(panel: Panel, plan: Plan, measure: str, candidate: Candidate, cut: datetime) -> Fitted:
    """Fit one candidate on what was known at ``cut``."""
    return fit_all(panel, plan, measure, [candidate], cut)[candidate.name]


def fit_all(
    panel: Panel, plan: Plan, measure: str, candidates: Sequence[Candidate], cut: datetime
) -> dict[str, Fitted]:
    """Fit several candidates on one training frame as known at ``cut``; by candidate name."""
    rows = frames.training_rows(panel, cut, plan, measure=measure)
    frame = frames.build(panel, features=plan.features, measure=measure, rows=rows)
    frame = frame.filter(pl.col("reach_h").is_not_null())
    return {candidate.name: make(candidate).fit(frame, plan.seed) for candidate in candidates}


def forecast(panel: Panel, plan: Plan, measure: str, fitted: Fitted, origin: datetime) -> pl.DataFrame:
    """Place, measure, origin, time, mean, q05…q95 over the plan's horizon, as known at ``origin``."""
    keys = ["place", "measure", "origin", "time", "mean", *QUANTILE_COLUMNS]
    return forecasts(panel, plan, measure, {"": fitted}, [origin]).select(keys)


def forecasts(
    panel: Panel, plan: Plan, measure: str, fitted: dict[str, Fitted], origins: Sequence[datetime]
) -> pl.DataFrame:
    """Forecasts of several fitted candidates at several origins, with candidate, lead_h and reach_h."""
    rows = pl.concat([frames.forecast_rows(panel, origin, plan.horizon, measure=measure) for origin in origins])
    frame = frames.build(panel, features=plan.features, measure=measure, rows=rows)
    beside = frame.select("place", "origin", "time", "lead_h", "reach_h")
    parts = []
    for name, one in fitted.items():
        said = one.predict(frame).with_columns(measure=pl.lit(measure), candidate=pl.lit(name))
        parts.append(said.join(beside, on=["place", "origin", "time"], how="left", maintain_order="left"))
    order = ["place", "measure", "origin", "time", "mean", *QUANTILE_COLUMNS, "candidate", "lead_h", "reach_h"]
    return pl.concat(parts).select(order)


def run(  # noqa: PLR0913 - the one loop: what, with whom, when, how much is kept
    panel: Panel,
    plan: Plan,
    measure: str,
    candidates: Sequence[Candidate],
    cuts: Sequence[datetime] | dict[datetime, list[datetime]],
    *,
    until: datetime | None = None,
    keeps_forecasts: bool = True,
) -> Backtest:
    """Fit at each cut, forecast at each origin until the next, score against what is known now.

    ``cuts``: cut → its origins, or a sequence of cuts, each serving every ``issue_step`` until the next
    (the last for as long as the one before, or to ``until``). The first candidate is the baseline of ``scores``.
    """
    served = cuts if isinstance(cuts, dict) else _served(cuts, plan, until)
    said, lost, shown = [], [], []
    last = max(served)
    for cut, origins in served.items():
        fitted = fit_all(panel, plan, measure, candidates, cut)
        for part in _chunks(panel, plan, measure, origins):
            rows = forecasts(panel, plan, measure, fitted, part).with_columns(cut=pl.lit(cut, dtype=UTC_US))
            said.append(rows if keeps_forecasts else rows.clear())
            found = scored(panel, plan, measure, rows, fitted=fitted)
            lost.append(found.select(KEPT))
            shown += [_sampled(found, plan.seed)] if cut == last else []
    return Backtest(pl.concat(said), pl.concat(lost), candidates[0].name, pl.concat(shown))


def _sampled(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Rows of at most ``SHOWN`` forecasts, drawn with the seed; all candidates of each."""
    names = [*metrics.KEY, "candidate", "cut", "lead_h", "value", "mean", *QUANTILE_COLUMNS, "pit"]
    every = rows.select(metrics.KEY).unique(maintain_order=True)
    drawn = every.sample(min(SHOWN, every.height), seed=seed).sort(metrics.KEY)
    return drawn.join(rows.select(names), on=list(metrics.KEY), maintain_order="left")


def scored(panel: Panel, plan: Plan, measure: str, rows: pl.DataFrame, *, fitted: dict[str, Fitted]) -> pl.DataFrame:
    """Losses of ``forecasts`` rows against the newest known values, with the count family of each candidate."""
    start, end = rows["time"].min(), rows["time"].max()
    until = end + timedelta(microseconds=1)  # type: ignore[operator]
    truth = with_band(panel, measure, panel.truth(measure, start=start, end=until))  # type: ignore[arg-type]
    parts = []
    for (name,), part in rows.group_by("candidate", maintain_order=True):
        one = fitted.get(str(name))
        parts.append(metrics.losses(part, truth, tz=panel.tz, family=one.family if one else None))
    return pl.concat(parts)


def with_band(panel: Panel, measure: str, truth: pl.DataFrame) -> pl.DataFrame:
    """Truth of draws with the band that speaks for a pair where it is not forecast itself; other truth as it is."""
    if not panel.measure(measure).draws or panel.pairs is None:
        return truth
    ids = truth["place"].unique().sort().to_list()
    named = bands.facts(ids, panel.places, panel.pairs).select("place", "band")
    return truth.join(named, on="place", how="left", maintain_order="left")


def _served(cuts: Sequence[datetime], plan: Plan, until: datetime | None) -> dict[datetime, list[datetime]]:
    ordered = sorted(as_utc(cut) for cut in cuts)
    span = ordered[-1] - ordered[-2] if len(ordered) > 1 else plan.issue_step
    ends = [*ordered[1:], as_utc(until) if until else ordered[-1] + span]
    return {cut: folds.origins(cut, end, plan.issue_step) for cut, end in zip(ordered, ends, strict=True)}


def _chunks(panel: Panel, plan: Plan, measure: str, origins: Sequence[datetime]) -> list[Sequence[datetime]]:
    """Origins in parts whose rows fit comfortably in memory."""
    has_draws = panel.measure(measure).draws and len(origins) > 0
    places = places_at(panel, measure, origins[-1]) if has_draws else panel.place_ids()
    each = max(1, len(places) * (plan.horizon // panel.grain))
    size = max(1, CHUNK_ROWS // each)
    return [origins[i : i + size] for i in range(0, len(origins), size)]
