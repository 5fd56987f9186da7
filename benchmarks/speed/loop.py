"""The nightly cycle of all products, and what a retraining does to the API's answers, on the same cores.

    python benchmarks/speed/loop.py [--lake LAKE] [--seconds 10] [--rate 100]

``--lake``: one that `urbancast up` has left, its sample cities ready; it is copied, never changed. Without, one is made
first (minutes). The cycle is the next day's: pull, forecast, verify, probation, retraining if due, watch, two products
at a time as `up` works them. The clients ask at a steady rate, each question timed from when it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from api_lookups import fetch, wait_for

from urbancast import products
from urbancast.core.time import as_grain, floor, iso
from urbancast.flows import cycle, opening
from urbancast.lake import serving
from urbancast.lake.store import Lake

OUT = Path(__file__).resolve().parents[1] / "out" / f"{Path(__file__).stem}.json"
WORKERS, CONNECTIONS = 2, 8
Row = dict[str, Any]


def one(product: str, lake: str, verb: str, now: datetime) -> None:
    """Do a product's day, or train it anew, in this process; print its seconds and peak."""
    begun = time.perf_counter()
    with opening.jobs([product], Lake.open(lake), opening.Origin(is_sample=True), now=now) as jobs:
        job = jobs[0]
        if verb == "begin":
            cycle.begin(job)
            cycle.improve(job)
            cycle.show_record(job)
        elif verb == "improve":
            cycle.improve(job)
        else:
            cycle.daily(job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": round(time.perf_counter() - begun, 1), "peak_mb": round(peak)}))


def start(product: str, lake: str, verb: str, now: datetime) -> subprocess.Popen[str]:
    """Start ``one`` as `up` starts its workers: in a process of its own that gives way to the API."""
    command = ["nice", sys.executable, __file__, "--one", product, lake, verb, iso(now)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def all_of(names: Sequence[str], lake: str, verb: str, now: datetime) -> list[Row]:
    """Do ``verb`` for every product, ``WORKERS`` at a time; rows in order of their end."""
    waiting, at_work, rows = list(names), {}, []
    while waiting or at_work:
        while waiting and len(at_work) < WORKERS:
            name = waiting.pop(0)
            at_work[name] = start(name, lake, verb, now)
        for name, process in list(at_work.items()):
            if process.poll() is not None:
                told = process.communicate()[0]
                if process.returncode:
                    raise RuntimeError(f"{name}: {verb} ended with {process.returncode}; see its output")
                rows.append({"work": f"{name}: {verb}", **json.loads(told.splitlines()[-1])})
                del at_work[name]
        time.sleep(0.05)
    return rows


def nightly(lake: str, names: Sequence[str], now: datetime) -> list[Row]:
    """Seconds and peak of each product's day, and of the whole night."""
    begun = time.perf_counter()
    rows = all_of(names, lake, "daily", now)
    whole = round(time.perf_counter() - begun, 1)
    return [*rows, {"work": f"all {len(rows)}, two at a time", "seconds": whole}]


def while_training(
    lake: str, product: str, names: Sequence[str], options: argparse.Namespace, now: datetime
) -> list[Row]:
    """p50 and p99 of look-ups before, during and after a retraining of ``product``."""
    port = _free_port()
    command = [sys.executable, "-m", "urbancast", "serve", "--lake", lake, "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "URBANCAST_LOG_LEVEL": "WARNING"})
    try:
        wait_for(port, server)
        paths = _questions(port, names)
        rows = [_told("before", asyncio.run(ask(port, paths, options.rate, lambda: False, options.seconds)))]
        training = start(product, lake, "improve", now)
        during = asyncio.run(ask(port, paths, options.rate, lambda: training.poll() is not None, 3600))
        seconds = json.loads(training.communicate()[0].splitlines()[-1])["seconds"]
        rows.append({**_told(f"during a retraining of {product}", during), "seconds": seconds})
        rows.append(_told("after", asyncio.run(ask(port, paths, options.rate, lambda: False, options.seconds))))
    finally:
        server.terminate()
        server.wait(timeout=10)
    return rows


async def ask(port: int, paths: Sequence[str], rate: float, is_over: Any, seconds: float) -> np.ndarray:
    """Seconds of each answer from when it was due, at ``rate`` questions a second, until over."""
    taken: list[float] = []
    begun = time.perf_counter()
    turns = iter(range(10**9))

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            number = next(turns)
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if time.perf_counter() - begun > seconds or is_over():
                break
            await fetch(reader, writer, paths[number % len(paths)])
            taken.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return np.array(taken)


def _questions(port: int, names: Sequence[str]) -> list[str]:
    """Places and maps of every product that answers."""

    async def read(path: str) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.loads(await fetch(reader, writer, path))
        writer.close()
        return body

    until, found = time.monotonic() + 120, []
    while time.monotonic() < until and len(found) < len(names):
        found = [each for each in asyncio.run(read("/v1/products")) if each["serving"]]
        time.sleep(0.5)
    paths = []
    for each in found:
        ids = [row["id"] for row in asyncio.run(read(f"/v1/products/{each['id']}/places"))["features"]][:40]
        at = each["serving"]["first_time"].replace(":", "%3A")
        paths += [f"/v1/products/{each['id']}/map?at={at}"]
        if each["place_kind"] != "pair":
            paths += [f"/v1/products/{each['id']}/forecast?place={place}&at={at}" for place in ids]
    return paths


def _told(phase: str, taken: np.ndarray) -> Row:
    p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
    largest = float(taken.max()) * 1000
    return {"work": f"look-ups {phase}", "p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2),
            "largest_ms": round(largest, 1), "n": len(taken)}  # fmt: skip


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Copy or make a lake, live its next night, then serve it through a retraining; print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--train", default="", help="product that trains while others ask [default: the first]")
    parser.add_argument("--one", nargs=4, metavar=("PRODUCT", "LAKE", "VERB", "NOW"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        product, lake, verb, now = options.one
        one(product, lake, verb, datetime.fromisoformat(now))
        return
    names = list(products.discover())
    with tempfile.TemporaryDirectory() as folder:
        lake = f"{folder}/lake"
        if options.lake:
            shutil.copytree(options.lake, lake, ignore=shutil.ignore_patterns("dagster", "mlflow*", "mlartifacts"))
        else:
            all_of(names, lake, "begin", floor(datetime.now(UTC), as_grain("1h")))
        origins = [row["origin"] for row in serving.current(Lake.open(lake)).values()]
        tomorrow = max(origins) + timedelta(days=1)
        rows = nightly(lake, names, tomorrow)
        rows += while_training(lake, options.train or names[0], names, options, tomorrow)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows), "utf-8")
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, fmt_str_lengths=60):
        print(pl.DataFrame(rows))


if __name__ == "__main__":
    main()
