"""Roads from files: built once, shares as known at the origin, and a name for what makes no roads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import shapely

from urbancast import products
from urbancast.core.errors import ContractError
from urbancast.flows import network, pull
from urbancast.flows.job import Clock, Job
from urbancast.geo.streets import Streets
from urbancast.lake import network as kept, places, raw, runs, serving
from urbancast.lake.store import Lake
from urbancast.portals.emulator import Emulator
from urbancast.portals.session import Policy

CUT = datetime(2022, 6, 1, tzinfo=UTC)
NOW = datetime(2023, 1, 1, tzinfo=UTC)
LON, LAT = np.linspace(-73.995, -73.965, 7), np.linspace(40.705, 40.735, 7)
Open = Callable[..., Job]


def write_roads(folder: Path) -> dict[str, str]:
    """Native tables without a header: 49 nodes from 1 on, streets both ways, seconds of three kinds of day."""
    row = {(x, y): n + 1 for n, (x, y) in enumerate((x, y) for x in range(7) for y in range(7))}
    pairs = [(n, row[to]) for (x, y), n in row.items() for to in ((x + 1, y), (x, y + 1)) if to in row]
    both = pairs + [(b, a) for a, b in pairs]
    lines = {
        "nodes": [(n, LAT[y], LON[x]) for (x, y), n in row.items()],
        "edges": [(n + 1, *pair) for n, pair in enumerate(both)],
        **{f"times_{day}": [(n + 1, *range(40, 64)) for n in range(len(both))] for day in ("week", "sat", "sun")},
    }
    for name, rows in lines.items():
        (folder / f"{name}.csv").write_text("".join(",".join(map(str, each)) + "\n" for each in rows))
    return {name: str(folder / f"{name}.csv") for name in lines}


def write_osm(folder: Path) -> dict[str, str]:
    """An extract of two streets that cross."""
    at = [(1, 40.71, -73.99), (2, 40.71, -73.98), (3, 40.71, -73.97), (4, 40.72, -73.98), (5, 40.70, -73.98)]
    nodes = "".join(f'<node id="{n}" lat="{lat}" lon="{lon}" version="1"/>' for n, lat, lon in at)
    ways = "".join(
        f'<way id="{n}" version="1">{"".join(f"""<nd ref="{ref}"/>""" for ref in refs)}'
        f'<tag k="highway" v="primary"/><tag k="name" v="{name}"/></way>'
        for n, refs, name in ((1, (1, 2, 3), "Broad Street"), (2, (4, 2, 5), "Long Avenue"))
    )
    (folder / "city.osm").write_text(f'<?xml version="1.0"?><osm version="0.6">{nodes}{ways}</osm>')
    return {"roads": str(folder / "city.osm")}


def write_city(folder: Path, *, late_lon: float = LON[1]) -> dict[str, str]:
    """Two zones and 400 crashes: until the cut on the third avenue, later on another."""
    rng = np.random.default_rng(5)
    early = [(CUT - timedelta(days=400 - i), LON[2]) for i in range(300)]
    late = [(CUT + timedelta(days=i // 4), late_lon) for i in range(100)]
    rows = [(at.replace(tzinfo=None), rng.uniform(LAT[0], LAT[-1]), lon, 1, 0) for at, lon in early + late]
    names = ["ts", "latitude", "longitude", "people_injured", "people_killed"]
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(folder / "crashes.parquet")
    zones = [("1", "West", LON[0] - 0.01, LON[3] + 0.0001), ("2", "East", LON[3] + 0.0001, LON[-1] + 0.01)]
    features = [
        {"type": "Feature", "properties": {"location_id": place, "zone": name, "borough": "Test"},
         "geometry": json.loads(shapely.to_geojson(shapely.box(low, LAT[0] - 0.01, high, LAT[-1] + 0.01)))}
        for place, name, low, high in zones
    ]  # fmt: skip
    (folder / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return {"crashes": str(folder / "crashes.parquet"), "places": str(folder / "zones.geojson")}


@pytest.fixture
def open_job(lake: Lake, tmp_path: Path) -> Open:
    """Open the product on files of a tiny city; keyword arguments replace or (None) take away links."""

    def opened(**links: str | None) -> Job:
        whole = {**write_city(tmp_path), **write_roads(tmp_path), **links}
        named = {name: link for name, link in whole.items() if link is not None}
        return Job(product=products.get("nyc_crashes"), recipe=products.recipe("nyc_crashes"), lake=lake, now=NOW,
                   provenance="extract", links=named)  # fmt: skip

    return opened


NO_TABLES: dict[str, str | None] = dict.fromkeys(("nodes", "edges", "times_week", "times_sat", "times_sun"))


def served(job: Job, origin: datetime) -> Streets:
    return Streets.load(kept.load(job.lake, job.product.id, network.version(job, origin)["network"]))


def facts_of(job: Job, step: str) -> dict[str, Any]:
    rows = runs.read(job.lake, job.product.id).filter((pl.col("step") == step) & (pl.col("state") == "done"))
    found: dict[str, Any] = json.loads(rows["facts"][-1])
    return found


def share_of_avenue(streets: Streets, lon: float) -> float:
    """Share of the west zone's crashes on the streets along a longitude."""
    on = np.flatnonzero(np.abs(streets.middle[:, 0] - lon) < 1e-6)
    rows = np.isin(streets.row_street, on) & (streets.row_place == 0)
    return float(streets.row_share[rows].sum())


def test_a_pull_of_tables_builds_roads_and_counts_what_it_used(open_job: Open) -> None:
    job = open_job()
    pull.run(job)
    facts = facts_of(job, "network")
    assert (facts["nodes_used"], facts["links_used"]) == (49, 168)
    assert facts["pieces"] >= 168
    streets = served(job, NOW)
    assert len(streets.events) == 84  # both ways are one street
    assert streets.facts["events"] == 400
    assert streets.facts["events_on_streets"] == 400
    assert (streets.share_of_place <= 1 + 1e-9).all()
    assert streets.trips.shape == (2, 0)


def test_a_second_pull_builds_nothing_anew(open_job: Open) -> None:
    job = open_job()
    pull.run(job)
    before = job.lake.files.list("network")
    name = network.version(job, NOW)
    pull.run(job.at(NOW + timedelta(days=1)))
    assert network.version(job, NOW) == name
    assert sorted(job.lake.files.list("network")) == sorted([*before, f"network/nyc_crashes/{name['network']}.zip"])


def test_shares_know_nothing_that_was_published_later(open_job: Open, tmp_path: Path) -> None:
    job = open_job()
    pull.run(job)
    then, now = served(job, CUT), served(job, NOW)
    assert then.facts["events"] < now.facts["events"] == 400
    assert share_of_avenue(then, LON[2]) > 0.8
    assert share_of_avenue(then, LON[1]) < 0.1 < share_of_avenue(now, LON[1])


def test_the_same_history_makes_the_same_file_whatever_comes_after(open_job: Open, tmp_path: Path) -> None:
    job = open_job()
    pull.run(job)
    name = network.version(job, CUT)
    other = replace(
        job, lake=Lake.open(str(tmp_path / "other")), links={**job.links, **write_city(tmp_path, late_lon=LON[5])}
    )
    pull.run(other)
    assert network.version(other, CUT) == name


def test_what_is_served_is_kept_for_four_weeks(open_job: Open) -> None:
    job = open_job()
    pull.run(job)
    name = network.version(job, CUT)
    serving.move(
        job.lake, product=job.product.id, origin=CUT, releases={}, versions=name, provenance="extract",
        data_to=None, moved_at=CUT, run="t",
    )  # fmt: skip
    assert network.version(job, CUT + timedelta(days=27)) == name
    assert network.version(job, CUT + timedelta(days=28)) != name
    assert network.version(job, CUT - timedelta(days=1)) != name  # an earlier origin must not know more


def test_an_extract_makes_roads_with_names(open_job: Open, tmp_path: Path) -> None:
    job = open_job(**NO_TABLES, **write_osm(tmp_path))
    pull.run(job)
    streets = served(job, NOW)
    assert set(streets.network.names) >= {"Broad Street", "Long Avenue"}
    assert len(streets.events) == 4


def test_an_extract_beside_tables_is_refused_by_name(open_job: Open, tmp_path: Path) -> None:
    job = open_job(**write_osm(tmp_path))
    with pytest.raises(ContractError, match="as nodes and edges, or as one extract"):
        pull.run(job)


def test_nodes_without_edges_are_refused_by_name(open_job: Open) -> None:
    with pytest.raises(ContractError, match="0 of edges"):
        pull.run(open_job(edges=None))


def test_swapped_tables_are_refused_by_name(open_job: Open, tmp_path: Path) -> None:
    links = write_roads(tmp_path)
    with pytest.raises(ContractError, match=r"(nodes|edges)"):
        pull.run(open_job(nodes=links["edges"], edges=links["nodes"]))
    with pytest.raises(ContractError, match="times_week"):
        pull.run(open_job(times_week=links["nodes"]))


def test_real_roads_are_not_cut_by_schematic_zones(open_job: Open) -> None:
    job = open_job()
    pull.run(job)
    rows = places.get(job.lake, job.product.id).drop("product").with_columns(is_schematic=pl.lit(value=True))
    places.put(job.lake, job.product.id, rows)
    assert network.put(job) == {"roads": "need real boundaries"}


def test_a_pull_without_roads_serves_none(open_job: Open) -> None:
    job = open_job(**NO_TABLES)
    pull.run(job)
    assert network.put(job) == {"roads": "none"}
    assert network.version(job, NOW) == {}


def test_roads_at_a_portal_are_asked_again_after_four_weeks(open_job: Open) -> None:
    job = open_job()
    pull.run(job)
    nodes = next(source for source in job.recipe.sources if source.name == "nodes")
    at_portal = replace(job, links={}, provenance="sample")
    assert raw.manifest(job.lake, job.product.id, "nodes").height == 1
    assert not network.is_due(at_portal.at(NOW + timedelta(days=27)), nodes)
    assert network.is_due(at_portal.at(NOW + timedelta(days=28)), nodes)
    assert network.is_due(job, nodes)


def test_roads_that_a_portal_does_not_give_leave_all_else_going(lake: Lake) -> None:
    recipe = replace(products.recipe("nyc_crashes"), history=timedelta(days=6), context=timedelta(days=2))
    clock = Clock(now=NOW)
    with Emulator(products.sample("nyc_crashes").datasets(), clock=lambda: clock.now) as emulator:
        job = Job(product=products.get("nyc_crashes"), recipe=recipe, lake=lake, now=NOW, provenance="sample",
                  portal_url=emulator.url, clock=clock, policy=Policy(attempts=1, wait_initial_s=0))  # fmt: skip
        emulator.faults.inject("500", match="roads_edges", times=1)
        assert pull.run(job).used["crashes"] > 0
        assert list(facts_of(job, "fetch")["without"]) == ["edges"]
        assert network.version(job, NOW) == {}
        later = job.at(NOW + timedelta(days=1))
        pull.run(later)
    assert facts_of(job, "network")["links_used"] > 10_000
    assert len(served(job, later.now).events) > 5_000


def test_trips_by_zone_are_kept_beside_the_roads(open_job: Open, tmp_path: Path) -> None:
    rows = pl.DataFrame({"place": ["1"] * 168, "hour_of_week": range(168), "trips": [float(h) for h in range(168)]})
    rows.write_csv(tmp_path / "volumes.csv")
    job = open_job(volumes=str(tmp_path / "volumes.csv"))
    pull.run(job)
    trips = served(job, NOW).trips
    assert trips[0].tolist() == [float(h) for h in range(168)]
    assert np.isnan(trips[1]).all()
