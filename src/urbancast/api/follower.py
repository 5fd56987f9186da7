"""Follows the lake: looks at it every so often and swaps in what changed, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import structlog

from urbancast.api import atlas, costs, ledger, progress, record, roads, snapshot
from urbancast.api.atlas import Atlas
from urbancast.api.roads import Roads
from urbancast.api.snapshot import Cache, View, World
from urbancast.core.errors import NotReadyError, UrbancastError
from urbancast.core.product import Measure, Product
from urbancast.geo.streets import Streets
from urbancast.lake import alerts, network, places, releases, runs, serving, verdicts
from urbancast.lake.store import Lake

RECORD_EVERY = timedelta(seconds=5)
SHORT = 20

log = structlog.get_logger("urbancast.api")


class Follower:
    """Keeps ``world`` in step with the lake. Readers take ``world`` once per request and see one state of it."""

    def __init__(
        self,
        lake_url: str,
        products: Mapping[str, Product],
        *,
        clock: Callable[[], datetime],
        swapped: Callable[[str], None],
        failed: Callable[[], None],
        looked: Callable[[Lake, World], None] = lambda _lake, _world: None,
    ) -> None:
        """Remember where to look; ``swapped`` is told each product whose snapshot changed, ``failed`` each bad look."""
        self.lake_url, self.products, self.clock = lake_url, products, clock
        self.swapped, self.failed, self.looked = swapped, failed, looked
        self.world = World(views={name: View(product=product) for name, product in products.items()})
        self._lake: Lake | None = None
        self._versions: dict[str, int] = {}
        self._keys: dict[tuple[str, str], Any] = {}
        self._recorded: dict[str, datetime] = {}
        self._owed: set[str] = set()  # products whose record changed too soon after the last
        self._recent, self._read_runs = pl.DataFrame(), -1

    async def follow(self, poll_seconds: float) -> None:
        """Look for ever; a look that fails leaves the old world, with its trouble named."""
        while True:
            await asyncio.sleep(poll_seconds)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Look once. The outermost line of the follower: whatever the lake does, the old answers stay."""
        try:
            self._look()
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            self.world = replace(self.world, trouble=_named(error))

    def _fail(self, error: Exception, product: str = "") -> None:
        self.failed()
        self._versions = {}
        log.warning("lake not read, old answers stay", product=product, error=type(error).__name__)

    def _look(self) -> None:
        now = self.clock()
        self._lake = self._lake or Lake.open(self.lake_url)
        versions = {table: self._lake.version(table) for table in ("serving", "runs", "alerts", "places", "scores")}
        if versions != self._versions or self._owed or self.world.trouble is not None:
            self._versions = versions
            before, self.world = self.world, self._next(self._lake, versions, now)
            for name, view in self.world.views.items():
                if view.snapshot is not None and view.snapshot.tag != before.views[name].tag:
                    self.swapped(name)
        else:
            self.world = replace(self.world, looked_at=now)
        self.looked(self._lake, self.world)

    def _next(self, lake: Lake, versions: Mapping[str, int], now: datetime) -> World:
        """World of this look; a product that cannot be read keeps its old view and does not hold up the others."""
        rows = serving.current(lake)
        if self._recent.is_empty() or versions["runs"] != self._read_runs:
            self._recent, self._read_runs = runs.read(lake, since=now - progress.RECENT), versions["runs"]
        views, troubles = dict(self.world.views), []
        for name, product in self.products.items():
            try:
                views[name] = self._view(product, rows.get(name), versions, now)
                if self.world.looked_at is None:  # the first look: each product answers as soon as it is read
                    self.world = replace(self.world, views=dict(views))
            except Exception as error:  # noqa: BLE001
                self._keys = {key: value for key, value in self._keys.items() if key[0] != name}
                self._fail(error, name)
                troubles.append(f"{name}: {_named(error)}")
        trouble = "; ".join(troubles) or None
        return World(
            views=views, alerts=tuple(alerts.current(lake).tail(SHORT).to_dicts()), looked_at=now, trouble=trouble
        )

    def _view(
        self, product: Product, row: Mapping[str, Any] | None, versions: Mapping[str, int], now: datetime
    ) -> View:
        old = self.world.views[product.id]
        recent = self._recent.filter(pl.col("product") == product.id)
        doing = progress.read(recent, is_serving=bool(row and row["origin"]), now=now)
        if row is None:
            return replace(old, progress=doing)
        view = replace(old, progress=doing, provenance=row["provenance"])
        view = self._with_atlas(view, versions)
        view = self._with_snapshot(view, row, now)
        view = self._with_roads(view, row)
        return self._with_record(view, row, versions, now)

    def _with_atlas(self, view: View, versions: Mapping[str, int]) -> View:
        if not self._has_changed(view, "places", versions["places"]) or view.provenance is None:
            return view
        rows = places.get(self._open(), view.product.id)
        if rows.is_empty():
            return view
        return replace(view, atlas=atlas.make(view.product, rows, view.provenance))

    def _with_snapshot(self, view: View, row: Mapping[str, Any], now: datetime) -> View:
        if row["origin"] is None or view.atlas is None:
            return view
        key = (*(str(row[name]) for name in ("moved_at", "origin", "releases", "versions")), view.atlas.geojson.etag)
        if not self._has_changed(view, "serving", key):
            return view
        built = snapshot.build(self._open(), view.product, row, view.atlas, now)
        is_same = view.snapshot is not None and view.snapshot.places == built.places
        return replace(view, snapshot=built, records=view.records if is_same else {})  # a record's rows are its places

    def _with_roads(self, view: View, row: Mapping[str, Any]) -> View:
        name = row["versions"].get("network")
        if not name or view.atlas is None:
            return replace(view, roads=None)
        if not self._has_changed(view, "network", (name, str(row["releases"]), view.atlas.geojson.etag)):
            return view
        try:
            return replace(view, roads=self._roads(view, view.atlas, row, name))
        except UrbancastError as error:  # forecasts go on without; the file is looked for again
            self._fail(error, view.product.id)
            self._keys.pop((view.product.id, "network"))
            return view

    def _roads(self, view: View, places: Atlas, row: Mapping[str, Any], name: str) -> Roads:
        """Roads as served; their file is read only where it is another."""
        lake, known = self._open(), releases.read(self._open(), view.product.id)
        facts = {release: snapshot.decode(text) for release, text in known.select("release", "facts").iter_rows()}
        spread = {m: float(facts.get(r, {}).get("dispersion", 0.0)) for m, r in row["releases"].items()}
        old = view.roads.streets if view.roads is not None and view.roads.name == name else None
        streets = old or Streets.load(network.load(lake, view.product.id, name))
        return roads.make(view.product, places, streets, name=name, dispersion=spread)

    def _with_record(self, view: View, row: Mapping[str, Any], versions: Mapping[str, int], now: datetime) -> View:
        if view.atlas is None or view.snapshot is None:
            return view
        key = (versions["scores"], view.snapshot.tag)
        if self._keys.get((view.product.id, "scores")) == key:
            return view
        last = self._recorded.get(view.product.id)
        if last is not None and now - last < RECORD_EVERY:
            self._owed.add(view.product.id)
            return view
        self._owed.discard(view.product.id)
        self._keys[(view.product.id, "scores")] = key
        self._recorded[view.product.id] = now
        lake = self._open()
        known = releases.read(lake, view.product.id)
        records = {
            measure.id: record.build(
                _scores(lake, view.product, measure),
                snapshot.ranks(known, row["releases"].get(measure.derived_from or measure.id, "")),
                view.snapshot.places,
                score=_score(known, measure.derived_from or measure.id, is_sparse=measure.sparse),
                baseline=_baseline(known, measure.derived_from or measure.id),
                beside=_beside(lake, view.product, measure),
            )
            for measure in view.product.measures
        }
        every = verdicts.read(lake, view.product.id).filter(pl.col("kind").cast(pl.String) == "live")
        decided = every.sort("decided_at", descending=True).head(SHORT)  # a replay's moved nothing
        fresh = replace(view.snapshot, cache=Cache())
        held = _costs(lake, view.product)
        told = tuple(decided.to_dicts())
        chain = ledger.standing(lake, view.product.id)
        return replace(view, snapshot=fresh, records=records, verdicts=told, costs=held, ledger=chain)

    def _has_changed(self, view: View, part: str, key: Any) -> bool:
        before = self._keys.get((view.product.id, part))
        self._keys[(view.product.id, part)] = key
        return bool(before != key)

    def _open(self) -> Lake:
        if self._lake is None:
            raise NotReadyError("the lake is not open yet; try again in a moment")
        return self._lake


def _scores(lake: Lake, product: Product, measure: Measure) -> pl.LazyFrame:
    """Score rows of a measure; of a derived one without the city's, which are of another size."""
    rows = lake.scan("scores", product=product.id).filter(pl.col("measure") == measure.id)
    return rows if measure.derived_from is None else rows.filter(pl.col("place") != "")


def _beside(lake: Lake, product: Product, measure: Measure) -> record.Beside:
    """Calibration and misses of a measure."""
    own = pl.col("measure") == measure.id
    calibration, misses = (lake.scan(table, product=product.id).filter(own) for table in ("calibration", "misses"))
    return record.Beside(calibration=calibration, misses=misses)


def _costs(lake: Lake, product: Product) -> costs.Costs | None:
    if product.stock is None:
        return None
    rows = lake.scan("scores", product=product.id).filter(pl.col("measure") == product.stock.need)
    return costs.read(rows, block=product.stock.days)


def _named(error: Exception) -> str:
    """Kind of an error, with its message where the message is ours: others name paths of the machine."""
    return str(error)[:300] if isinstance(error, UrbancastError) else type(error).__name__


def _baseline(known: pl.DataFrame, measure: str) -> str:
    own = known.filter(pl.col("measure") == measure, pl.col("number") == 0).sort("created_at")
    return str(own["candidate"][-1]) if not own.is_empty() else "baseline"


def _score(known: pl.DataFrame, measure: str, *, is_sparse: bool) -> str:
    """Return the product's primary score as its releases' facts name it; else the custom of its kind of measure."""
    own = known.filter(pl.col("measure") == measure).sort("created_at", descending=True)
    named = (snapshot.decode(text).get("primary") for text in own["facts"])
    return next(
        (str(name) for name in named if name in record.SCORE_COLUMNS), "poisson_deviance" if is_sparse else "mae"
    )
