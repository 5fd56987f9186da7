"""Leases: one run of a product at a time, across processes and hosts; who lost a lease can write nothing more.

A lease ends when it is released, when its time is up, or when its holder is seen to be dead. Taking over one that was
not released raises a fence in every table (see ``Lake.fence``), so a holder that stood still and wakes up is refused.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
import psutil

from urbancast.core.errors import BusyError, UrbancastError
from urbancast.core.time import iso
from urbancast.lake.snapshot import Snapshot
from urbancast.lake.store import Lake

TTL = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to write a product's rows until ``until``, unless renewed; a later lease has a greater ``token``."""

    product: str
    token: int
    holder: str
    until: datetime


def this_process() -> str:
    """Name of this process that no other has, here or on another host."""
    own = psutil.Process()
    return json.dumps({"host": socket.gethostname(), "pid": own.pid, "started": own.create_time()}, sort_keys=True)


@contextmanager
def hold(lake: Lake, product: str, *, ttl: timedelta = TTL) -> Iterator[Lease]:
    """Hold a product's lease, renewed from a thread while this process runs; BusyError where another holds it."""
    lease = take(lake, product, holder=this_process(), ttl=ttl)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lake, lease, ttl, ended), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        ended.set()
        renewing.join()
        release(lake, lease)


def take(lake: Lake, product: str, *, holder: str, ttl: timedelta = TTL) -> Lease:
    """Take a free lease, with a token greater than all before it; of two that try at once, one is refused."""
    taken: dict[str, bool] = {}

    def next_row(before: Snapshot) -> pl.DataFrame:
        now = datetime.now(UTC)
        newest = _newest(before, product)
        is_held = newest is not None and newest["state"] == "held"
        if newest is not None and is_held and newest["until"] > now and _is_alive(newest["holder"]):
            raise BusyError(
                f"lease of {product}: expected it free, found it held by {_told(newest['holder'])} "
                f"until {iso(newest['until'])} at least; wait, or stop that run"
            )
        taken["over"] = is_held
        token = 1 if newest is None else newest["token"] + 1
        return _row(Lease(product=product, token=token, holder=holder, until=now + ttl), "held", now)

    lake.derive("leases", product, next_row)
    own = _newest(lake.snapshot("leases"), product)
    if own is None or own["holder"] != holder:
        raise BusyError(f"lease of {product}: expected it taken, found another run quicker; try again")
    lease = Lease(product=product, token=own["token"], holder=holder, until=own["until"])
    lake.tokens[product] = lease.token
    if taken["over"]:
        lake.fence(product, lease.token)
    return lease


def release(lake: Lake, lease: Lease) -> None:
    """Give a lease back, unless another run has taken it over."""
    lake.tokens.pop(lease.product, None)
    lake.derive("leases", lease.product, partial(_following, lease, state="released", ttl=timedelta()))


def current(lake: Lake, product: str) -> Lease | None:
    """The lease in force, or None."""
    newest = _newest(lake.snapshot("leases"), product)
    if newest is None or newest["state"] != "held" or newest["until"] <= datetime.now(UTC):
        return None
    return Lease(product=product, token=newest["token"], holder=newest["holder"], until=newest["until"])


def _renew(lake: Lake, lease: Lease, ttl: timedelta, ended: threading.Event) -> None:
    """Renew until ended; a try that fails is followed by another, and a lease that was lost stays lost."""
    while not ended.wait(ttl.total_seconds() / 3):
        try:
            written = lake.derive("leases", lease.product, partial(_following, lease, state="held", ttl=ttl))
        except (UrbancastError, OSError):
            continue
        if not written:
            return


def _following(lease: Lease, before: Snapshot, *, state: str, ttl: timedelta) -> pl.DataFrame:
    """The next row of a lease; none where another has a greater token."""
    newest, now = _newest(before, lease.product), datetime.now(UTC)
    row = _row(Lease(product=lease.product, token=lease.token, holder=lease.holder, until=now + ttl), state, now)
    return row if newest is None or newest["token"] == lease.token else row.clear()


def _newest(before: Snapshot, product: str) -> dict[str, Any] | None:
    rows = before.scan(product=product).sort("token", "at").tail(1).collect()
    return rows.row(0, named=True) if rows.height else None


def _row(lease: Lease, state: str, now: datetime) -> pl.DataFrame:
    columns = {"product": lease.product, "token": lease.token, "holder": lease.holder, "state": state}
    return pl.DataFrame([{**columns, "at": now, "until": lease.until}])


def _is_alive(holder: str) -> bool:
    """Whether a holder may still run: of another host that is not known, and its time must be waited for."""
    who = json.loads(holder)
    if who["host"] != socket.gethostname():
        return True
    try:
        return bool(abs(psutil.Process(who["pid"]).create_time() - who["started"]) < 1)
    except psutil.NoSuchProcess:
        return False


def _told(holder: str) -> str:
    who = json.loads(holder)
    return f"process {who['pid']} on {who['host']}"
