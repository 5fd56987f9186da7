"""A trial on one page: the sentence, the scores, and a chart of the busiest places; plain HTML, no script."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

import polars as pl

from urbancast.flows.trial import Trial

PLACES = 6
PAST = timedelta(days=7)
WIDTH, HEIGHT, PAD = 860, 200, 28
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem;color:#1b2733}"
    "table{border-collapse:collapse}td,th{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #d5dce2}"
    "td:first-child,th:first-child{text-align:left}.band{fill:#0b6e99;opacity:.2}.mid{stroke:#0b6e99}"
    ".seen{stroke:#1b2733}path{fill:none;stroke-width:1.5}.lead{font-size:1.25rem}svg{width:100%;height:auto}"
    "text{font-size:11px;fill:#4a5a68}"
)


def page(trial: Trial) -> str:
    """HTML of a trial."""
    made = trial.prepared
    title = escape(made.table.name)
    told = " · ".join(escape(note) for note in made.guess.notes)
    facts = f"{made.rows:,} rows, {made.places:,} places, {made.days:,} days"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1><p class=lead>{escape(trial.sentence)}</p><p>{facts}. {told}.</p>"
        f"{_scores(trial)}{_charts(trial)}"
        "<p>Black: what was counted. Blue: the forecast; shaded, its 80 % range. "
        "Each score was made with what was known before the days it is about.</p></html>"
    )


def _scores(trial: Trial) -> str:
    head = "<tr><th>forecaster<th>mean error<th>against best rule<th>80 % range held<th>rows</tr>"
    rows = [
        f"<tr><td>{escape(s.forecaster)}<td>{s.value:.4g}<td>{s.skill:+.1%}<td>{s.held_80:.1%}<td>{s.n:,}</tr>"
        for s in trial.scores
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def _charts(trial: Trial) -> str:
    busiest = trial.past.group_by("place").agg(pl.col("value").sum()).sort("value", "place", descending=True)
    return "".join(_chart(trial, place) for place in busiest["place"].head(PLACES))


def _chart(trial: Trial, place: str) -> str:
    end = trial.prepared.end
    seen = trial.past.filter((pl.col("place") == place) & (pl.col("time") >= end - PAST)).sort("time")
    ahead = trial.ahead.filter(pl.col("place") == place).sort("time")
    if seen.is_empty() or ahead.is_empty():
        return ""
    first: datetime = seen["time"][0]
    last: datetime = ahead["time"][-1]
    most = max(float(seen["value"].max() or 0), float(ahead["q90"].max())) or 1.0  # type: ignore[arg-type]
    length = (last - first).total_seconds() or 1.0

    def points(rows: pl.DataFrame, column: str) -> list[str]:
        at = (rows["time"] - first).dt.total_seconds() / length * (WIDTH - 2 * PAD) + PAD
        up = HEIGHT - PAD - rows[column] / most * (HEIGHT - 2 * PAD)
        return [f"{x:.1f},{y:.1f}" for x, y in zip(at, up, strict=True) if y is not None]

    band = points(ahead, "q90") + points(ahead, "q10")[::-1]
    return (
        f"<h2>{escape(place)}</h2><svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{escape(place)}'>"
        f"<polygon class=band points='{' '.join(band)}'/><path class=mid d='M{' L'.join(points(ahead, 'q50'))}'/>"
        f"<path class=seen d='M{' L'.join(points(seen, 'value'))}'/>{_axis(first, last, most)}</svg>"
    )


def _axis(first: datetime, last: datetime, most: float) -> str:
    return (
        f"<text x='{PAD}' y='{HEIGHT - 8}'>{first:%d %b %H:%M} UTC</text>"
        f"<text x='{WIDTH - PAD}' y='{HEIGHT - 8}' text-anchor='end'>{last:%d %b %H:%M} UTC</text>"
        f"<text x='{PAD}' y='14'>{most:.4g}</text>"
    )
