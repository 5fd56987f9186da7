"""Maintain: the nightly upkeep of a lake, once, beside whatever reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from urbancast.core.errors import BusyError
from urbancast.flows.job import Teller, Upkeep, step, tell_nobody
from urbancast.lake import leases, maintain
from urbancast.lake.store import Lake

FLOW = "maintain"


def run(lake: Lake, *, now: datetime | None = None, teller: Teller = tell_nobody) -> Mapping[str, Any]:
    """Tidy every table, let old logs go, sweep what killed runs left; what was done to each table, and counts.

    Raw pages, forecasts, scores, the ledger and whatever a row names are never removed. BusyError where another does
    the same.
    """
    moment = now or datetime.now(UTC).replace(microsecond=0)
    job = Upkeep(lake=lake, now=moment, teller=teller)
    with leases.hold(lake, job.subject), step(job, job.run_id(FLOW), FLOW, "upkeep") as facts:
        tables = maintain.run(lake, now=moment)
        facts["files"] = sum(table["files_before"] - table["files"] for table in tables.values())
        facts["vacuumed"] = sum(table["vacuumed"] for table in tables.values())
        facts["logs"] = maintain.expire_logs(lake, now=moment)
        facts["swept"] = _sweep(lake)
    return {**tables, "logs": facts["logs"], "swept": facts["swept"]}


def _sweep(lake: Lake) -> int:
    """Files of no release, of products that nothing runs on; the others wait for another night."""
    swept = 0
    for product in sorted({path.split("/")[1] for path in lake.files.list("releases")}):
        if not maintain.unnamed_releases(lake, product):
            continue
        try:
            with leases.hold(lake, product):
                swept += maintain.sweep_releases(lake, product)
        except BusyError:
            continue
    return swept
