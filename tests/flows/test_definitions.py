"""Dagster sees the flows: a group a product, a day a partition, contracts as checks, and nothing decided here."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from tests.flows.conftest import Open
from urbancast import products
from urbancast.core.errors import BusyError
from urbancast.core.time import local_day
from urbancast.flows import contracts, crons, cycle, day, definitions, due, opening
from urbancast.flows.definitions import Orchestrated
from urbancast.lake import leases, observations, raw, requests, runs, serving
from urbancast.lake.store import Lake

ASSETS = ["raw", "observations", "release", "forecasts", "scores", "probation", "tracking", "watch"]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(definitions, "BUSY_S", 0)  # as patient as in service, without the waiting
    monkeypatch.setattr(definitions, "RETRY", dg.RetryPolicy(max_retries=1, delay=0))
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def made(
    lake: Lake, instance: dg.DagsterInstance, key: str, names: Sequence[str]
) -> tuple[dg.ExecuteInProcessResult, dict[str, dict[str, Any]]]:
    """The result of making assets of one day, and their metadata."""
    one = Orchestrated.of(lake, "riverton")
    job = definitions.of(lake, ["riverton"]).resolve_job_def("riverton_day")
    result = job.execute_in_process(
        instance=instance,
        partition_key=key,
        asset_selection=[one.key(name) for name in names],
        raise_on_error=False,
        run_config=QUIET,
    )
    events = result.get_asset_materialization_events()
    facts = {event.asset_key.path[-1]: event.materialization.metadata for event in events if event.asset_key}
    return result, {name: {k: v.value for k, v in found.items()} for name, found in facts.items()}


def test_a_product_is_a_group_from_raw_to_watch(lake: Lake) -> None:
    graph = definitions.of(lake, ["riverton"]).resolve_asset_graph()
    nodes = {key.path[-1]: graph.get(key) for key in graph.get_all_asset_keys()}
    assert sorted(nodes) == sorted(ASSETS)
    assert {node.group_name for node in nodes.values()} == {"riverton"}
    parents = {name: sorted(key.path[-1] for key in node.parent_keys) for name, node in nodes.items()}
    assert parents["observations"] == ["raw"]
    assert parents["forecasts"] == ["observations", "release"]
    assert parents["scores"] == ["forecasts", "observations"]
    checks = sorted(key.name for key in graph.asset_check_keys)
    assert checks == sorted(one.__name__ for some in contracts.CONTRACTS.values() for one in some)
    policies = {name: node.freshness_policy_or_from_metadata for name, node in nodes.items()}
    assert {name for name, policy in policies.items() if policy} == {"raw", "observations", "forecasts"}


def test_all_shipped_products_are_orchestrated(lake: Lake) -> None:
    shipped = [name for name in products.discover() if name != "riverton"]
    repository = definitions.of(lake, shipped).get_repository_def()
    assert {key.path[0] for key in repository.asset_graph.get_all_asset_keys()} == set(shipped)
    names = {schedule.name for schedule in repository.schedule_defs}
    assert names == {"nightly", *(f"{p}_{s.name}" for p in shipped for s in products.recipe(p).sources)}
    assert len(repository.sensor_defs) == 3 * len(shipped)


def test_a_day_is_made_from_raw_to_forecasts_and_its_contracts_are_shown(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    today = Orchestrated.of(lake, "riverton").days.get_last_partition_key()
    assert today == local_day(datetime.now(UTC), "Europe/Brussels").isoformat()
    result, facts = made(lake, instance, str(today), ASSETS[:4])
    assert result.success
    assert list(facts) == ASSETS[:4]
    origin = serving.current(lake)["riverton"]["origin"]
    assert facts["forecasts"]["rows"] == 2 * 4 * 48  # both simple rules
    assert facts["forecasts"]["window"].startswith(f"{origin:%Y-%m-%dT%H}")
    fates = facts["observations"]
    assert fates["raw_rows"]["counts"] == sum(fates[f]["counts"] for f in ("used", "quarantined", "repeated")) > 0
    checks = {found.check_name: found.passed for found in result.get_asset_check_evaluations()}
    names = {"same_provenance", "conservation", "sound_releases", "ordered_quantiles", "full_grid"}
    assert checks == dict.fromkeys(names, True)
    past, lived = made(lake, instance, before(str(today), 4), ["raw", "observations", "forecasts", "scores"])
    assert past.success
    assert lived["raw"]["new pages"] == 0
    assert lived["observations"]["data to"] < lived["forecasts"]["origins"][0] <= lived["forecasts"]["as known at"]
    assert lived["scores"]["rows"] > 0
    assert serving.current(lake)["riverton"]["origin"] == origin  # what serves was not moved


def before(key: str, days: int) -> str:
    return (datetime.fromisoformat(key) - timedelta(days=days)).date().isoformat()


def test_a_past_day_pulls_nothing(lake: Lake, riverton: Open) -> None:
    with riverton(lake) as (job, _):
        day.run(job, "raw")
        day.run(job, "observations")
        kept, asked = raw.manifest(lake, "riverton").height, runs.read(lake, "riverton").height
        newest = observations.data_to(lake, "riverton")
        for name in ("raw", "observations"):
            day.run(job, name, local_day(job.now, job.product.tz) - timedelta(days=3))
    assert (raw.manifest(lake, "riverton").height, runs.read(lake, "riverton").height) == (kept, asked)
    assert observations.data_to(lake, "riverton") == newest


def test_a_run_that_finds_the_product_busy_ends_without_failing(lake: Lake, instance: dg.DagsterInstance) -> None:
    today = str(Orchestrated.of(lake, "riverton").days.get_last_partition_key())
    with leases.hold(lake, "riverton"):
        result, facts = made(lake, instance, today, ["raw", "observations"])
    assert result.success
    assert facts == {}
    retried = [event.step_key for event in result.all_events if event.is_step_up_for_retry]
    assert retried == ["riverton__raw"] * definitions.BUSY_TRIES


def test_a_portal_is_tried_again_and_a_source_that_changed_shape_is_not(
    lake: Lake, instance: dg.DagsterInstance, riverton: Open
) -> None:
    with riverton(lake) as (job, _):
        day.run(job, "raw")
    today = str(Orchestrated.of(lake, "riverton").days.get_last_partition_key())
    pages = raw.manifest(lake, "riverton")["path"].to_list()
    told = {}
    for name, payload in (("cut off", b"PAR1"), ("another shape", strange())):
        for page in pages:
            lake.files.put(page, payload)
        result, _ = made(lake, instance, today, ["observations"])
        assert not result.success
        told[name] = [event.step_key for event in result.all_events if event.is_step_up_for_retry]
    assert told == {"cut off": ["riverton__observations"], "another shape": []}


def strange() -> bytes:
    """A whole table of other columns."""
    buffer = io.BytesIO()
    pl.DataFrame({"something": ["else"]}).write_parquet(buffer)
    return buffer.getvalue()


def asked(lake: Lake, instance: dg.DagsterInstance, sensor: str) -> dg.RunRequest | dg.SkipReason:
    found = definitions.of(lake, ["riverton"]).get_repository_def().get_sensor_def(f"riverton_{sensor}")
    with dg.build_sensor_context(instance=instance) as context:
        said = found(context)
    assert isinstance(said, dg.RunRequest | dg.SkipReason)
    return said


def test_sensors_ask_for_what_is_owed_and_for_nothing_while_it_is_at_work_or_paused(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    wanted = asked(lake, instance, "new_data")
    assert isinstance(wanted, dg.RunRequest)
    assert [key.path[-1] for key in wanted.asset_selection or ()] == ASSETS[:4]
    assert wanted.tags[definitions.WHY] == "begin: nothing was ever forecast"
    assert isinstance(asked(lake, instance, "requests"), dg.SkipReason)
    with leases.hold(lake, "riverton"):
        said = asked(lake, instance, "new_data")
    assert isinstance(said, dg.SkipReason)
    assert (said.skip_message or "").startswith("busy: held by")
    now = datetime.now(UTC)
    requests.ask(lake, "riverton", "one", verb="pause", arguments={}, by="ana", at=now)
    request = asked(lake, instance, "requests")
    assert isinstance(request, dg.RunRequest)
    job = definitions.of(lake, ["riverton"]).resolve_job_def("riverton_requests")
    assert job.execute_in_process(instance=instance, run_config=QUIET).success
    assert requests.is_paused(lake, "riverton")
    said = asked(lake, instance, "new_data")
    assert said == dg.SkipReason("paused")


def test_the_sensor_asks_the_portals_and_runs_nothing_where_they_have_nothing_new(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = definitions.Orchestrated.of(lake, "riverton")
    with opening.jobs(["riverton"], lake, opening.Origin(is_sample=True)) as jobs:
        job = jobs[0].at(due.moment(one.product, datetime.now(UTC)))
        cycle.begin(job)
    monkeypatch.setattr(due, "PROBED", timedelta())
    said = definitions._requested(instance, one, datetime.now(UTC), ("probe", "pull"))
    assert said == dg.SkipReason("the portals were asked, and have nothing new")
    told = runs.read(lake, "riverton").filter(flow="probe", state="done")["facts"].item()
    assert "counts" in json.loads(told)["modified"]
    assert leases.current(lake, "riverton") is None
    ahead = {"modified": {"counts": (job.now + timedelta(hours=1)).isoformat()}}
    later = datetime.now(UTC) + timedelta(hours=1)
    runs.record(lake, "riverton", "r", flow="probe", step="portals", state="done", at=later, facts=ahead)
    said = definitions._requested(instance, one, later, ("probe", "pull"))
    assert isinstance(said, dg.RunRequest)
    assert said.tags[definitions.WHY].startswith("pull: counts changed at its portal at")
    assert [key.path[-1] for key in said.asset_selection or ()] == ["raw", "observations"]


# The days on which the clocks change: 23 hours in spring, 25 in autumn.
CHANGES = [
    ("Europe/Paris", "2026-03-29", 23), ("Europe/Paris", "2026-10-25", 25),
    ("America/New_York", "2026-03-08", 23), ("America/New_York", "2026-11-01", 25),
]  # fmt: skip


@pytest.mark.parametrize(("tz", "changed", "length"), CHANGES)
def test_a_night_on_which_the_clocks_change_is_one_partition_and_one_tick(
    lake: Lake, tz: str, changed: str, length: int
) -> None:
    one = Orchestrated.of(lake, "riverton")
    there = replace(one, product=replace(one.product, tz=tz))
    lake.files.put("_lake.json", b'{"version": 2, "created": "2026-01-01T00:00:00+00:00"}')
    keys = there.days.get_partition_keys(current_time=datetime(2026, 11, 20, tzinfo=UTC))
    assert keys.count(changed) == 1
    assert keys == [before(keys[-1], n) for n in range(len(keys) - 1, -1, -1)]
    window = there.days.time_window_for_partition_key(changed)
    assert window.end.astimezone(UTC) - window.start.astimezone(UTC) == timedelta(hours=length)
    for hour in range(24):
        ticks = ticks_on(changed, f"30 {hour} * * *", tz)
        assert len(ticks) == 1, f"at {hour}:30"
        assert local_day(ticks[0], tz).isoformat() == changed


def ticks_on(key: str, cron: str, tz: str) -> list[datetime]:
    """Instants at which a schedule fires on a local day."""
    start = datetime.fromisoformat(key).replace(tzinfo=ZoneInfo(tz)) - timedelta(days=2)
    every = schedule_execution_time_iterator(start.timestamp(), cron, tz, ascending=True)
    return [at for at in itertools.islice(every, 6) if local_day(at, tz).isoformat() == key]


def test_each_source_is_asked_once_it_has_published(lake: Lake) -> None:
    recipe = products.recipe("riverton")
    counts = recipe.sources[0]
    assert crons.of(counts, recipe, "Europe/Brussels") == "0 9 * * *"
    assert crons.of(replace(counts, publication=None), recipe, "Europe/Brussels") == "0 9 * * *"
    silent = replace(recipe, sources=(replace(counts, publication=None),))
    assert crons.of(silent.sources[0], silent, "Europe/Brussels") == "0 6 * * *"
    assert crons.of(replace(counts, rhythm=timedelta(hours=6)), recipe, "UTC") == "0 */6 * * *"
    assert crons.of(replace(counts, rhythm=timedelta(minutes=15)), recipe, "UTC") == "*/15 * * * *"


def test_the_nightly_schedule_asks_once_a_night(lake: Lake, instance: dg.DagsterInstance) -> None:
    nightly = definitions.of(lake, ["riverton"]).get_repository_def().get_schedule_def("nightly")
    night = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def said(at: datetime) -> Any:
        with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
            return nightly(context)

    assert isinstance(said(night), dg.RunRequest)
    upkeep = definitions.of(lake, ["riverton"]).resolve_job_def("upkeep")
    assert upkeep.execute_in_process(instance=instance, run_config=QUIET).success
    assert due.owed(lake, due.EVERY, datetime.now(UTC)) == []
    assert isinstance(said(datetime.now(UTC)), dg.SkipReason)


def test_a_lease_is_held_for_the_length_of_a_flow_alone(lake: Lake, instance: dg.DagsterInstance) -> None:
    today = str(Orchestrated.of(lake, "riverton").days.get_last_partition_key())
    result, _ = made(lake, instance, today, ["raw"])
    assert result.success
    assert leases.current(lake, "riverton") is None
    with opening.jobs(["riverton"], lake, opening.Origin()), pytest.raises(BusyError):
        leases.take(lake, "riverton", holder='{"host": "elsewhere", "pid": 1, "started": 0}')
