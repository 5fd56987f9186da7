"""The simulation is neutral between real neighbourhoods: nobody's street is made to look dangerous."""

from __future__ import annotations

import numpy as np
import polars as pl

from urbancast import products
from urbancast.geo import places
from urbancast.products import get


def test_reports_are_simulated_by_area_alone() -> None:
    module = products.sample("nyc_crashes")
    simulated = module.City(module.SEED).places.sort("place")
    area = places.schematic(get("nyc_crashes")).sort("place")["area_km2"]
    ratio = simulated["level"].to_numpy() / np.sqrt(area.to_numpy())
    assert simulated["place"].n_unique() == pl.Series(simulated["place"]).len() == 260
    assert ratio.max() / ratio.min() < 1.0001
