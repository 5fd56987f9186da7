"""The API follows `serving`: swaps whole, drops nothing, survives a broken lake."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from urbancast.api import progress
from urbancast.api.app import create_app
from urbancast.core.time import HOUR
from urbancast.lake import runs, scores, serving
from urbancast.lake.store import Lake

AT = "2021-10-31T05:00:00Z"
URLS = (
    f"/v1/products/bikes/map?at={AT}",
    f"/v1/products/bikes/forecast?place=a&at={AT}",
    "/v1/products/bikes/forecast?place=b&from=2021-10-30T12:00Z",
    "/v1/products",
    "/v1/products/bikes/track-record",
)


def make_app(city: Any, origin: Any) -> Any:
    return create_app(city.lake.url, catalog=city.catalog, clock=lambda: origin + 12 * HOUR, poll_seconds=0.0)


def origin_of(city: Any) -> Any:
    return serving.current(city.lake)["bikes"]["origin"]


async def ask_until(client: httpx.AsyncClient, done: asyncio.Event, seen: list[tuple[int, str, Any]]) -> None:
    """Ask every URL over and over while the swap goes on, and once more after it."""
    while True:
        is_last = done.is_set()
        for url in URLS:
            response = await client.get(url)
            seen.append((response.status_code, url, response.json()))
        if is_last:
            return
        await asyncio.sleep(0)


def test_no_request_fails_while_snapshots_are_swapped(moving_city: Any) -> None:
    origin = origin_of(moving_city)
    app = make_app(moving_city, origin)
    follower = app.state.urbancast.follower
    seen: list[tuple[int, str, Any]] = []

    def move() -> None:
        for hours in (3, 6, 9):
            moving_city.serve("bikes", origin + hours * HOUR)
            follower.look()

    async def scenario() -> None:
        done = asyncio.Event()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            askers = [asyncio.create_task(ask_until(client, done, seen)) for _ in range(4)]
            await asyncio.to_thread(move)
            done.set()
            await asyncio.gather(*askers)

    follower.look()
    asyncio.run(scenario())
    assert {status for status, _, _ in seen} == {200}
    answers = [body for _, url, body in seen if "place=a" in url]
    assert answers[-1]["origin"] == (origin + 9 * HOUR).isoformat().replace("+00:00", "Z")
    assert len({body["origin"] for body in answers}) >= 2


def test_a_moved_serving_row_changes_release_tag_and_answer(moving_city: Any) -> None:
    with moving_city.client() as client:
        url = f"/v1/products/bikes/forecast?place=a&at={AT}"
        before = client.get(url)
        moving_city.serve("bikes", origin_of(moving_city) + HOUR, releases_by={"bicycles": "bicycles-base"})
        client.app.state.urbancast.follower.look()
        after = client.get(url, headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert (before.json()["release"], after.json()["release"]) == ("bicycles-gbm", "bicycles-base")
        assert after.json()["mean"] == pytest.approx(before.json()["mean"] / 2, abs=0.01)
        assert 'urbancast_snapshot_swaps_total{product="bikes"} 2.0' in client.get("/metrics").text


def test_when_the_baseline_serves_usual_is_the_last_four_observed_weeks(moving_city: Any) -> None:
    moving_city.serve("bikes", origin_of(moving_city) + HOUR, releases_by={"bicycles": "bicycles-base"})
    with moving_city.client() as client:
        answer = client.get(f"/v1/products/bikes/forecast?place=a&at={AT}").json()
        # 05:00 UTC is 06:00 local after the clock change; in the weeks before, 06:00 local was 04:00 UTC
        assert answer["usual"] == pytest.approx(100 * (1 + 4 / 24), abs=0.01)
        assert answer["comparison"] == "quieter"
        assert answer["skill"] is None
        nothing = client.get(f"/v1/products/bikes/forecast?place=c&at={AT}").json()
        assert (nothing["usual"], nothing["comparison"]) == (None, None)


def test_a_lake_that_lost_its_forecasts_leaves_the_old_answers_and_shows_ages(moving_city: Any) -> None:
    with moving_city.client() as client:
        before = client.get(f"/v1/products/bikes/map?at={AT}").json()
        origin = origin_of(moving_city)
        shutil.rmtree(table(moving_city, "forecasts"))
        serving.move(
            moving_city.lake, product="bikes", origin=origin + HOUR, releases={"bicycles": "x"}, versions={},
            provenance="sample", data_to=None, moved_at=origin + 3 * HOUR, run="t",
        )  # fmt: skip
        client.app.state.urbancast.follower.look()
        assert client.get(f"/v1/products/bikes/map?at={AT}").json() == before
        state = client.get("/readyz").json()
        assert (state["ready"], state["products"]["bikes"]["origin_age_hours"]) == (True, 6.0)
        assert state["trouble"].startswith("bikes: ")
        assert str(moving_city.lake.url) not in state["trouble"]
        assert client.get(f"/v1/products/crashes/map?at={AT}").status_code == 200


def test_serving_that_names_forecasts_not_there_is_refused_by_name(moving_city: Any) -> None:
    with moving_city.client() as client:
        origin = origin_of(moving_city)
        serving.move(
            moving_city.lake, product="bikes", origin=origin + HOUR, releases={"bicycles": "x"}, versions={},
            provenance="sample", data_to=None, moved_at=origin + 3 * HOUR, run="t",
        )  # fmt: skip
        client.app.state.urbancast.follower.look()
        assert client.get("/v1/products/bikes").json()["serving"]["releases"] == {"bicycles": "bicycles-gbm"}
        assert (
            "bikes: expected forecasts from 2021-10-30T01:00Z, found none of x"
            in client.get("/readyz").json()["trouble"]
        )


def test_a_corrupt_log_is_named_and_mended_without_a_restart(moving_city: Any) -> None:
    with moving_city.client() as client:
        follower = client.app.state.urbancast.follower
        log = table(moving_city, "serving") / "_delta_log"
        newest = max(log.glob("*.json"))
        broken = log / f"{int(newest.stem) + 1:020d}.json"
        broken.write_text("{not json")
        follower.look()
        state = client.get("/readyz").json()
        assert state["trouble"]
        assert state["products"]["bikes"]["ready"] is True
        assert client.get(f"/v1/products/bikes/map?at={AT}").status_code == 200
        assert "urbancast_lake_failures_total 1.0" in client.get("/metrics").text
        broken.unlink()
        follower.look()
        assert client.get("/readyz").json()["trouble"] is None


def table(city: Any, name: str) -> Path:
    """Folder of a table in the lake."""
    return next(Path(city.lake.url).rglob(f"{name}/_delta_log")).parent


def test_a_look_that_finds_nothing_new_keeps_the_snapshot(moving_city: Any) -> None:
    with moving_city.client() as client:
        follower = client.app.state.urbancast.follower
        before = follower.world.views["bikes"].snapshot
        follower.look()
        assert follower.world.views["bikes"].snapshot is before


def test_scores_that_come_in_quick_succession_are_shown_a_little_later_but_shown(moving_city: Any) -> None:
    ticks = {"now": origin_of(moving_city) + 12 * HOUR}
    with moving_city.client(clock=lambda: ticks["now"]) as client:
        follower = client.app.state.urbancast.follower

        def scored() -> int:
            follower.look()
            return int(client.get("/v1/products/bikes/track-record").json()["kinds"]["replay"]["n"])

        before = scored()
        rows = moving_city.lake.scan("scores", product="bikes").filter(pl.col("release") == "bicycles-gbm").collect()
        replayed = rows.filter(pl.col("kind").cast(pl.String) == "replay").drop("product", "run")
        later = replayed.with_columns(pl.col("day") - pl.duration(days=100))
        scores.add(moving_city.lake, "bikes", later, run="t")
        ticks["now"] += timedelta(seconds=1)
        assert scored() == before
        ticks["now"] += timedelta(seconds=9)
        assert scored() == 2 * before


def test_the_follower_polls_by_itself(moving_city: Any) -> None:
    origin = origin_of(moving_city)
    app = create_app(
        moving_city.lake.url, catalog=moving_city.catalog, clock=lambda: origin + 12 * HOUR, poll_seconds=0.001
    )

    async def scenario() -> None:
        follower = app.state.urbancast.follower
        async with app.router.lifespan_context(app):
            loop, swapped = asyncio.get_running_loop(), asyncio.Event()
            follower.swapped = lambda _: loop.call_soon_threadsafe(swapped.set)
            await asyncio.to_thread(moving_city.serve, "bikes", origin + HOUR)
            async with asyncio.timeout(20):
                await swapped.wait()
            assert follower.world.views["bikes"].snapshot.origin == origin + HOUR

    asyncio.run(scenario())


STEPS = [
    ([], False, ("waiting", None)),
    ([], True, ("ready", None)),
    ([("pull", "fetch", "started", 1)], False, ("pulling", None)),
    ([("pull", "fetch", "started", 5), ("pull", "fetch", "done", 4)], False, ("pulling", None)),
    ([("train", "fit", "started", 3)], True, ("training", None)),
    ([("backtest", "folds", "started", 3)], True, ("training", None)),
    ([("replay", "days", "started", 3), ("forecast", "write", "done", 2)], True, ("replaying", None)),
    ([("replay", "days", "started", 3), ("replay", "days", "done", 2)], True, ("ready", 1.0)),
    ([("pull", "fetch", "started", 3), ("pull", "fetch", "failed", 2)], True, ("failed", None)),
    ([("pull", "a", "failed", 3), ("pull", "b", "started", 2), ("pull", "b", "done", 1)], True, ("ready", 1.0)),
    ([("train", "fit", "started", 100)], False, ("failed", None)),
    ([("train", "fit", "started", 100)], True, ("ready", None)),
]


@pytest.mark.parametrize(("steps", "is_serving", "expected"), STEPS)
def test_progress_is_read_off_the_newest_runs(
    lake: Lake, steps: list[tuple[str, str, str, int]], is_serving: bool, expected: tuple[str, float | None]
) -> None:
    now = datetime(2021, 10, 31, tzinfo=UTC)
    for flow, step, state, ago in steps:
        at = now - timedelta(minutes=ago)
        runs.record(lake, "p", run="r", flow=flow, step=step, state=state, at=at)
    found = progress.read(runs.read(lake, "p"), is_serving=is_serving, now=now)
    assert (found.state, found.share) == expected


def test_importing_the_app_loads_nothing_that_trains_or_pulls() -> None:
    code = (
        "import sys, urbancast.api.app, urbancast.api.server; heavy = {'lightgbm', 'mlflow', 'dagster', 'httpx', "
        "'pandas', 'sklearn', 'matplotlib', 'urbancast.flows', 'urbancast.models', 'urbancast.features', "
        "'urbancast.portals', 'urbancast.registry', 'urbancast.evaluation'}; print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_forecasts_are_held_as_float32(moving_city: Any) -> None:
    with moving_city.client() as client:
        values = client.app.state.urbancast.world.views["bikes"].snapshot.grids["bicycles"].values
        assert (values.dtype, values.shape) == ("float32", (4, 14 * 24 + 72, 8))
