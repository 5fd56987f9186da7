"""Retraining: why a training is due or not, in one sentence with numbers; a due one is made and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from urbancast.core.product import Retraining
from urbancast.core.time import DAY, iso
from urbancast.evaluation.compare import COLUMN, ENOUGH_DAYS
from urbancast.flows import challenge, forecast, paired, train
from urbancast.flows.job import Job, step
from urbancast.lake import drift, raw
from urbancast.registry import record, release as registry
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

FLOW = "retrain"


@dataclass(frozen=True, kw_only=True)
class Need:
    """Whether a training is due, why in one sentence, and the numbers that it rests on."""

    is_due: bool
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the rules look at. ``new_days``: days first known since ``last``, the newest training that got a verdict.

    ``unfinished``: measures whose winner does not serve yet. ``recipe``: as trained, and as it is now. ``layouts``:
    sources that came in another shape since. ``skill``: by measure served by a training, with the days it rests on.
    ``drift``: the share of inputs that drifted on each of the newest days watched since, newest first.
    """

    now: datetime
    history_days: int
    new_days: int = 0
    last: datetime | None = None
    rolled_back: datetime | None = None
    unfinished: tuple[str, ...] = ()
    recipe: tuple[str | None, str] = (None, "")
    layouts: tuple[str, ...] = ()
    skill: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    drift: tuple[float, ...] = ()


def decide(job: Job) -> Need:
    """Whether a training is due now by the recipe's rules."""
    return judge(job.recipe.retraining, look(job))


def run(job: Job) -> dict[str, Decision]:
    """Decide, record why, and where it is due train, judge and promote what wins; decisions by measure."""
    with step(job, job.run_id(FLOW), FLOW, "decide") as facts:
        need = decide(job)
        facts.update({**need.facts, "is_due": need.is_due, "reason": need.reason, "message": need.reason})
    if not need.is_due:
        return {}
    train.baselines(job)
    return challenge.run(job)


def judge(rules: Retraining, seen: Seen) -> Need:
    """Need by the first rule that speaks: history, unfinished work, changed shapes, rest, cadence, skill, drift."""
    facts = _facts(rules, seen)
    for rule in _RULES:
        found = rule(rules, seen)
        if found is not None:
            is_due, reason = found
            return Need(is_due=is_due, reason=reason, facts=facts)
    return Need(is_due=False, reason=_nothing(rules, seen), facts=facts)


def look(job: Job) -> Seen:
    """What the rules look at, as known now."""
    known = record.decisions(job.lake, job.product.id, until=job.now)
    last = last_training(known, [measure.id for measure in job.product.modelled])
    served = forecast.serving_releases(job)
    since = max(last or job.now, job.now - job.recipe.retraining.window)
    return Seen(
        now=job.now,
        history_days=_history(job),
        new_days=_history(job, since=last),
        last=last,
        rolled_back=newest(known, "rolled_back"),
        unfinished=tuple(m for m, release in served.items() if not _serves(known, release)),
        recipe=(trained_recipe(job, known), train.recipe_hash(job)),
        layouts=_new_layouts(job, last),
        skill=_skill(job, served),
        drift=_drifted(job, since),
    )


def last_training(known: Sequence[Decision], measures: Sequence[str]) -> datetime | None:
    """When the last training got its verdicts: the oldest of the newest by measure; None where one has none."""
    times = []
    for measure in measures:
        judged = [d.decided_at for d in known if d.measure == measure and d.action != "rolled_back" and d.decided_at]
        if not judged:
            return None
        times.append(max(judged))
    return min(times, default=None)


def newest(known: Sequence[Decision], action: str) -> datetime | None:
    """When a decision of this kind was last made, or None."""
    return max((d.decided_at for d in known if d.action == action and d.decided_at), default=None)


def trained_recipe(job: Job, known: Sequence[Decision]) -> str | None:
    """Recipe hash of the newest training that got a verdict; None where it says none."""
    judged = [d for d in known if d.action != "rolled_back"]
    found = registry.find(job.lake, job.product.id, judged[-1].challenger) if judged else None
    return found.facts.get("recipe") if found else None


def _serves(known: Sequence[Decision], served: Release) -> bool:
    """Whether what was decided last for a measure is what serves it: a crash may have come between."""
    decided = record.in_force(known, served.measure)
    return decided is None or decided.action != "promoted" or decided.challenger == served.name


def _history(job: Job, since: datetime | None = None) -> int:
    """Local days with at least one value known now, and not known before ``since``."""
    rows = job.lake.scan("observations", product=job.product.id, until=job.now)
    return known_days(rows, tz=job.product.tz, until=job.now, since=since)


def known_days(rows: pl.LazyFrame, *, tz: str, until: datetime, since: datetime | None = None) -> int:
    """Local days with at least one value among ``rows`` (time, value, available_at) known in (since, until]."""
    known = rows.filter(pl.col("value").is_not_null(), pl.col("available_at") <= until, pl.col("time") < until)
    if since is not None:
        known = known.filter(pl.col("available_at") > since)
    day = pl.col("time").dt.convert_time_zone(tz).dt.date()
    return int(known.select(day.n_unique()).collect().item())


def _new_layouts(job: Job, last: datetime | None) -> tuple[str, ...]:
    """Layouts in which sources arrive since the last training, that they had not before it."""
    if last is None:
        return ()
    pages = raw.manifest(job.lake, job.product.id).filter(pl.col("fetched_at") <= job.now)
    before, since = (pages.filter(is_then) for is_then in (pl.col("fetched_at") <= last, pl.col("fetched_at") > last))
    known = since.filter(pl.col("source").is_in(before["source"].unique().to_list()))
    new = known.join(before, on=["source", "layout"], how="anti").select("source", "layout").unique()
    return tuple(f"{row['source']} as {row['layout']}" for row in new.sort("source", "layout").iter_rows(named=True))


def _skill(job: Job, served: Mapping[str, Release]) -> dict[str, tuple[float, int]]:
    """Skill over the baseline within the window, and the days it rests on, of each measure served by a training."""
    found: dict[str, tuple[float, int]] = {}
    for measure, release in served.items():
        if release.number > 0:
            since = job.now - job.recipe.retraining.window
            hours = paired.from_scores(job, release, since=since, until=job.now)
            found.update(skill_of(measure, hours[COLUMN[job.recipe.primary]]))
    return found


def skill_of(measure: str, hours: pl.DataFrame) -> dict[str, tuple[float, int]]:
    """Skill and days of sums by hour, by measure; empty where the rival made no loss."""
    own, beside = float(hours["a"].sum()), float(hours["b"].sum())
    return {measure: (1 - own / beside, int(hours["day"].n_unique()))} if beside > 0 else {}


def _drifted(job: Job, since: datetime) -> tuple[float, ...]:
    """Share of inputs and targets that drifted, by day since the last training, newest first; days in a row only."""
    rows = drift.read(job.lake, job.product.id, since=since.date() + DAY, until=job.now.date() + DAY)
    own = rows.filter(pl.col("kind").is_in(["input", "target"]), pl.col("place") == "")
    days = own.group_by("day").agg(pl.col("is_drifted").mean()).sort("day", descending=True)
    in_a_row = [
        share
        for position, (day, share) in enumerate(days.iter_rows())
        if day == days["day"][0] - position * timedelta(days=1)
    ]
    return tuple(in_a_row)


def _facts(rules: Retraining, seen: Seen) -> dict[str, Any]:
    next_at = None if seen.last is None else seen.last + rules.every
    return {
        "history_days": seen.history_days,
        "new_days": seen.new_days,
        "needed_days": rules.least_history.days,
        "last_trained": None if seen.last is None else iso(seen.last),
        "next_at": None if next_at is None else iso(next_at),
        "skill": {measure: round(skill, 4) for measure, (skill, _) in seen.skill.items()},
        "skill_days": {measure: days for measure, (_, days) in seen.skill.items()},
        "floor": rules.floor,
        "drifted_share": [round(share, 3) for share in seen.drift[: rules.drift_days]],
        "layouts": list(seen.layouts),
    }


Said = tuple[bool, str] | None


def _enough(rules: Retraining, seen: Seen) -> Said:
    needed = rules.least_history.days
    if seen.history_days < needed:
        return False, f"too little history: {seen.history_days} of {needed} days"
    if seen.last is None:
        return True, f"never trained, and the history is enough: {seen.history_days} days, {needed} needed"
    return None


def _same_moment(_: Retraining, seen: Seen) -> Said:
    """One thing at a time: what was just rolled back is not replaced at the same moment."""
    return (False, "a champion was rolled back just now") if seen.rolled_back == seen.now else None


def _crash(_: Retraining, seen: Seen) -> Said:
    if not seen.unfinished:
        return None
    return True, f"the last training was not finished: its winner of {', '.join(seen.unfinished)} does not serve yet"


def _shape(_: Retraining, seen: Seen) -> Said:
    was, now = seen.recipe
    if was is not None and was != now:
        return True, f"the recipe changed since {_on(seen.last)}: it was {was}, it is {now}"
    if seen.layouts:
        return True, f"a source arrives in a layout that was not there when last trained: {', '.join(seen.layouts)}"
    return None


def _lull(rules: Retraining, seen: Seen) -> Said:
    """After a rollback what failed would only be made again: it rests."""
    if seen.rolled_back is None or seen.now - seen.rolled_back >= rules.rest:
        return None
    return False, (
        f"a champion was rolled back {_ago(seen.now - seen.rolled_back)}; "
        f"trained again {_days(rules.rest)} after that at the earliest"
    )


def _nothing_new(_: Retraining, seen: Seen) -> Said:
    return None if seen.new_days else (False, f"no day of new data since it was trained, {_ago(_since(seen))}")


def _cadence(rules: Retraining, seen: Seen) -> Said:
    if seen.last is None or seen.now - seen.last < rules.every:
        return None
    return True, f"last trained {_ago(seen.now - seen.last)}, on {_on(seen.last)}; due every {_days(rules.every)}"


def _floor(rules: Retraining, seen: Seen) -> Said:
    low = {m: found for m, found in seen.skill.items() if found[0] < rules.floor and found[1] >= ENOUGH_DAYS}
    if not low:
        return None
    told = ", ".join(f"{m} {skill:+.1%} over {days} days" for m, (skill, days) in low.items())
    return _unless_resting(rules, seen, f"skill over the baseline is under its floor of {rules.floor:+.0%}: {told}")


def _moved(rules: Retraining, seen: Seen) -> Said:
    days = seen.drift[: rules.drift_days]
    if len(days) < rules.drift_days or min(days) < rules.drift_share:
        return None
    told = (
        f"at least {min(days):.0%} of the inputs drifted on {len(days)} days in a row (limit {rules.drift_share:.0%})"
    )
    return _unless_resting(rules, seen, told)


def _unless_resting(rules: Retraining, seen: Seen, told: str) -> Said:
    if _since(seen) >= rules.rest:
        return True, told
    return False, f"{told}; but last trained {_ago(_since(seen))}, and it rests {_days(rules.rest)} after a training"


def _nothing(rules: Retraining, seen: Seen) -> str:
    last = seen.last or seen.now
    told = f"trained {_ago(seen.now - last)}; next on {_on(last + rules.every)}"
    skills = ", ".join(f"{m} {skill:+.1%} over {days} days" for m, (skill, days) in seen.skill.items())
    drift = f"{seen.drift[0]:.0%} of the inputs drifted on the newest day" if seen.drift else ""
    return "; ".join(filter(None, (told, f"skill {skills}" if skills else "", drift)))


def _since(seen: Seen) -> timedelta:
    return seen.now - (seen.last or seen.now)


def _ago(span: timedelta) -> str:
    return f"{_days(span)} ago" if span >= DAY else "today"


def _days(span: timedelta) -> str:
    if span < DAY:
        return f"{span / timedelta(hours=1):.0f} hours"
    return f"{span.days} day{'s' if span.days > 1 else ''}"


def _on(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d}"


_RULES: tuple[Callable[[Retraining, Seen], Said], ...] = (
    *(_enough, _same_moment, _crash, _shape, _lull, _nothing_new),
    *(_cadence, _floor, _moved),
)
