"""What a fit needs to know besides the panel: features, horizon, windows, seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from urbancast.core.product import Feature, Product, Recipe


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one measure is trained and issued; from a ``Recipe``, or from the arguments of ``urbancast.backtest``.

    ``train_window`` and ``calibration`` count back from the cut, by target time.
    """

    features: tuple[Feature, ...]
    horizon: timedelta
    issue_step: timedelta = timedelta(days=1)
    leads_each: int = 1
    lead_power: float = 1.0
    train_window: timedelta = timedelta(days=364)
    calibration: timedelta = timedelta(days=28)
    fit_rows: int = 2_000_000
    seed: int = 20260101
    primary: str = "mae"

    @classmethod
    def of(cls, recipe: Recipe, product: Product) -> Plan:
        """Plan that a product's recipe asks for."""
        return cls(
            features=recipe.features,
            horizon=product.horizon,
            issue_step=recipe.issue_step,
            leads_each=recipe.leads_each,
            lead_power=recipe.lead_power,
            train_window=recipe.train_window,
            calibration=recipe.calibration,
            fit_rows=recipe.fit_rows,
            seed=recipe.seed,
            primary=recipe.primary,
        )
