"""Tickets to hourly paid spaces: ours beside duckdb and pandas on the same simulated file, results compared.

    python benchmarks/speed/tickets_to_hours.py [--tickets 10000000] [--file PATH.csv]

Each side runs in a process of its own, so that its peak memory is its own; processor seconds stand beside those of
the clock, for a machine that others use stretches only the clock's. duckdb is an extra (`peers`); absent,
it is left out by name. Ours also sorts out dirt and repeats row by row and keeps what it refuses; the others count
what they can.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

OUT = Path(__file__).resolve().parents[1] / "out" / f"{Path(__file__).stem}.json"
FETCHED = datetime(2025, 12, 31, tzinfo=UTC)
FIRST = datetime(2025, 4, 1)  # noqa: DTZ001 - local, as tickets are
DAYS = 91
WRITTEN = "%Y-%m-%d %H:%M:%S"
PART = 1_000_000


def main() -> None:
    """Print seconds of clock and processor, peak memory and ratios; write the rows of the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tickets", type=int, default=10_000_000)
    parser.add_argument("--file", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = asked.file or Path(folder) / "tickets-2025-Q2.csv"
        if not path.exists():
            made = write(path, asked.tickets)
            print(f"file       {made:,} tickets, {path.stat().st_size / 1e9:.2f} GB, about one in a thousand soiled")
        regulated = Path(folder) / "regulated.csv"
        calendar().write_csv(regulated)
        sides = {"ours": ours, "duckdb": by_duckdb, "pandas": by_pandas}
        absent = [name for name in ("duckdb", "pandas") if find_spec(name) is None]
        done = {name: apart(side, path, regulated) for name, side in sides.items() if name not in absent}
    for name, (_, cost) in done.items():
        print(f"{name:<10} {cost.seconds:6.1f} s  {cost.cpu_s:6.1f} s of processor  {cost.peak_gb:5.2f} GB peak  "
              f"{cost.seconds / done['ours'][1].seconds:4.1f} times ours")  # fmt: skip
    for name in absent:
        print(f"{name:<10} not installed; install the group `peers`")
    check({name: found for name, (found, _) in done.items()})
    rows = [
        {"work": f"{asked.tickets:,} tickets to hourly paid spaces", "side": name, "seconds": round(cost.seconds, 1),
         "cpu_s": round(cost.cpu_s, 1), "peak_gb": round(cost.peak_gb, 2),
         "times_ours": round(cost.seconds / done["ours"][1].seconds, 1)}
        for name, (_, cost) in done.items()
    ]  # fmt: skip
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows), "utf-8")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, seconds of processor (user and system, all threads) and peak gigabytes of one side."""

    seconds: float
    cpu_s: float
    peak_gb: float


def apart(side: Callable[[Path, Path], pl.DataFrame], path: Path, regulated: Path) -> tuple[pl.DataFrame, Cost]:
    """Result and cost of one side, in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        rows, cost = process.submit(_measured, side, path, regulated).result()
    return pl.DataFrame(rows), cost


def _measured(side: Callable[[Path, Path], pl.DataFrame], path: Path, regulated: Path) -> tuple[dict[str, Any], Cost]:
    began, began_cpu = time.perf_counter(), time.process_time()
    found = side(path, regulated)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return found.to_dict(as_series=False), Cost(seconds, cpu_s, peak)


def ours(path: Path, _regulated: Path) -> pl.DataFrame:
    """Pages of the file through layout and observe, as a pull does."""
    from urbancast.core.product import ObserveContext
    from urbancast.geo import places
    from urbancast.portals import layouts, media, pages
    from urbancast.portals.fetched import Fetched
    from urbancast.products.madrid_parking.observe import observe
    from urbancast.products.madrid_parking.product import PRODUCT
    from urbancast.products.madrid_parking.recipe import TICKETS

    lines: list[int] = []

    def each() -> Iterator[pl.DataFrame]:
        for page in pages.of_file(path):
            lines.append(page.lines)
            fetched = Fetched(url=path.as_uri(), query=page.query, payload=page.payload, media=media.CSV, window=None,
                              fetched_at=FETCHED, rows_claimed=None, rows_received=page.lines)  # fmt: skip
            yield layouts.parse(TICKETS, fetched)

    context = ObserveContext(
        tz=PRODUCT.tz,
        grain=timedelta(hours=1),
        places=places.schematic(PRODUCT),
        is_schematic=True,
        provenance="sample",
    )
    seen = observe({"tickets": each()}, context)
    _conserve(seen, sum(lines))
    local = pl.col("time").dt.convert_time_zone(PRODUCT.tz).dt.strftime("%Y-%m-%d %H")
    rows = seen.observations.filter((pl.col("measure") != "paid") & (pl.col("value") > 0))
    return rows.select("place", colour="measure", hour=local, seconds=(pl.col("value") * 3600).round(0).cast(pl.Int64))


def _conserve(seen: Any, lines: int) -> None:
    """Print the fates of all lines; exit with 1 unless each has exactly one, and paid time is ticket time."""
    used, repeated, refused = seen.used["tickets"], seen.repeated["tickets"], seen.quarantine.height
    ticket_s, paid_s = (round(seen.notes[name] * 3600) for name in ("regulated_ticket_hours", "paid_hours"))
    print(f"ours       {lines:,} lines = {used:,} used + {repeated:,} repeated + {refused:,} refused; "
          f"regulated {ticket_s:,} s = paid {paid_s:,} s")  # fmt: skip
    if used + repeated + refused != lines or ticket_s != paid_s:
        raise SystemExit(1)


def by_duckdb(path: Path, regulated: Path) -> pl.DataFrame:
    """The same in SQL: distinct good tickets, their regulated days, their hours, summed overlap."""
    import duckdb

    with duckdb.connect() as base:
        base.execute("SET threads TO 2; SET memory_limit = '8GB'")
        found = base.execute(
            f"""
            WITH regulated AS (SELECT * FROM read_csv('{regulated}')),
            said AS (SELECT DISTINCT * FROM read_csv('{path}', delim=';', header=true, all_varchar=true)),
            good AS (
                SELECT cod_barrio AS place, CASE WHEN tipo_zona = 'VERDE' THEN 'green' ELSE 'blue' END AS colour,
                       try_cast(fecha_inicio AS TIMESTAMP) AS s, try_cast(fecha_fin AS TIMESTAMP) AS e
                FROM said WHERE cod_barrio <> ''
            ),
            parts AS (
                SELECT place, colour, greatest(s, r.opens) AS s, least(e, r.closes) AS e
                FROM good, regulated r
                WHERE s >= TIMESTAMP '2020-01-01' AND e > s AND date_diff('day', s, e) <= 1
                  AND r.day IN (CAST(s AS DATE), CAST(e AS DATE)) AND s < r.closes AND e > r.opens
            ),
            hours AS (
                SELECT place, colour, s, e, unnest(generate_series(date_trunc('hour', s), e, INTERVAL 1 HOUR)) AS h
                FROM parts
            )
            SELECT place, colour, strftime(h, '%Y-%m-%d %H') AS hour,
                   CAST(sum(epoch(least(e, h + INTERVAL 1 HOUR)) - epoch(greatest(s, h))) AS BIGINT) AS seconds
            FROM hours WHERE least(e, h + INTERVAL 1 HOUR) > greatest(s, h) GROUP BY ALL
            """
        ).fetchall()
    return pl.DataFrame(found, schema=["place", "colour", "hour", "seconds"], orient="row")


def by_pandas(path: Path, regulated: Path) -> pl.DataFrame:
    """The same in pandas, a million lines at a time; repeats are looked for in each part alone."""
    import pandas as pd

    days = pd.read_csv(regulated, parse_dates=["day", "opens", "closes"]).set_index("day")
    sums: list[Any] = []
    for part in pd.read_csv(path, sep=";", dtype=str, chunksize=PART):
        rows = part.drop_duplicates()
        rows = rows[rows.cod_barrio.notna()]
        s = pd.to_datetime(rows.fecha_inicio, format=WRITTEN, errors="coerce")
        e = pd.to_datetime(rows.fecha_fin, format=WRITTEN, errors="coerce")
        is_good = (s >= "2020-01-01") & (e > s) & ((e.dt.normalize() - s.dt.normalize()).dt.days <= 1)
        colour = rows.tipo_zona.map({"VERDE": "green"}).fillna("blue")
        good = pd.DataFrame({"place": rows.cod_barrio, "colour": colour, "s": s, "e": e})[is_good]
        for end in ("s", "e"):
            one = good if end == "s" else good[good.s.dt.normalize() != good.e.dt.normalize()]
            day = one[end].dt.normalize()
            opens, closes = (day.map(days[name]) for name in ("opens", "closes"))
            begin, stop = one.s.where(one.s > opens, opens), one.e.where(one.e < closes, closes)
            one = one.assign(s=begin, e=stop)[stop > begin]
            hour = one.s.dt.floor("h")
            for step in range(13):
                at = hour + pd.Timedelta(hours=step)
                after = at + pd.Timedelta(hours=1)
                overlap = (one.e.where(one.e < after, after) - one.s.where(one.s > at, at)).dt.total_seconds()
                hit = overlap > 0
                if not hit.any():
                    break
                told = pd.DataFrame({"place": one.place, "colour": one.colour, "hour": at, "seconds": overlap})[hit]
                sums.append(told.groupby(["place", "colour", "hour"], as_index=False).seconds.sum())
    every = pd.concat(sums).groupby(["place", "colour", "hour"], as_index=False).seconds.sum()
    every["hour"] = every.hour.dt.strftime("%Y-%m-%d %H")
    return pl.DataFrame({name: every[name].tolist() for name in every.columns}).cast({"seconds": pl.Int64})


def check(found: dict[str, pl.DataFrame]) -> None:
    """Exit with 1 unless all sides say the same of every place, colour and hour."""
    key = ["place", "colour", "hour"]
    first = found["ours"].sort(key)
    for name, other in found.items():
        same = other.filter(pl.col("seconds") > 0).select(first.columns).sort(key).equals(first)
        print(f"{name:<10} {'same values' if same else 'VALUES DIFFER'} in {other.height:,} place-hours")
        if not same:
            raise SystemExit(1)


def calendar() -> pl.DataFrame:
    """Regulated days: day, opens, closes (local)."""
    from urbancast.products.madrid_parking.regulated import hours_of

    first = (FIRST - datetime(1970, 1, 1)).days  # noqa: DTZ001
    days = np.arange(first, first + DAYS + 2)
    opens, closes = hours_of(days)
    day = pl.from_epoch(pl.Series(days), time_unit="d")
    table = pl.DataFrame({"day": day, "opens": opens, "closes": closes}).filter(pl.col("closes") > 0)
    at = pl.col("day").cast(pl.Datetime("us"))
    return table.with_columns(
        (at + pl.duration(seconds=name)).dt.strftime(WRITTEN).alias(name) for name in ("opens", "closes")
    )


def write(path: Path, tickets: int) -> int:
    """Write a native file of so many tickets, in order of time, some twice or soiled; return its rows."""
    from urbancast.geo import places
    from urbancast.products.madrid_parking.product import PRODUCT

    known = places.read(PRODUCT.folder / "places.csv")
    rng, rows = np.random.default_rng(11), 0
    begins = FIRST.replace(tzinfo=UTC).timestamp()
    with path.open("wb") as file:
        for start in range(0, tickets, PART):
            n = min(PART, tickets - start)
            span = DAYS * 86_400 / tickets
            s = np.sort((begins + (start + rng.random(n) * n) * span).astype(np.int64))
            s = s - s % 86_400 + 32_400 + s % 86_400 // 2  # 09:00 to 21:00
            kind = rng.random(n)
            minutes = np.where(kind < 0.0005, -10, rng.integers(3, 49, n) * 5)
            minutes = np.where(kind > 0.9995, 10_000, minutes)
            part = _frame(known[rng.integers(0, known.height, n)], s, s + 60 * minutes, rng)
            part = part[np.sort(np.concatenate([np.arange(n), rng.integers(0, n, n // 2000)]))]
            rows += part.height
            part.write_csv(file, separator=";", include_header=start == 0)
    return rows


def _frame(places: pl.DataFrame, s: Any, e: Any, rng: Any) -> pl.DataFrame:
    at = [pl.from_epoch(pl.Series(each), time_unit="s").dt.strftime(WRITTEN) for each in (s, e)]
    zone = pl.Series(["VERDE", "AZUL"])[(rng.random(len(s)) < 0.2).astype(int)]
    meter = pl.Series(rng.integers(301_110_000, 301_119_999, len(s))).cast(pl.String).str.zfill(10)
    minutes = pl.Series((e - s) // 60)
    return places.select(
        matricula_parquimetro=pl.lit(meter),
        fecha_operacion=pl.lit(at[0]),
        fecha_inicio=pl.lit(at[0]),
        fecha_fin=pl.lit(at[1]),
        cod_distrito=pl.col("place").str.slice(0, 2),
        distrito=pl.col("part_of").str.to_uppercase(),
        cod_barrio="place",
        barrio=pl.col("name").str.to_uppercase(),
        tipo_zona=pl.lit(zone),
        distintivo=pl.lit("C"),
        minutos_tique=pl.lit(minutes.cast(pl.String)),
        importe_tique=pl.lit((minutes * 0.02).round(2).cast(pl.String).str.replace(".", ",", literal=True)),
    )


if __name__ == "__main__":
    main()
