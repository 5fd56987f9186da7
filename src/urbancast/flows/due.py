"""Due: what a product is owed now, decided from data at rest alone; `up` and the orchestrator both ask here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl

from urbancast import products
from urbancast.core.product import Product, Recipe, Source
from urbancast.core.time import DAY, HOUR, as_grain, as_utc, floor, iso, local_day
from urbancast.flows import contact, opening, probe, retraining
from urbancast.lake import provenance, requests, runs, serving
from urbancast.lake.store import Lake
from urbancast.monitoring import freshness

Stage = Literal["request", "begin", "probe", "pull", "forecast", "verify", "retrain", "watch", "maintain"]
STAGES: tuple[Stage, ...] = ("request", "begin", "probe", "pull", "forecast", "verify", "watch", "retrain")
EVERY = "all"  # stands as the product where the whole lake is meant
NIGHT = time(3)  # UTC
WATCHED = PROBED = HOUR
FIRST_REST, LONGEST_REST = timedelta(minutes=5), HOUR
_STOPPED = (
    "KeyboardInterrupt",
    "SystemExit",
    "FencedError",
    "StoppedError",
)  # ended from outside: no fault of the work
# What a stage's flow is called in `runs`, and the step that ends it well (None: any).
_FLOWS: dict[Stage, tuple[str, str | None]] = {
    "probe": (probe.FLOW, probe.STEP),
    "pull": ("pull", "complete"),
    "forecast": ("forecast", "serve"),
    "verify": ("verify", "show"),
    "retrain": ("retrain", "decide"),
    "watch": ("watch", None),
    "maintain": ("maintain", None),
}


@dataclass(frozen=True, kw_only=True)
class Owed:
    """One stage that is owed, why in words, and since when."""

    stage: Stage
    reason: str
    since: datetime


def moment(product: Product, now: datetime) -> datetime:
    """The instant that work begun now is about: the start of the hour, or of a shorter grain."""
    return floor(now, min(as_grain(product.grain), HOUR))


def owed(lake: Lake, product: str, now: datetime) -> list[Owed]:
    """What a product (or with `EVERY` the lake) is owed, in the order to be done; while paused but requests.

    A stage that failed is owed again after a rest, the longer the more often it failed.
    """
    past = _Past(runs.read(lake, product), as_utc(now))
    if product == EVERY:
        return [one for one in _maintain(past) if not past.rests(one.stage)]
    asked = [_request(row) for row in requests.pending(lake, product)]
    if requests.is_paused(lake, product):
        return asked[:1]
    found = [*asked[:1], *_by_itself(_Look(lake, products.get(product), products.recipe(product), past))]
    return [one for one in found if not past.rests(one.stage)]


def sources(lake: Lake, product: str, now: datetime) -> dict[str, Owed]:
    """Sources to be asked now, each with why; a pull for one asks along all that are asked daily or more often."""
    past = _Past(runs.read(lake, product), as_utc(now))
    look = _Look(lake, products.get(product), products.recipe(product), past)
    found = dict(look.sources())
    if not found:
        return {}
    along = next(iter(found.values()))
    known = look.contact.asked
    due = {
        source.name: found.get(source.name, along)
        for source in look.recipe.sources
        if source.name in found or (source.rhythm <= DAY and known.get(source.name) != look.now)
    }
    return due if look.provenance != "extract" else {}


class _Past:
    """What ran, of one product, and whether a stage rests after failures."""

    def __init__(self, rows: pl.DataFrame, now: datetime) -> None:
        self.rows, self.now = rows.with_columns(pl.col("state").cast(pl.String)), now

    def done_at(self, stage: Stage) -> datetime | None:
        """Wall clock at which the stage last ended well."""
        flow, step = _FLOWS[stage]
        rows = self._of(flow, "done")
        newest = (rows if step is None else rows.filter(pl.col("step") == step))["at"].max()
        return newest if isinstance(newest, datetime) else None

    def brought_at(self, flow: str, step: str, count: str) -> datetime | None:
        """Wall clock at which a step of a flow last told of more than none of what it counts."""
        rows = self._of(flow, "done").filter(pl.col("step") == step)
        told = rows["facts"].str.json_path_match(f"$.{count}").cast(pl.Int64, strict=False)
        newest = rows.filter(told > 0)["at"].max()
        return newest if isinstance(newest, datetime) else None

    def changed(self) -> dict[str, datetime]:
        """When each source was last changed, as its portal said when last asked for that."""
        rows = self._of(probe.FLOW, "done").sort("at").tail(1)
        return probe.modified(json.loads(rows["facts"][0])) if rows.height else {}

    def added_at(self) -> datetime | None:
        """Wall clock at which a pull last added observations."""
        return self.brought_at("pull", "observe", "added")

    def rests(self, stage: Stage) -> bool:
        """Whether it failed so lately that it is left alone."""
        if stage not in _FLOWS:
            return False
        rows = self._of(_FLOWS[stage][0], "failed")
        failed = rows.filter(~pl.col("facts").str.json_path_match("$.error").fill_null("").is_in(_STOPPED))["at"]
        done = self.done_at(stage)
        since = failed.filter(failed > done) if done else failed
        newest = since.max()
        if not isinstance(newest, datetime):
            return False
        rest: timedelta = min(FIRST_REST * 2 ** min(len(since) - 1, 10), LONGEST_REST)
        return self.now - newest < rest

    def _of(self, flow: str, state: str) -> pl.DataFrame:
        return self.rows.filter((pl.col("flow") == flow) & (pl.col("state") == state))


class _Look:
    """One look at a product: its promise, its recipe, what the lake holds of it."""

    def __init__(self, lake: Lake, product: Product, recipe: Recipe, past: _Past) -> None:
        self.lake, self.product, self.recipe, self.past = lake, product, recipe, past
        self.now = moment(product, past.now)
        self.provenance = provenance.of(lake, product.id) or "sample"
        self.contact = contact.of(lake, product.id, [source.name for source in recipe.sources])
        self.changed = past.changed()
        self.served: dict[str, Any] | None = serving.current(lake).get(product.id)

    def sources(self) -> Iterator[tuple[str, Owed]]:
        """Sources that are due by their own rhythm, changed by their portal's word, or late by their rule."""
        late: dict[str, freshness.Freshness] | None = None
        for source in self.recipe.sources:
            asked = self.contact.asked.get(source.name)
            if asked is None:
                if self._is_reachable(source):
                    yield source.name, _pull(f"{source.name} was never asked", self.now)
                continue
            if self.now - asked < min(HOUR, source.rhythm):
                continue  # whatever is missing, nobody is asked twice within the hour
            if elapsed(asked, self.now, self.product.tz, step=source.rhythm) >= source.rhythm:
                why = f"{source.name} is asked every {_told(source.rhythm)}, last at {iso(asked)}"
                yield source.name, _pull(why, asked + source.rhythm)
                continue
            changed = self.changed.get(source.name)
            if changed is not None and asked < changed <= self.now:
                why = f"{source.name} changed at its portal at {iso(changed)}, last asked at {iso(asked)}"
                yield source.name, _pull(why, changed)
                continue
            late = self._late() if late is None else late
            if source.name in late and self._is_asked_again(source, asked, late[source.name]):
                missed = late[source.name]
                why = f"{source.name} misses {missed.missed_updates} updates, last asked at {iso(asked)}"
                yield source.name, _pull(why, missed.since or self.now)

    def _late(self) -> dict[str, freshness.Freshness]:
        found = freshness.of_product(self.lake, self.product, self.recipe, provenance=self.provenance, now=self.now)
        return {one.source: one for one in found if one.missed_updates}

    def _is_asked_again(self, source: Source, asked: datetime, missed: freshness.Freshness) -> bool:
        """At once when an update falls due; then ever and again, the rarer the slower the source."""
        first_since = missed.since is not None and asked < missed.since
        return first_since or self.now - asked >= min(max(HOUR, source.rhythm / 24), DAY)

    def _is_reachable(self, source: Source) -> bool:
        """Whether a pull asks it at all: as `pull` has it."""
        if source.role == "places":
            return self.provenance == "live"
        if source.role == "network":
            return bool(source.url if self.provenance == "live" else source.dataset)
        return True


def _by_itself(look: _Look) -> Iterator[Owed]:
    """What is owed without anybody asking."""
    served, past = look.served, look.past
    if served is None or served["origin"] is None:
        yield Owed(stage="begin", reason="nothing was ever forecast", since=past.now)
        return
    if look.provenance != "extract":  # files say nothing more than they did
        yield from [one for _, one in look.sources()][:1] or _probe(look)
    yield from _forecast(look, served)
    added, verified = past.added_at(), past.done_at("verify")
    if added is not None and (verified is None or verified < added):
        yield Owed(stage="verify", reason=f"observations came at {iso(added)}, after the last scoring", since=added)
    yield from _watch(past)
    yield from _retrain(look)


def _probe(look: _Look) -> Iterator[Owed]:
    """Whether portals have anything new is asked where nothing was asked of them for an hour."""
    asked = [at for at in (look.past.done_at("probe"), look.past.done_at("pull")) if at is not None]
    last = max(asked, default=None)
    if probe.told_of(look.recipe) and (last is None or look.past.now - last >= PROBED):
        reason = f"portals are asked every {_told(PROBED)} whether they have anything new"
        yield Owed(stage="probe", reason=reason, since=look.past.now if last is None else last + PROBED)


def _forecast(look: _Look, served: dict[str, Any]) -> Iterator[Owed]:
    """Once every issue step, by the clock on the wall; of whole days also when the day's data came."""
    origin, step, tz = served["origin"], look.recipe.issue_step, look.product.tz
    if elapsed(origin, look.now, tz, step=step) >= step:
        reason = f"one is issued every {_told(step)}, the last from {iso(origin)}"
        yield Owed(stage="forecast", reason=reason, since=origin + step)
        return
    added = look.past.added_at()
    days = (local_day(look.now, tz) - local_day(origin, tz)).days
    if step % DAY == timedelta(0) and days >= step // DAY and added is not None and added > served["moved_at"]:
        reason = f"the day's data came at {iso(added)}, the last forecast is from {iso(origin)}"
        yield Owed(stage="forecast", reason=reason, since=added)


def _retrain(look: _Look) -> Iterator[Owed]:
    """Decided anew once days were scored or measured, and a decision is written down every day."""
    decided = look.past.done_at("retrain")
    if decided is None or look.past.now - decided >= DAY:
        since = look.past.now if decided is None else decided + DAY
        yield Owed(stage="retrain", reason="whether a training is due is looked at daily", since=since)
        return
    measured = look.past.brought_at("watch", "measure", "rows")
    news = [at for at in (look.past.done_at("verify"), measured) if at is not None and at > decided]
    if news:
        need = retraining.decide(opening.look(look.lake, look.product.id, now=look.now))
        if need.is_due:
            yield Owed(stage="retrain", reason=need.reason, since=max(news))


def _watch(past: _Past) -> Iterator[Owed]:
    watched, verified = past.done_at("watch"), past.done_at("verify")
    if watched is None or past.now - watched >= WATCHED:
        since = past.now if watched is None else watched + WATCHED
        yield Owed(stage="watch", reason=f"looked at every {_told(WATCHED)}", since=since)
    elif verified is not None and verified > watched:
        yield Owed(stage="watch", reason="scores came since the last look", since=verified)


def _maintain(past: _Past) -> Iterator[Owed]:
    """Once a night, also where the machine slept through it."""
    night = datetime.combine(past.now.date(), NIGHT, past.now.tzinfo)
    night = night if night <= past.now else night - DAY
    done = past.done_at("maintain")
    if done is None or done < night:
        yield Owed(stage="maintain", reason="nightly upkeep", since=night)


def _request(row: dict[str, Any]) -> Owed:
    return Owed(stage="request", reason=f"{row['by']} asks to {row['verb']}", since=row["at"])


def _pull(reason: str, since: datetime) -> Owed:
    return Owed(stage="pull", reason=reason, since=since)


def elapsed(start: datetime, end: datetime, tz: str, *, step: timedelta) -> timedelta:
    """Time between two instants; for steps of whole days by the clock on the wall, so that no day is 23 or 25 hours."""
    if step % DAY:
        return end - start
    zone = ZoneInfo(tz)
    return end.astimezone(zone).replace(tzinfo=None) - start.astimezone(zone).replace(tzinfo=None)


def _told(step: timedelta) -> str:
    days, hours = step / DAY, step / HOUR
    return f"{days:g} days" if days > 1 else f"{hours:g} hours"
