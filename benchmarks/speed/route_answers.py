"""A whole route answer on the real road graph: ours, scipy with an STRtree, networkx with geopandas.

    python benchmarks/speed/route_answers.py [--pairs 400] [--plain 60] [--usual 20]

Each answers the same pairs of points: up to three paths that differ, zones of each, and expected events of made
zone-hour forecasts at 24 departures. The quickest path, its zones and its sums must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from _roads import DEPART, DEPARTURES, PATHS, Answer, World, answer, read
from _route_peers import Plain, Usual

from urbancast.geo.along import along
from urbancast.geo.routing import BuiltIn

OUT = Path(__file__).resolve().parents[1] / "out" / f"{Path(__file__).stem}.json"
CHECKED = 200


def main() -> None:
    """Print milliseconds of each and whether they agree; 1 where they do not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--plain", type=int, default=60)
    parser.add_argument("--usual", type=int, default=20)
    asked = parser.parse_args()
    world = read()
    if world is None:
        return
    router = BuiltIn(world.network)
    pairs = world.pairs(asked.pairs)
    print(f"graph      {len(world.network.lon):,} nodes, {world.network.links:,} links, {len(world.pieces):,} pieces; "
          f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    mine, ours_ms, busy_ms = timed(lambda *ends: answer(world, router, *ends), pairs)
    rows = [row("ours", mine, ours_ms, busy_ms)]
    for name, count, make in (("scipy, STRtree", asked.plain, Plain), ("networkx, geopandas", asked.usual, Usual)):
        try:
            peer = make(world)
        except ImportError as error:
            print(f"skipped: {name}, {error}")
            continue
        answers, took_ms, worked_ms = timed(peer.answer, pairs[:count])
        longer = {"times_as_long": round(float(np.median(worked_ms) / np.median(busy_ms)), 1)}  # of the processor
        rows.append(row(name, answers, took_ms, worked_ms) | longer)
        compare(name, mine, answers)
    print(f"zones      {check_zones(world, router)} paths: the zones along each are those of its line, exactly")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows), "utf-8")


def timed(ask: Callable[..., Answer], pairs: list[Any]) -> tuple[list[Answer], Any, Any]:
    """Answers, the seconds of each, and those of the processor, after three unmeasured ones."""
    for ends in pairs[:3]:
        ask(*ends)
    answers, seconds, worked = [], [], []
    for ends in pairs:
        began, busy = time.perf_counter(), time.process_time()
        answers.append(ask(*ends))
        seconds.append(time.perf_counter() - began)
        worked.append(time.process_time() - busy)
    return answers, np.array(seconds) * 1e3, np.array(worked) * 1e3


def row(name: str, answers: list[Answer], took_ms: Any, worked_ms: Any) -> dict[str, Any]:
    """One line of the table, printed too."""
    p50, p99 = (float(value) for value in np.percentile(took_ms, [50, 99]))
    busy50, busy99 = (float(value) for value in np.percentile(worked_ms, [50, 99]))
    paths = float(np.mean([len(one.seconds) for one in answers]))
    print(f"{name:<20} p50 {p50:6.1f} ms, p99 {p99:6.1f} ms (processor {busy50:5.1f}, {busy99:5.1f}); "
          f"{len(answers)} answers, {paths:.2f} paths each")  # fmt: skip
    return {
        "answer": f"{name}: up to {PATHS} paths, 24 departures",
        "pairs": len(answers),
        "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1),
        "processor_p50_ms": round(busy50, 1),
        "paths_each": round(paths, 2),
    }


def compare(name: str, mine: list[Answer], theirs: list[Answer]) -> None:
    """Stop where a peer finds a quicker way, or the same path has other zones or sums.

    Ties may be other paths; ours may begin on a street that passes within 2 m of the junction. One departure may
    differ: a link entered on the full hour, to the last bit.
    """
    equal = same = 0
    for ours, other in zip(mine, theirs, strict=False):
        if other.searched_s < ours.searched_s - 0.01:
            raise SystemExit(f"{name}: quicker in {other.searched_s:.2f} s, ours takes {ours.searched_s:.2f} s")
        equal += other.searched_s < ours.searched_s + 0.01
        if other.links[0] not in ours.links:
            continue
        row = ours.links.index(other.links[0])
        same += 1
        alike = np.isclose(ours.expected[row], other.expected[0], rtol=1e-3).sum()
        if ours.zones[row] != other.zones[0] or alike < DEPARTURES - 1:
            raise SystemExit(f"{name}: other zones or sums along the same path")
    print(f"  agreement  {equal} of {len(theirs)} quickest as long, none quicker; {same} one path: same zones and sums")


def check_zones(world: World, router: BuiltIn) -> int:
    """Compare zones along paths with the whole line cut by every zone; the number of paths compared."""
    peer = Plain(world)
    compared = 0
    for start, end in world.pairs(CHECKED)[::-1]:
        for path in router.route(start, end, depart_local=DEPART, count=PATHS):
            line = shapely.linestrings(np.column_stack([path.lon, path.lat]))
            cuts = shapely.length(shapely.intersection(line, peer.shapes))
            exact = {peer.names[k] for k in np.flatnonzero(cuts > 2e-8)}
            if exact != {world.pieces.places[zone] for zone in along(path, world.pieces).place}:
                raise SystemExit("ZONES DIFFER")
            compared += 1
    return compared


if __name__ == "__main__":
    main()
