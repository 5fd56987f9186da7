"""Evidently's page on daily series beside their reference: an optional extra, and the only place that knows pandas."""

from __future__ import annotations

import importlib.util

import polars as pl

from urbancast.core.errors import NotReadyError

EXTRA = "reports"


def page(reference: pl.DataFrame, current: pl.DataFrame) -> bytes:
    """One HTML file that needs nothing else, of numeric columns of two frames with a row a day.

    NotReadyError where the extra is not installed. Its tests count rows: with a row a day, that is days.
    """
    if importlib.util.find_spec("evidently") is None:
        raise NotReadyError(f"evidently: expected it installed, found none; install urbancast[{EXTRA}]")
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    columns = [name for name in current.columns if current[name].count() > 1 and reference[name].count() > 1]
    known = DataDefinition(numerical_columns=columns)
    now, before = (
        Dataset.from_pandas(_as_pandas(frame.select(columns)), data_definition=known) for frame in (current, reference)
    )
    made = Report([DataDriftPreset(), DataSummaryPreset()]).run(now, before)
    text: str = made.get_html_str(as_iframe=False)
    return text.encode()


def _as_pandas(frame: pl.DataFrame) -> object:
    import pandas as pd  # noqa: TID251 - what evidently reads

    return pd.DataFrame({name: frame[name].to_list() for name in frame.columns}, dtype="float64")
