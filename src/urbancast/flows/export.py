"""Export: a product's forecasts or scores as one CSV or Parquet file, provenance in every row."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from urbancast.core.errors import QueryError
from urbancast.flows.job import Job

TABLES = ("forecasts", "scores", "observations")


def run(job: Job, table: str, to: Path) -> int:
    """Write ``table`` of the job's product to ``to`` (.csv or .parquet) and return the number of rows."""
    if table not in TABLES:
        raise QueryError("unknown-table", expected=" or ".join(TABLES), found=table, action="name one of them")
    rows = job.lake.scan(table, product=job.product.id).with_columns(
        provenance=pl.lit(job.provenance), simulated=pl.lit(job.provenance == "sample")
    )
    frame = rows.collect()
    if to.suffix == ".parquet":
        frame.write_parquet(to)
    elif to.suffix == ".csv":
        frame.write_csv(to)
    else:
        raise QueryError("unknown-format", expected=".csv or .parquet", found=to.name, action="change the file's name")
    return frame.height
