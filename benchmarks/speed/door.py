"""What the door costs a look-up: limits off, from loopback, from afar, and with a key; and what a key costs itself.

    python benchmarks/speed/door.py [--times 20000]

One process, no sockets: the application is called as a server calls it, in turns of 500 so that all four meet the same
machine. The first use of a key is its verification (argon2); the next ones only ask whether it is still in force.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from api_lookups import ORIGIN, fill, product
from fastapi import FastAPI

from urbancast.api.app import create_app
from urbancast.api.limits import Limits
from urbancast.core.time import HOUR
from urbancast.lake import keys
from urbancast.lake.store import Lake

OUT = Path(__file__).resolve().parents[1] / "out" / f"{Path(__file__).stem}.json"
TURN = 500
MOST = 100_000_000  # never reached: what is measured is counting
LOOKUP, WHO = b"/v1/products/zones/forecast?place=7", b"/v1/session"


async def asked(app: FastAPI, target: bytes, client: str, key: str = "") -> float:
    """Seconds of one GET; anything but 200 stops the benchmark."""
    path, _, query = target.partition(b"?")
    headers = [(b"host", b"localhost"), *([(b"authorization", f"Bearer {key}".encode())] if key else [])]
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path.decode(), "raw_path": path, "query_string": query, "root_path": "", "headers": headers,
        "client": (client, 1), "server": ("localhost", 80),
    }  # fmt: skip
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    begun = time.perf_counter()
    await app(scope, receive, send)
    taken = time.perf_counter() - begun
    if statuses != [200]:
        raise RuntimeError(f"{target!r}: expected 200, found {statuses}")
    return taken


async def measured(app: FastAPI, key: str, times: int) -> list[dict[str, Any]]:
    """Rows of the table."""
    off, counting = Limits(), Limits(lookups=MOST, routes=MOST, logins=MOST)
    near, far = "127.0.0.1", "203.0.113.7"
    kinds: dict[str, tuple[Limits, bytes, str, str]] = {
        "look-up, limits off": (off, LOOKUP, far, ""),
        "look-up from loopback": (counting, LOOKUP, near, ""),
        "look-up from afar": (counting, LOOKUP, far, ""),
        "look-up from afar with a key": (counting, LOOKUP, far, key),
        "behind the login with a known key": (counting, WHO, far, key),
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    async with app.router.lifespan_context(app):
        app.state.access.limits = counting
        first = await asked(app, WHO, far, key)
        for turn in range(-1, times // TURN):
            for name, (limits, target, client, given) in kinds.items():
                app.state.access.limits = limits
                found = [await asked(app, target, client, given) for _ in range(TURN)]
                taken[name] += found if turn >= 0 else []
    rows = [{"what": "first use of a key", "n": 1, "p50_us": round(first * 1e6), "p99_us": None}]
    for name, seconds in taken.items():
        p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1e6
        rows.append({"what": name, "n": len(seconds), "p50_us": round(p50, 1), "p99_us": round(p99, 1)})
    return rows


def main() -> None:
    """Print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20_000)
    times = parser.parse_args().times
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.open(folder)
        fill(lake)
        _, key = keys.new(lake, name="bench", role="reader", at=datetime.now(UTC))
        catalog = {"zones": product(Path(folder))}
        app = create_app(folder, catalog=catalog, clock=lambda: ORIGIN + 6 * HOUR, poll_seconds=0.0)
        rows = asyncio.run(measured(app, key, times))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    for row in rows:
        print(f"{row['what']:<36} n {row['n']:>6}  p50 {row['p50_us']:>8} µs  p99 {row['p99_us'] or '–':>8} µs")


if __name__ == "__main__":
    main()
