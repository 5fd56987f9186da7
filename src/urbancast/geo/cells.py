"""Schematic shapes without boundary files: area-true power cells around centroids.

Power diagram = lower hull of sites lifted to (x, |x|^2 - w) (Aurenhammer 1987); weights by damped
Newton on the areas, semi-discrete optimal transport (Kitagawa, Merigot, Thibert 2019).
Decisions: a place belongs to the outline part that holds its centroid, or that the disc of its area
touches; any other place is drawn as that disc. A part without places joins the part of the nearest
place. Areas are scaled to the outline part by part. Where centroids are too crowded
for their areas (no real city measured was), sites move to the middles of a recursive halving of the
domain, whose cells themselves stand in if even that fails: areas hold always.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from shapely.geometry import MultiPolygon, Point, Polygon, box

from urbancast.core.errors import ContractError
from urbancast.geo.metric import Floats, Plane, as_points
from urbancast.geo.outline import as_multipolygon

Shape = Polygon | MultiPolygon
Ints = NDArray[np.integer[Any]]
TOLERANCE = 0.005  # relative error of any cell's area at which the weights are good enough
_ACCEPTED = 0.02  # relative error of any cell's area that may stay
_STEPS = 60
_LEAST_STEP = 1 / 512  # of a Newton step: below it the sites are too crowded for their areas
_FAR = 30.0  # radius of the ring of guard sites, in domain sizes: bounds every cell, touches no domain
_APART = 1e-4  # least distance of two sites, in domain sizes


def power_cells(
    lat: Sequence[float], lon: Sequence[float], area_km2: Sequence[float], outline: MultiPolygon
) -> list[Shape]:
    """Disjoint cells in degrees, one a place in the given order, that fill the outline with areas in proportion.

    Areas hold within 5 % of each other after scaling to their outline part. A schematic: cells do not
    follow real borders. A cell in a bent outline may be a MultiPolygon. Deterministic.
    """
    area_m2 = np.asarray(area_km2, dtype=np.float64) * 1e6
    if not (np.isfinite(area_m2).all() and (area_m2 > 0).all()):
        raise ContractError(
            "area_km2: expected a positive area for every place, found none or zero; complete the places"
        )
    lons, lats = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    plane = Plane.around(outline) if not outline.is_empty else Plane(float(lons.mean()), float(lats.mean()))
    sites = plane.to_metres(lons, lats)
    cells: dict[int, Shape] = {}
    for domain, members in _domains(plane.flatten(outline), sites, area_m2):
        cells.update(zip(members, _fill(domain, sites[members], area_m2[members]), strict=True))
    taken = shapely.union_all([plane.flatten(outline)])
    for i in sorted(set(range(len(sites))) - set(cells)):
        disc = Point(sites[i]).buffer(float(np.sqrt(area_m2[i] / np.pi)), quad_segs=12)
        cells[i] = as_shape(disc.difference(taken))
        taken = taken.union(disc)
    return [as_shape(plane.unflatten(cells[i])) for i in range(len(sites))]


def as_shape(geometry: shapely.Geometry) -> Shape:
    """Polygon where one part is enough, else MultiPolygon."""
    parts = as_multipolygon(geometry).geoms
    return parts[0] if len(parts) == 1 else MultiPolygon(list(parts))


def _domains(outline: MultiPolygon, sites: Floats, area_m2: Floats) -> list[tuple[Shape, list[int]]]:
    """Outline parts with the places that share them; a part without places joined to the nearest place's part."""
    parts = list(outline.geoms)
    members: list[list[int]] = [[] for _ in parts]
    if not parts:
        return []
    reach_m = np.sqrt(area_m2 / np.pi)
    for i, site in enumerate(sites):
        gaps = shapely.distance(parts, Point(site))
        if gaps.min() <= reach_m[i]:
            members[int(gaps.argmin())].append(i)
    homes = {i: k for k, held in enumerate(members) for i in held}
    joined: list[list[Polygon]] = [[part] if held else [] for part, held in zip(parts, members, strict=True)]
    placed = sorted(homes)
    for part, held in zip(parts, members, strict=True):
        if not held and placed:
            nearest = placed[int(shapely.distance(part, shapely.points(sites[placed])).argmin())]
            joined[homes[nearest]].append(part)
    return [(as_shape(MultiPolygon(shapes)), held) for shapes, held in zip(joined, members, strict=True) if held]


def _fill(domain: Shape, sites: Floats, area_m2: Floats) -> list[Shape]:
    """Cells of one domain, in metres; weights move until every area is in proportion."""
    if len(sites) == 1:
        return [domain]
    west, south, east, north = domain.bounds
    origin, size = np.array([west, south]), max(east - west, north - south)
    unit = shapely.transform(domain, lambda c: (c - origin) / size)
    shapely.prepare(unit)
    points = _spread(_inside((sites - origin) / size, unit))
    goal = area_m2 / area_m2.sum() * unit.area
    diagram = _solve(points, goal, unit)
    cells = diagram.cells
    if diagram.error(goal) > _ACCEPTED:
        cells = _split(unit, points, goal)
        middles = shapely.get_coordinates(shapely.centroid(cells))
        again = _solve(_spread(_inside(middles, unit)), goal, unit)
        cells = again.cells if again.error(goal) <= _ACCEPTED else cells
    return [as_shape(shapely.transform(cell, lambda c: c * size + origin)) for cell in cells]


def _split(domain: Shape, points: Floats, goal: Floats) -> list[shapely.Geometry]:
    """Cells of exactly the goal's areas by halving the sites, and with them the domain, across the longer side."""
    if len(points) == 1:
        return [domain]
    west, south, east, north = domain.bounds
    axis = 0 if east - west >= north - south else 1
    order = np.argsort(points[:, axis], kind="stable")
    first, last = order[: len(order) // 2], order[len(order) // 2 :]
    low, high = (west, east) if axis == 0 else (south, north)
    wanted = goal[first].sum() / goal.sum() * domain.area
    for _ in range(40):
        at = (low + high) / 2
        part = domain.intersection(_below(domain, axis, at))
        low, high = (at, high) if part.area < wanted else (low, at)
    rest = domain.difference(_below(domain, axis, at))
    cells: list[shapely.Geometry] = [MultiPolygon()] * len(points)
    for members, half in ((first, part), (last, rest)):
        for i, cell in zip(members, _split(as_shape(half), points[members], goal[members]), strict=True):
            cells[i] = cell
    return cells


def _below(domain: Shape, axis: int, at: float) -> Polygon:
    """Box over the part of the bounds below a value of x (axis 0) or y (axis 1)."""
    west, south, east, north = domain.bounds
    return box(west, south, at, north) if axis == 0 else box(west, south, east, at)


def _inside(points: Floats, domain: Shape) -> Floats:
    """Sites moved to the nearest point of the domain where rounding put them outside."""
    moved = points.copy()
    for i in np.flatnonzero(~shapely.intersects_xy(domain, points[:, 0], points[:, 1])):
        inner = domain.buffer(-_APART)
        line = shapely.shortest_line(inner if not inner.is_empty else domain, Point(points[i]))
        moved[i] = line.coords[0]
    return moved


def _spread(points: Floats) -> Floats:
    """Sites that coincide moved apart on a small golden-angle spiral, in order."""
    spread = points.copy()
    for i in range(1, len(spread)):
        turn = 0
        while (np.hypot(*(spread[:i] - spread[i]).T) < _APART).any():
            turn += 1
            angle = 2.399963229728653 * turn
            spread[i] = points[i] + 2 * _APART * np.sqrt(turn) * np.array([np.cos(angle), np.sin(angle)])
    return spread


@dataclass(frozen=True)
class _Diagram:
    """Cells clipped to the domain, their areas, and the couplings -dA_i/dw_j of neighbours (n, n)."""

    cells: list[shapely.Geometry]
    areas: Floats
    coupling: Floats

    def error(self, goal: Floats) -> float:
        """Greatest relative error of an area."""
        return float(np.abs(self.areas / goal - 1).max())


def _solve(points: Floats, goal: Floats, domain: Shape) -> _Diagram:
    """Power diagram whose areas are the goal's: damped Newton from the Voronoi diagram."""
    weights = np.zeros(len(points))
    best = _diagram(points, weights, domain)
    floor = 0.5 * min(float(best.areas.min()), float(goal.min()))
    size = 0.5
    for _ in range(_STEPS):
        if best.error(goal) <= TOLERANCE:
            break
        gap = float(np.abs(goal - best.areas).sum())
        step = _newton_step(best.coupling, goal - best.areas)
        size = min(1.0, 2 * size)
        while size >= _LEAST_STEP:
            tried = _diagram(points, weights + size * step, domain)
            if tried.areas.min() >= floor and np.abs(goal - tried.areas).sum() <= (1 - size / 4) * gap:
                break
            size /= 2
        else:
            break
        weights, best = weights + size * step, tried
    return best


def _newton_step(coupling: Floats, missing: Floats) -> Floats:
    """Change of weights that would add the missing areas, to first order; mean zero."""
    laplacian = np.diag(coupling.sum(axis=1)) - coupling
    scale = max(float(np.trace(laplacian)) / len(missing), 1e-12)
    step = np.linalg.solve(laplacian + 1e-6 * scale * np.eye(len(missing)), missing)
    return cast("Floats", step - step.mean())


def _diagram(points: Floats, weights: Floats, domain: Shape) -> _Diagram:
    n = len(points)
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False) + 0.1
    ring = 0.5 + _FAR * np.column_stack([np.cos(angle), np.sin(angle)])
    every = np.vstack([points, ring])
    lifted = (every**2).sum(axis=1) - np.concatenate([weights, np.zeros(len(ring))])
    hull = ConvexHull(np.column_stack([every, lifted]), qhull_options="Qt")
    is_lower = hull.equations[:, 2] < -1e-12
    facets = np.flatnonzero(is_lower)
    centres = np.zeros((len(hull.simplices), 2))
    centres[facets] = -hull.equations[facets, :2] / (2 * hull.equations[facets, 2:3])
    cells = _cells(hull.simplices, facets, centres, n)
    clipped = shapely.intersection(cells, domain)
    return _Diagram(list(clipped), shapely.area(clipped), _coupling(hull, is_lower, centres, points, domain))


def _cells(simplices: Ints, facets: Ints, centres: Floats, n: int) -> NDArray[np.object_]:
    """Convex cells from the centres of the facets around each site; empty where a site has none."""
    site = simplices[facets].ravel()
    corner = centres[np.repeat(facets, 3)]
    keep = site < n
    order = np.argsort(site[keep], kind="stable")
    around = shapely.multipoints(as_points(corner[keep][order]), indices=site[keep][order], out=_nothing(n))
    return cast("NDArray[np.object_]", shapely.convex_hull(around))


def _nothing(n: int) -> NDArray[np.object_]:
    empty = np.empty(n, dtype=object)
    empty[:] = MultiPolygon()
    return empty


def _coupling(hull: ConvexHull, is_lower: NDArray[np.bool_], centres: Floats, points: Floats, domain: Shape) -> Floats:
    """Length of the border shared by two cells inside the domain over twice their sites' distance; (n, n)."""
    n = len(points)
    facet = np.repeat(np.arange(len(hull.simplices)), 3)
    other = hull.neighbors.ravel()
    ends = np.stack([hull.simplices[:, [1, 2]], hull.simplices[:, [0, 2]], hull.simplices[:, [0, 1]]], axis=1).reshape(
        -1, 2
    )
    keep = (facet < other) & is_lower[facet] & is_lower[other] & (ends < n).all(axis=1)
    borders = shapely.linestrings(np.stack([centres[facet[keep]], centres[other[keep]]], axis=1))
    length = shapely.length(shapely.intersection(borders, domain))
    i, j = ends[keep].T
    coupling = np.zeros((n, n))
    np.add.at(coupling, (i, j), length / (2 * np.hypot(*(points[i] - points[j]).T)))
    return coupling + coupling.T
