"""A life lived again: what a product would have trained, promoted, rolled back and forecast, day after day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from urbancast.core.time import iso, local_day, local_midnight
from urbancast.features.panel import Panel
from urbancast.flows import (
    backtest,
    evidence,
    forecast,
    mirror,
    paired,
    panel as panels,
    probation,
    promote,
    retraining,
    train,
)
from urbancast.flows.job import Job, step
from urbancast.models import Fitted
from urbancast.registry import record, release as registry
from urbancast.registry.record import Decision
from urbancast.registry.release import Release

FLOW = "replay"
Facts = dict[str, dict[str, Any]]


@dataclass
class Life:
    """Days of one replay from ``anchor`` on, in order; its verdicts carry ``run_id``, and are what it resumes from."""

    job: Job
    run_id: str
    anchor: datetime
    decisions: list[Decision] = field(default_factory=list)
    served: dict[str, Release] = field(default_factory=dict)
    rules: list[tuple[Release, Fitted]] = field(default_factory=list)
    _sums: dict[tuple[str, str, date], dict[str, pl.DataFrame]] = field(default_factory=dict)
    _summed_at: datetime | None = None

    @cached_property
    def known(self) -> Panel:
        """All that is known now; each frame takes of it what was known at its origin."""
        return panels.panel(self.job, until=self.job.now)

    def day(self, origins: Sequence[datetime]) -> Facts:
        """Forecast from a day's origins, hold champions to their word, retrain where it was due; what came of it."""
        today = self.job.at(origins[0])
        with step(self.job, self.run_id, FLOW, iso(origins[0])) as told:
            self._resume(today)
            rows = self._issue(today, origins)
            lost = self._review(today)
            need = retraining.judge(self.job.recipe.retraining, self._look(today))
            won = self._improve(today, origins) if need.is_due else {}
            facts: Facts = {
                "release": {"retraining": need.reason, "verdicts": {m: _said(d) for m, d in won.items()}},
                "forecasts": {
                    "rows": rows,
                    "origins": len(origins),
                    "served": {measure: release.name for measure, release in self.served.items()},
                },
                "probation": {"rolled back": {measure: decided.reason for measure, decided in lost.items()}},
            }
            told["day"] = facts
        return facts

    def _resume(self, today: Job) -> None:
        """Take up where the days before ended: rules as last trained, releases as last decided."""
        if self.served:
            return
        until = today.now - timedelta(microseconds=1)
        self.decisions = record.decisions(
            self.job.lake, self.job.product.id, kind="replay", run=self.run_id, until=until
        )
        last = max((d.decided_at for d in self.decisions if d.action != "rolled_back" and d.decided_at), default=None)
        self._train_rules(self.job.at(last or self.anchor))
        for measure in self.job.product.modelled:
            decided = record.in_force(self.decisions, measure.id)
            if decided is not None:
                self.served[measure.id] = registry.get(self.job.lake, self.job.product.id, decided.challenger)

    def _train_rules(self, then: Job) -> None:
        """The simple rules as known then; those that serve are relieved by their newer selves."""
        training = train.Training(then, then.now, self.run_id)
        self.rules = []
        for measure in then.product.modelled:
            made = training.freeze(measure.id, train.numbers_of_rules(then, measure.id))
            self.rules += made.values()
            if measure.id not in self.served or self.served[measure.id].number == 0:
                self.served[measure.id] = made[then.recipe.baseline][0]

    def _issue(self, today: Job, origins: Sequence[datetime], *, is_alone: bool = False) -> int:
        """Forecast with what serves, and beside it (unless alone) the rules and champions before one on probation."""
        ready = {} if is_alone else {release.name: (release, one) for release, one in self.rules}
        trials = [] if is_alone else filter(None, [self._on_trial(today, one) for one in self.served.values()])
        for release in (*self.served.values(), *(earlier for _, earlier in trials)):
            if release.name not in ready:
                ready[release.name] = (release, registry.load(today.lake, release))
        return forecast.issue(today, list(ready.values()), self.known, origins, self.run_id)

    def _on_trial(self, today: Job, served: Release) -> tuple[Decision, Release] | None:
        """The decision that put a release on probation, and the champion before it; None where it is not on one."""
        length = today.recipe.retraining.probation
        trial = record.probation(self.decisions, served, length=length, now=today.now)
        earlier = registry.find(today.lake, today.product.id, trial.champion) if trial else None
        return (trial, earlier) if trial is not None and earlier is not None and earlier.number > 0 else None

    def _review(self, today: Job) -> dict[str, Decision]:
        made: dict[str, Decision] = {}
        self._forget(today)
        for measure, served in list(self.served.items()):
            if served.number > 0:
                decided, _ = probation.judge(served, self._rivals(today, served))
                if decided is not None:
                    made[measure] = self._record(today, decided)
                    self.served[measure] = registry.get(today.lake, today.product.id, decided.challenger)
        return made

    def _rivals(self, today: Job, served: Release) -> list[probation.Rival]:
        trial, found = self._on_trial(today, served), []
        if trial is not None:
            hours = self._hours(today, (served, trial[1]), since=trial[0].decided_at or today.now)
            found.append(probation.Rival(release=trial[1], who="the champion before it", hours=hours))
        baseline = self._baseline(served.measure)
        since = max(today.now - today.recipe.retraining.window, served.trained_until)
        hours = self._hours(today, (served, baseline), since=since)
        return [*found, probation.Rival(release=baseline, who="the baseline", hours=hours)]

    def _baseline(self, measure: str) -> Release:
        return next(release for release, _ in self.rules if release.measure == measure and release.number == 0)

    def _hours(self, today: Job, pair: tuple[Release, Release], *, since: datetime) -> dict[str, pl.DataFrame]:
        """As `paired.hours`, each local day summed again only when truth of it came."""
        tz = today.product.tz
        day, last = local_day(since, tz), local_day(today.now, tz)
        parts = []
        seen = replace(self.known, observations=self._seen(today.now))
        while day <= last:
            key = (pair[0].name, pair[1].name, day)
            if key not in self._sums:
                end = min(local_midnight(day + timedelta(days=1), tz), today.now)
                begin = max(local_midnight(day, tz), since)
                self._sums[key] = paired.hours(today, seen, pair, since=begin, until=end)
            parts.append(self._sums[key])
            day += timedelta(days=1)
        return {name: pl.concat([part[name] for part in parts]) for name in paired.columns(today)}

    def _forget(self, today: Job) -> None:
        """Drop sums of days of which something became known since they were made."""
        if self._summed_at is not None:
            rows = self._seen(today.now).filter(pl.col("available_at") > self._summed_at)
            touched = set(rows["time"].dt.convert_time_zone(today.product.tz).dt.date().unique().to_list())
            touched |= {local_day(self._summed_at, today.product.tz)}
            self._sums = {key: sums for key, sums in self._sums.items() if key[2] not in touched}
        self._summed_at = today.now

    def _seen(self, then: datetime) -> pl.DataFrame:
        return self.known.observations.filter(pl.col("available_at") <= then)

    def _look(self, today: Job) -> retraining.Seen:
        """What the rules that need no future look at; shapes and drift are production's own."""
        last = retraining.last_training(self.decisions, [measure.id for measure in today.product.modelled])
        rows, tz = self.known.observations.lazy(), today.product.tz
        skill: dict[str, tuple[float, int]] = {}
        for measure, served in self.served.items():
            if served.number > 0:
                rivals = self._rivals(today, served)
                skill |= retraining.skill_of(measure, next(iter(rivals[-1].hours.values())))
        return retraining.Seen(
            now=today.now,
            history_days=retraining.known_days(rows, tz=tz, until=today.now),
            new_days=retraining.known_days(rows, tz=tz, until=today.now, since=last),
            last=last,
            rolled_back=retraining.newest(self.decisions, "rolled_back"),
            skill=skill,
        )

    def _improve(self, today: Job, origins: Sequence[datetime]) -> dict[str, Decision]:
        """Train and judge as production would have then; what wins forecasts from the same origins."""
        self._train_rules(today)
        tested = backtest.run(today, is_kept=False)
        made: dict[str, Decision] = {}
        challengers: dict[str, Release] = {}
        training = train.Training(today, today.now, self.run_id)
        for measure, result in tested.items():
            best = train.best_candidate(today, result)
            number = 1 + max([self.served[measure].number, *self._numbers(measure)])
            challenger, fitted = training.freeze(measure, {best: number}, facts={"kind": "replay"})[best]
            evidence.keep(today, challenger, fitted, result)
            made[measure] = self._record(today, promote.decide(today, challenger, self.served[measure], result))
            challengers[measure] = challenger
            if made[measure].action == "promoted":
                self.served[measure] = challenger
        evidence.judged(today, challengers, made)
        mirror.now(today)
        self._issue(today, origins, is_alone=True)
        return made

    def _numbers(self, measure: str) -> list[int]:
        """Numbers that this life has given already: its trainings are counted apart from production's."""
        judged = [d for d in self.decisions if d.measure == measure and d.action != "rolled_back"]
        return [len(judged)]

    def _record(self, today: Job, decided: Decision) -> Decision:
        record.verdict(today.lake, decided, run=self.run_id, now=today.now, kind="replay")
        dated = replace(decided, decided_at=today.now)
        self.decisions.append(dated)
        return dated


def _said(decided: Decision) -> str:
    return f"{decided.action}: {decided.reason}"
