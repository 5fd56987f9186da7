"""Look-ups per second and p99 of the API, beside a bare FastAPI route returning the same bytes, in the same run.

    python benchmarks/speed/api_lookups.py [--seconds 4] [--connections 8]

Builds a lake of 260 zones, 168 hours ahead and 14 daily origins, serves it with uvicorn on a loopback port, and asks
by keep-alive connections from one process. Client and servers share this machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely

from urbancast.core.place import PlaceKind
from urbancast.core.product import LANGS, Measure, Product
from urbancast.core.tables import QUANTILE_COLUMNS
from urbancast.core.time import DAY, HOUR, UTC_US, instants, iso
from urbancast.lake import forecasts, places, releases, serving
from urbancast.lake.store import Lake

OUT = Path(__file__).resolve().parents[1] / "out" / "api_lookups.json"
ORIGIN = datetime(2026, 3, 2, tzinfo=UTC)
ZONES, HOURS, ORIGINS = 260, 168, 14
FACTORS = np.array([0.6, 0.7, 0.85, 1.0, 1.15, 1.3, 1.4])


def product(folder: Path) -> Product:
    """A product of 260 zones."""
    words = dict.fromkeys(LANGS, "trips")
    return Product(
        id="zones", city="Bench", country="FR", tz="Europe/Paris", verb=words, question=words,
        place_kind=PlaceKind.ZONE, place_word=words, grain="1h", horizon=HOURS * HOUR, lenses=("zone",),
        measures=(Measure(id="trips", label=words, unit=words),), licences=(), folder=folder, centre=(2.35, 48.86),
    )  # fmt: skip


def fill(lake: Lake) -> None:
    """Places, two releases and their forecasts from 14 daily origins."""
    ids = [str(number) for number in range(ZONES)]
    lon = np.linspace(2.2, 2.5, ZONES)
    boxes = shapely.to_wkb(shapely.box(lon - 0.001, lon * 0 + 48.8, lon + 0.001, lon * 0 + 48.9))
    columns = {"place": ids, "name": [f"Zone {i}" for i in ids], "lat": [48.85] * ZONES, "lon": lon, "geometry": boxes}
    rows = pl.DataFrame(columns).with_columns(
        kind=pl.lit("zone"), part_of=pl.lit(None, pl.String), area_km2=pl.lit(1.0), is_schematic=pl.lit(value=True),
        attributes=pl.lit("{}"), valid_from=pl.lit(ORIGIN - 99 * DAY).cast(UTC_US), valid_to=pl.lit(None, UTC_US),
    )  # fmt: skip
    places.put(lake, "zones", rows)
    known: dict[str, list[Any]] = {"release": ["base", "gbm"], "number": [0, 1], "candidate": ["climatology", "gbm"]}
    facts = {"product": "zones", "measure": "trips", "path": "none", "facts": "{}", "run": "bench"}
    made = pl.DataFrame(known).with_columns(
        *(pl.lit(value).alias(name) for name, value in facts.items()),
        trained_until=pl.lit(ORIGIN).cast(UTC_US), created_at=pl.lit(ORIGIN).cast(UTC_US),
    )  # fmt: skip
    releases.add(lake, made)
    for back in reversed(range(ORIGINS)):
        for release in known["release"]:
            forecasts.add(lake, "zones", issue(ids, ORIGIN - back * DAY, release), run="bench", issued_at=ORIGIN)
    serving.move(lake, product="zones", origin=ORIGIN, releases={"trips": "gbm"}, versions={}, provenance="sample",
                 data_to=ORIGIN, moved_at=ORIGIN, run="bench")  # fmt: skip


def issue(ids: list[str], origin: datetime, release: str) -> pl.DataFrame:
    """One release's forecasts from one origin; seeded."""
    times = instants(origin, origin + HOURS * HOUR, HOUR)
    mean = np.random.default_rng(7).gamma(2.0, 60.0, ZONES * HOURS)
    quantiles = dict(zip(QUANTILE_COLUMNS, np.outer(FACTORS, mean), strict=True))
    keys = {"place": np.repeat(ids, HOURS), "time": times * ZONES, "mean": mean}
    return pl.DataFrame(keys | quantiles).with_columns(
        measure=pl.lit("trips"), origin=pl.lit(origin).cast(UTC_US), release=pl.lit(release),
        time=pl.col("time").cast(UTC_US),
    )  # fmt: skip


def serve(kind: str, where: str, port: int) -> None:
    """Serve the app over a lake, or a bare route that returns the bytes of a file; tells its own peak at the end."""
    import structlog
    import uvicorn
    from fastapi import FastAPI
    from starlette.responses import Response

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))
    if kind == "app":
        from urbancast.api.app import create_app

        app = create_app(where, catalog={"zones": product(Path(where))}, clock=lambda: ORIGIN + 6 * HOUR)
    else:
        app, body = FastAPI(), Path(where).read_bytes()

        @app.get("/bytes")
        async def bare() -> Response:
            return Response(body, media_type="application/json")

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")


@contextmanager
def server(kind: str, where: str) -> Iterator[int]:
    """A server in a process of its own; yields its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, __file__, "--serve", kind, where, str(port)]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "2"})
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once the port takes connections."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"server: expected it to listen on {port} within 60 s, found it silent; see its output")


async def fetch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    """Body of one GET over an open connection; anything but 200 stops the benchmark."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{path}: expected 200, found {head[:40]!r}")
    size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(size[15:]))


async def ask(port: int, paths: list[str], *, connections: int, seconds: float) -> tuple[float, np.ndarray]:
    """Requests per second, and each one's seconds."""
    todo, taken = itertools.cycle(paths), []
    start = time.perf_counter()
    until = start + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (begun := time.perf_counter()) < until:
            await fetch(reader, writer, next(todo))
            taken.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return len(taken) / (time.perf_counter() - start), np.array(taken)


def body_of(port: int, path: str) -> bytes:
    """Body of one GET."""

    async def once() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = await fetch(reader, writer, path)
        writer.close()
        return body

    return asyncio.run(once())


def measure(
    app_port: int, folder: Path, question: str, paths: list[str], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Rows of the table for one question: first look-ups, repeated ones, and the bare route, in turn."""
    file = folder / f"{question}.json"
    file.write_bytes(body_of(app_port, paths[0]))
    rows = []
    with server("bare", str(file)) as bare_port:
        turns = (
            (f"API, {len(paths)} questions in turn", app_port, paths),
            ("API, 200 questions over and over", app_port, paths[:200]),
            ("bare FastAPI route, same bytes", bare_port, ["/bytes"]),
        )
        for name, port, asked in turns:
            warm_up = asked if len(asked) <= 500 else asked[-500:]
            asyncio.run(ask(port, warm_up, connections=options.connections, seconds=0.5))
            rate, taken = asyncio.run(ask(port, asked, connections=options.connections, seconds=options.seconds))
            p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
            rows.append(
                {
                    "look-up": f"{question}, {file.stat().st_size} bytes",
                    "server": name,
                    "lookups_per_second": round(rate),
                    "p50_ms": round(float(p50), 2),
                    "p99_ms": round(float(p99), 2),
                }
            )
    return rows


def main() -> None:
    """Build, serve, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--serve", nargs=3)
    options = parser.parse_args()
    if options.serve:
        kind, where, port = options.serve
        serve(kind, where, int(port))
        return
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(f"{folder}/lake")
        fill(lake)
        times = [iso(at).replace(":", "%3A") for at in instants(ORIGIN - 10 * DAY, ORIGIN + HOURS * HOUR, HOUR)]
        base = "/v1/products/zones"
        look_ups = [f"{base}/forecast?place={zone}&at={at}" for at in times for zone in range(ZONES)]
        maps = [f"{base}/map?at={at}" for at in times]
        started = time.perf_counter()
        with server("app", lake.url) as port:
            ready_s = time.perf_counter() - started
            rows = measure(port, Path(folder), "forecast", look_ups, options)
            rows += measure(port, Path(folder), "map", maps, options)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows), "utf-8")
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, fmt_str_lengths=50):
        print(pl.DataFrame(rows))
    print(f"first answer {ready_s:.1f} s after the command; largest server process {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
