"""The flows as Dagster assets, checks, schedules and sensors: a group a product, a partition a day of its city.

No logic of its own: what an asset does is `flows.day`, what is owed is `flows.due`, what is checked `flows.contracts`.
"""

# No `from __future__ import annotations`: Dagster looks at the type of `context`.
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import dagster as dg

from urbancast import products
from urbancast.core.errors import BusyError, ContractError, QueryError
from urbancast.core.product import Product, Recipe, Source
from urbancast.core.time import iso, local_day
from urbancast.flows import asked, contracts, crons, day, due, maintain, opening, probe
from urbancast.flows.due import Stage
from urbancast.flows.job import Job
from urbancast.lake import leases, requests
from urbancast.lake.store import Lake
from urbancast.settings import settings

PRODUCT = "urbancast/product"
WHY = "urbancast/why"
RETRY = dg.RetryPolicy(max_retries=3, delay=15, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
BUSY_TRIES, BUSY_S = 3, 20
REPLAYED = "urbancast/replayed"  # instead of `PRODUCT`: a replay that is killed keeps nothing else from running
ACTIVE = [
    dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]  # fmt: skip
# What each sensor looks for, and how often.
SENSORS: Mapping[str, tuple[tuple[Stage, ...], int]] = {
    "new_data": (("begin", "probe", "pull", "forecast", "verify", "watch"), 60),
    "retraining": (("retrain",), 300),
    "requests": (("request",), 30),
}


@dg.definitions
def defs() -> dg.Definitions:
    """Definitions of the lake and the products that the environment names."""
    deployed = settings()
    named = [name.strip() for name in deployed.orchestrated.split(",") if name.strip()]
    return of(Lake.open(deployed.lake), named or list(products.discover()))


def of(lake: Lake, ids: Sequence[str]) -> dg.Definitions:
    """Definitions of products in a lake."""
    orchestrated = [Orchestrated.of(lake, product) for product in ids]
    upkeep = _upkeep(lake)
    return dg.Definitions(
        assets=[asset for each in orchestrated for asset in each.assets],
        asset_checks=[check for each in orchestrated for check in each.checks],
        jobs=[upkeep, *(job for each in orchestrated for job in (each.daily, each.requested))],
        schedules=[_nightly(lake, upkeep), *(schedule for each in orchestrated for schedule in each.schedules)],
        sensors=[sensor for each in orchestrated for sensor in each.sensors],
        executor=dg.in_process_executor,
    )


def tell(instance: dg.DagsterInstance, job: Job, lived: date, facts: Mapping[str, Mapping[str, Any]]) -> bool:
    """Show a day that was lived elsewhere as a run of its partition; False where there is no such partition.

    ``facts``: by asset, what was made of it; of the others what the lake knew then.
    """
    one, key = Orchestrated.of(job.lake, job.product.id), lived.isoformat()
    if not one.days.has_partition_key(key):
        return False
    known = {**day.at_rest(job, lived), **facts}
    told = [_told(one, name, known[name]) for name in day.ASSETS if name in known]
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    tags = {REPLAYED: job.product.id, WHY: "lived in a replay"}
    return dg.materialize(told, instance=instance, partition_key=key, tags=tags, run_config=quiet).success


def _told(one: "Orchestrated", name: str, facts: Mapping[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        key=one.key(name),
        deps=[one.key(each) for each in day.ABOVE[name]],
        group_name=one.product.id,
        partitions_def=one.days,
    )
    def told() -> dg.MaterializeResult[Any]:
        return dg.MaterializeResult(metadata=_metadata(facts))

    return told


@dataclass(frozen=True, kw_only=True)
class Orchestrated:
    """One product in a lake, as Dagster sees it."""

    lake: Lake
    product: Product
    recipe: Recipe

    @staticmethod
    def of(lake: Lake, product: str) -> "Orchestrated":
        """By its id."""
        return Orchestrated(lake=lake, product=products.get(product), recipe=products.recipe(product))

    @cached_property
    def days(self) -> dg.TimeWindowPartitionsDefinition:
        """Days of the city, today included."""
        return dg.TimeWindowPartitionsDefinition(
            cron_schedule="0 0 * * *",
            start=day.first(self.lake, self.product, self.recipe).isoformat(),
            fmt="%Y-%m-%d",
            timezone=self.product.tz,
            end_offset=1,
        )

    def key(self, asset: str) -> dg.AssetKey:
        """Key of one of its assets."""
        return dg.AssetKey([self.product.id, asset])

    @property
    def assets(self) -> list[dg.AssetsDefinition]:
        """Raw → observations → release → forecasts → scores → probation → watch."""
        return [_asset(self, name, above) for name, above in day.ABOVE.items()]

    @property
    def checks(self) -> list[dg.AssetChecksDefinition]:
        """The contracts that each asset keeps to."""
        return [_check(self, name, one) for name, some in contracts.CONTRACTS.items() for one in some]

    @cached_property
    def daily(self) -> Any:
        """Job that makes assets of a day."""
        tags = {PRODUCT: self.product.id}
        selection = dg.AssetSelection.groups(self.product.id)
        return dg.define_asset_job(f"{self.product.id}_day", selection, tags=tags)

    @cached_property
    def requested(self) -> dg.JobDefinition:
        """Job that carries out what operators asked for."""
        return _job(f"{self.product.id}_requests", _carry_out(self), {PRODUCT: self.product.id})

    @property
    def schedules(self) -> list[dg.ScheduleDefinition]:
        """One for each source, at its rhythm."""
        return [_schedule(self, source) for source in self.recipe.sources]

    @property
    def sensors(self) -> list[dg.SensorDefinition]:
        """For new data at the portals and what follows from it, for retraining, for requests."""
        return [_sensor(self, name, stages, every_s) for name, (stages, every_s) in SENSORS.items()]

    @property
    def reading(self) -> Job:
        """A job to look with."""
        now = due.moment(self.product, datetime.now(UTC))
        return opening.look(self.lake, self.product.id, now=now)


def _asset(one: Orchestrated, name: str, above: Sequence[str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=one.key(name),
        deps=[one.key(each) for each in above],
        group_name=one.product.id,
        partitions_def=one.days,
        output_required=False,  # one that finds the product busy ends without
        retry_policy=RETRY,
        freshness_policy=_freshness(one, name),
        description=day.SAID[name],
        op_tags={PRODUCT: one.product.id},
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        begun = context.instance.get_run_record_by_id(context.run.run_id)
        now = begun.create_timestamp if begun else datetime.now(UTC)  # one moment for all assets of a run
        key = date.fromisoformat(context.partition_key)

        def make(job: Job) -> Mapping[str, Any]:
            return day.run(job, name, key)

        facts = _work(context, one, due.moment(one.product, now), make)
        if facts is not None:
            yield dg.MaterializeResult(metadata=_metadata(facts))

    return made


def _work(context: Any, one: Orchestrated, now: datetime, make: Callable[[Job], Any]) -> Any:
    """What a flow made of the product; None where another run holds it for long: what is owed comes again."""
    try:
        with opening.jobs([one.product.id], one.lake, opening.Origin(), now=now, teller=_teller(context)) as jobs:
            return make(jobs[0])
    except BusyError as error:
        if context.retry_number < BUSY_TRIES:
            raise dg.RetryRequested(max_retries=BUSY_TRIES, seconds_to_wait=BUSY_S) from error
        context.log.warning("left for later: %s", error)
        return None
    except (ContractError, QueryError) as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def _check(one: Orchestrated, asset: str, contract: Callable[[Job], contracts.Kept]) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=one.key(asset), name=contract.__name__, description=contract.__doc__)
    def kept() -> dg.AssetCheckResult:
        found = contract(one.reading)
        return dg.AssetCheckResult(passed=found.is_kept, metadata=_metadata(found.facts))

    return kept


def _schedule(one: Orchestrated, source: Source) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{one.product.id}_{source.name}",
        cron_schedule=crons.of(source, one.recipe, one.product.tz),
        execution_timezone=one.product.tz,
        job=one.daily,
        description=f"Asks {source.name} when it should have something new.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def at_rhythm(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = context.scheduled_execution_time
        if source.name not in due.sources(one.lake, one.product.id, now):
            return dg.SkipReason(f"{source.name} was asked already, or says nothing new yet")
        return _requested(context.instance, one, now, due.STAGES[1:])

    return at_rhythm


def _sensor(one: Orchestrated, name: str, stages: Collection[Stage], every_s: int) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{one.product.id}_{name}",
        job=one.requested if "request" in stages else one.daily,
        minimum_interval_seconds=every_s,
        description=f"Looks whether any of these is owed: {', '.join(stages)}.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def is_owed(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _requested(context.instance, one, datetime.now(UTC), stages)

    return is_owed


def _requested(
    instance: dg.DagsterInstance, one: Orchestrated, now: datetime, stages: Collection[Stage]
) -> dg.RunRequest | dg.SkipReason:
    """A run of what is owed of these stages; none while the product is at work, here or elsewhere."""
    found = _owed(one, now, stages)
    if not found:
        is_paused = requests.is_paused(one.lake, one.product.id)
        return dg.SkipReason("paused" if is_paused else f"nothing is owed at {iso(now)}")
    if instance.get_runs_count(dg.RunsFilter(tags={PRODUCT: one.product.id}, statuses=ACTIVE)):
        return dg.SkipReason("a run of it is queued or under way")
    lease = leases.current(one.lake, one.product.id)
    if lease is not None:
        return dg.SkipReason(f"busy: held by {lease.holder} until {iso(lease.until)}")
    if any(each.stage == "probe" for each in found):
        with suppress(BusyError), opening.jobs([one.product.id], one.lake, opening.Origin(), now=now) as jobs:
            probe.run(jobs[0].at(due.moment(one.product, now)))
        found = [each for each in _owed(one, now, stages) if each.stage != "probe"]
        if not found:
            return dg.SkipReason("the portals were asked, and have nothing new")
    tags = {PRODUCT: one.product.id, WHY: "; ".join(f"{each.stage}: {each.reason}" for each in found)}
    if found[0].stage == "request":
        return dg.RunRequest(tags=tags)
    made = {asset for each in found for asset in day.OF_STAGE[each.stage]}
    return dg.RunRequest(
        partition_key=local_day(now, one.product.tz).isoformat(),
        asset_selection=[one.key(asset) for asset in day.ASSETS if asset in made],
        tags=tags,
    )


def _owed(one: Orchestrated, now: datetime, stages: Collection[Stage]) -> list[due.Owed]:
    return [each for each in due.owed(one.lake, one.product.id, now) if each.stage in stages]


def _carry_out(one: Orchestrated) -> Any:
    @dg.op(name=f"{one.product.id}_asked", retry_policy=RETRY)
    def carry_out(context: dg.OpExecutionContext) -> None:
        done = _work(context, one, due.moment(one.product, datetime.now(UTC)), asked.run)
        context.add_output_metadata({"requests": dg.MetadataValue.json(done or [])})

    return carry_out


def _upkeep(lake: Lake) -> dg.JobDefinition:
    @dg.op(name="maintain")
    def keep(context: dg.OpExecutionContext) -> None:
        try:
            context.add_output_metadata(_metadata(dict(maintain.run(lake, teller=_teller(context)))))
        except BusyError as error:
            context.log.warning("left for later: %s", error)

    return _job("upkeep", keep, {PRODUCT: due.EVERY})


def _nightly(lake: Lake, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="nightly", cron_schedule=f"*/15 {due.NIGHT.hour}-{due.NIGHT.hour + 2} * * *", execution_timezone="UTC",
        job=job, default_status=dg.DefaultScheduleStatus.RUNNING, description="Upkeep of the lake, once a night.",
    )  # fmt: skip
    def at_night(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        found = due.owed(lake, due.EVERY, context.scheduled_execution_time)
        return dg.RunRequest(tags={WHY: found[0].reason}) if found else dg.SkipReason("done this night")

    return at_night


def _job(name: str, op: Any, tags: Mapping[str, str]) -> dg.JobDefinition:
    """A job of one op."""

    @dg.job(name=name, tags=tags, executor_def=dg.in_process_executor)
    def one_op() -> None:
        op()

    return one_op


def _freshness(one: Orchestrated, asset: str) -> dg.FreshnessPolicy | None:
    """Raw and observations by the quickest source, forecasts by the issue step; the others follow what arrives."""
    if asset in ("raw", "observations"):
        step = min(source.rhythm for source in one.recipe.sources if source.role == "observations")
    elif asset == "forecasts":
        step = one.recipe.issue_step
    else:
        return None
    hour = timedelta(hours=1)
    return dg.FreshnessPolicy.time_window(warn_window=max(1.25 * step, hour), fail_window=max(2 * step, 2 * hour))


def _teller(context: Any) -> Callable[[str, str, str, Mapping[str, Any]], None]:
    """Steps of the flows go to the log of the run."""

    def tell(product: str, step: str, state: str, facts: Mapping[str, Any]) -> None:
        said = facts.get("message") or (f"{facts['seconds']} s" if "seconds" in facts else "")
        (context.log.error if state == "failed" else context.log.info)(f"{product} {step}: {state} {said}".rstrip())

    return tell


def _metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as Dagster shows them: numbers and words as they are, all else as JSON."""
    plain = (bool, int, float, str)
    return {
        name: value if isinstance(value, plain) else dg.MetadataValue.json(json.loads(json.dumps(value, default=str)))
        for name, value in facts.items()
        if value is not None
    }
