"""A card can be made of any product: its licences, its own words, its scores beside the baseline."""

from __future__ import annotations

import polars as pl

from tests.contracts.conftest import Tiny
from urbancast.core.time import UTC_US
from urbancast.evaluation import backtest
from urbancast.evaluation.backtest import KEPT, Backtest
from urbancast.flows import evidence
from urbancast.models import Fitted
from urbancast.registry import card, release as registry
from urbancast.registry.card import Card


def test_a_training_of_any_product_makes_a_card_with_its_terms_and_scores(tiny: Tiny) -> None:
    product = tiny.product
    for measure in product.modelled:
        releases = {release.candidate: release for release in registry.rules(tiny.lake, product.id, measure.id)}
        fitted = {name: registry.load(tiny.lake, release) for name, release in releases.items()}
        shown = max(releases, key=lambda name: (name != tiny.job.recipe.baseline, name))
        made = evidence.made(tiny.job, releases[shown], fitted[shown], said(tiny, measure.id, fitted))
        text = card.markdown(Card(metrics=made.metrics, **made.card), None)
        for licence in product.licences:
            assert f"[{licence.name}]({licence.url}) | {licence.attribution} |" in text
        assert "The product's card says nothing of it." not in text
        assert card.SIMULATED in text
        assert "| CRPS (of the whole) |" in text
        assert (made.metrics["rows"] > 0, measure.signed) == (True, "score.deviance" not in made.metrics)
        assert made.files["pictures/pit.png"].startswith(b"\x89PNG")


def said(tiny: Tiny, measure: str, fitted: dict[str, Fitted]) -> Backtest:
    """What the simple rules say of days that are known by now; they learnt from them too, which no card minds."""
    origin = tiny.job.now - tiny.city.lateness
    rows = backtest.forecasts(tiny.panel, tiny.plan, measure, fitted, [origin])
    rows = rows.with_columns(cut=pl.lit(origin, dtype=UTC_US))
    found = backtest.scored(tiny.panel, tiny.plan, measure, rows, fitted=fitted)
    return Backtest(rows.clear(), found.select(KEPT), tiny.job.recipe.baseline, found.head(100))
