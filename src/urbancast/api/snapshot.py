"""Everything the API answers from, immutable and in memory; built from the lake, swapped whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import orjson
import polars as pl

from urbancast.api import grid, pairs
from urbancast.api.atlas import Atlas
from urbancast.api.costs import Costs
from urbancast.api.grid import Axis, Grid
from urbancast.api.pairs import Book
from urbancast.api.payload import Payload, digest
from urbancast.api.progress import WAITING, Progress
from urbancast.api.record import Record
from urbancast.api.roads import Roads
from urbancast.core.errors import ContractError
from urbancast.core.product import Measure, Product, Provenance
from urbancast.core.time import UTC_US, as_grain
from urbancast.lake import observations, releases, serving
from urbancast.lake.store import Lake

CACHE_LIMIT = 4096


class Cache(dict[tuple[Any, ...], Payload]):
    """Encoded answers of one snapshot, emptied when full."""

    def keep(self, key: tuple[Any, ...], payload: Payload) -> Payload:
        """Remember and return a payload."""
        if len(self) >= CACHE_LIMIT:
            self.clear()
        self[key] = payload
        return payload


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """Served forecasts of one product. ``tag`` names it: the same lake state has the same tag.

    ``places``: what the rows of its grids are for; of a product of pairs ``book`` says more of them.
    ``is_open``: by column of the axis, whether anything is promised then; None: always.
    """

    tag: str
    origin: datetime
    issued_at: datetime
    data_to: datetime | None
    axis: Axis
    grids: Mapping[str, Grid]
    places: tuple[str, ...]
    book: Book | None = None
    is_open: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    fleet: grid.Floats | None = None
    cache: Cache = field(default_factory=Cache)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One product as the API sees it now; each part is replaced on its own, never changed."""

    product: Product
    provenance: Provenance | None = None
    snapshot: Snapshot | None = None
    atlas: Atlas | None = None
    records: Mapping[str, Record] = field(default_factory=dict)
    verdicts: tuple[Mapping[str, Any], ...] = ()
    ledger: Mapping[str, Any] | None = None
    progress: Progress = WAITING
    costs: Costs | None = None
    roads: Roads | None = None

    @property
    def tag(self) -> str | None:
        """Name of the snapshot; None before the first."""
        return None if self.snapshot is None else self.snapshot.tag

    @property
    def is_simulated(self) -> bool:
        """Whether the numbers come from a simulated source."""
        return self.provenance == "sample"

    @property
    def is_historical(self) -> bool:
        """Whether the source has ended, so that only the past can be asked for; a simulated one runs on."""
        return self.product.historical and not self.is_simulated

    def moment(self, wall: datetime) -> datetime:
        """Return "now" for this product: the wall clock, or the origin where the source has ended."""
        if self.snapshot is None:
            return wall
        if self.provenance != "extract" and not self.is_historical:
            return wall
        return max(self.snapshot.origin, self.snapshot.axis.time(self.snapshot.axis.first))


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """All products at one look at the lake. ``trouble``: why the newest look failed, None when it did not."""

    views: Mapping[str, View]
    alerts: tuple[Mapping[str, Any], ...] = ()
    looked_at: datetime | None = None
    trouble: str | None = None

    @property
    def records(self) -> dict[str, Mapping[str, Record]]:
        """Records by product and measure."""
        return {name: view.records for name, view in self.views.items()}


def build(lake: Lake, product: Product, row: Mapping[str, Any], atlas: Atlas, now: datetime) -> Snapshot:
    """Snapshot of a serving row; ``now`` bounds what observations are known."""
    origin: datetime = row["origin"]
    served: Mapping[str, str] = row["releases"]
    known = releases.read(lake, product.id)
    forecasts = _forecasts(lake, product, origin, known)
    current = forecasts.filter(pl.col("origin") == origin, pl.col("release").is_in(list(served.values())))
    if current.is_empty():
        found = f"none of {', '.join(served.values()) or 'no release'}"
        raise ContractError(
            f"{product.id}: expected forecasts from {origin:%Y-%m-%dT%H:%MZ}, found {found}; move `serving` last"
        )
    first = current["time"].min()
    grain = as_grain(product.grain)
    axis = grid.make_axis(forecasts["time"], origin, first, grain, tz=product.tz)  # type: ignore[arg-type]
    start = min(axis.time(0), origin - grid.USUAL_WINDOW - as_grain(product.grain))
    seen = observations.known_at(lake, product.id, now, since=start)
    book = None if product.pairs is None else pairs.make(lake, product, current["place"], atlas)
    parts = _Parts(product, axis, forecasts, seen, known, atlas.ids if book is None else book.ids)
    grids = {
        measure.id: _grid(parts, measure, served.get(measure.derived_from or measure.id, ""))
        for measure in product.measures
    }
    issued = current["issued_at"].max()
    tag = digest(product.id, row["moved_at"], origin, served, row["versions"])
    data_to = row["data_to"]
    return Snapshot(
        tag=tag,
        origin=origin,
        issued_at=issued,  # type: ignore[arg-type]
        data_to=data_to,
        axis=axis,
        grids=grids,
        places=parts.places,
        book=book,
        is_open=_is_open(product, axis),
        fleet=_fleet(product, current, served),
    )


def _fleet(product: Product, current: pl.DataFrame, served: Mapping[str, str]) -> grid.Floats | None:
    """What all places together need over the days of a stock plan, by LEVELS; None where none is drawn."""
    if product.stock is None:
        return None
    need = next(measure for measure in product.measures if measure.id == product.stock.need)
    is_city = (pl.col("place") == "") & (pl.col("measure") == need.id)
    rows = current.filter(is_city, pl.col("release") == served.get(need.derived_from or need.id, ""))
    return rows.sort("time").select(grid.LEVELS).to_numpy()[0] if rows.height else None


def _is_open(product: Product, axis: Axis) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    if product.is_open is None:
        return None
    return product.is_open(pl.Series("time", axis.times).cast(pl.Datetime("us", "UTC"))).to_numpy()


@dataclass(frozen=True)
class _Parts:
    product: Product
    axis: Axis
    forecasts: pl.DataFrame
    seen: pl.DataFrame
    releases: pl.DataFrame
    places: tuple[str, ...]


def _forecasts(lake: Lake, product: Product, origin: datetime, known: pl.DataFrame) -> pl.DataFrame:
    """Rows of the served origin, and of each earlier origin of the past 14 days those up to the next one.

    Simple rules other than the baseline forecast in the shadow and are never shown: they stay in the lake. So does a
    champion before the one on probation, and, from the first served origin on, what a replay forecast: only rows of
    the release that served an origin are ``is_shown``; of origins before, those of any.
    """
    shadow = known.filter(pl.col("number") < 0)["release"].to_list()
    since = origin - grid.PAST - product.horizon
    columns = ("place", "measure", "origin", "time", "release", "issued_at")
    rows = lake.scan("forecasts", product=product.id, since=since, until=origin + timedelta(microseconds=1))
    rows = rows.filter(pl.col("time") >= origin - grid.PAST, ~pl.col("release").is_in(shadow))
    served = _served_by(lake, product)
    rows = rows.join(served.lazy(), on=["measure", "origin"], how="left")
    first = served["origin"].min() or origin
    rows = rows.filter(pl.col("served_by").is_not_null() | (pl.col("origin") < first))
    origins = rows.select("measure", "origin").unique().collect(engine="streaming").sort("measure", "origin")
    following = origins.with_columns(next=pl.col("origin").shift(-1).over("measure")).lazy()
    is_shown = (pl.col("release") == pl.col("served_by")).fill_null(value=True)
    wanted = rows.select(*columns, pl.col(grid.LEVELS).cast(pl.Float32), is_shown=is_shown)
    needed = wanted.join(following, on=["measure", "origin"])
    is_newest = pl.col("next").is_null() | (pl.col("time") < pl.col("next"))
    return needed.filter(is_newest).drop("next").collect(engine="streaming")


def _served_by(lake: Lake, product: Product) -> pl.DataFrame:
    """Measure, origin and the release that served it last."""
    moves = serving.history(lake, product.id).drop_nulls("origin").unique("origin", keep="last", maintain_order=True)
    rows = [
        {"measure": measure.id, "origin": origin, "served_by": names.get(measure.derived_from or measure.id)}
        for origin, names in ((row["origin"], decode(row["releases"])) for row in moves.iter_rows(named=True))
        for measure in product.measures
    ]
    found = pl.DataFrame(rows, schema={"measure": pl.String, "origin": UTC_US, "served_by": pl.String})
    return found.drop_nulls("served_by")


def _grid(parts: _Parts, measure: Measure, release: str) -> Grid:
    own = parts.forecasts.filter(pl.col("measure") == measure.id)
    numbers = dict(zip(parts.releases["release"], parts.releases["number"], strict=True))
    names = dict(zip(parts.releases["release"], parts.releases["candidate"], strict=True))
    baselines = [name for name, number in numbers.items() if number == 0]
    is_baseline = release in baselines
    chosen = grid.newest(own.filter("is_shown"), ranks(parts.releases, release))
    values = grid.spread(chosen, parts.places, parts.axis, grid.LEVELS)
    usual = _usual(parts, measure, own.filter(pl.col("release").is_in(baselines)), is_baseline=is_baseline)
    per_time = chosen.group_by("time").agg(pl.col("origin", "release").last())
    origins, made_by = _issues(per_time, parts.axis)
    current = chosen.filter(pl.col("release") == release)
    return Grid(
        measure=measure,
        release=release,
        candidate=names.get(release, "unknown"),
        is_baseline=is_baseline,
        issued_at=current["issued_at"].max(),  # type: ignore[arg-type]
        axis=parts.axis,
        values=values,
        observed=grid.observed(parts.seen, measure, parts.places, parts.axis),
        usual=usual,
        origins=origins,
        releases=made_by,
        breaks=grid.breaks(values[:, parts.axis.first :, 0], is_signed=measure.signed),
    )


def _usual(parts: _Parts, measure: Measure, baseline: pl.DataFrame, *, is_baseline: bool) -> grid.Floats:
    if is_baseline or baseline.is_empty():
        return grid.usual_from_weeks(parts.seen, measure, parts.places, parts.axis, parts.product.tz)
    return grid.spread(grid.newest(baseline, {}), parts.places, parts.axis, ["mean"])[:, :, 0]


def _issues(per_time: pl.DataFrame, axis: Axis) -> tuple[grid.Integers, tuple[str, ...]]:
    times = pl.DataFrame({"time": pl.Series(axis.times).cast(pl.Datetime("us", "UTC"))})
    rows = times.join(per_time, on="time", how="left").sort("time")
    origins = rows["origin"].dt.epoch("us").fill_null(-1).to_numpy()
    return origins, tuple(rows["release"].fill_null(""))


def ranks(releases: pl.DataFrame, served: str) -> dict[str, int]:
    """Rank of each release where several forecast one hour: the served one, its candidate's, the newest, the baseline.

    A candidate's folds are scored as ``backtest:<candidate>``; they rank with its newest release.
    """
    named = releases.filter(pl.col("release") == served)["candidate"]
    is_akin = pl.col("candidate").is_in(named.to_list())
    ordered = releases.sort(pl.col("release") == served, is_akin, "number", "created_at")
    rank = {name: position for position, name in enumerate(ordered["release"])}
    folds = {f"backtest:{name}": position for position, name in enumerate(ordered["candidate"])}
    return {served: len(rank), **rank, **folds}


def decode(text: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Mapping of a JSON column, decoded or not yet."""
    if isinstance(text, Mapping):
        return text
    found = orjson.loads(text or "{}")
    return found if isinstance(found, dict) else {}
