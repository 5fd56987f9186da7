// A found route as lines of the map: one stretch a zone, coloured by its lift.
import type { Position } from 'geojson'
import { liftClass } from '../../lib/colours'
import type { RouteAnswer, RouteFound } from '../../lib/payloads'
import type { Line } from '../../lib/stage.svelte'

/** Stretches between the first and last vertex of each zone; what lies in no zone is told by no colour. */
export function stretches(route: RouteFound): Line['parts'] {
  const all = route.geometry.coordinates
  const parts: Line['parts'] = []
  let reached = 0
  for (const zone of route.zones) {
    const [first, last] = zone.part
    if (first > reached) parts.push({ step: -1, path: all.slice(reached, first + 1) })
    if (last > first) parts.push({ step: liftClass(zone.lift), path: all.slice(first, last + 1) })
    reached = Math.max(reached, last)
  }
  if (reached < all.length - 1) parts.push({ step: -1, path: all.slice(reached) })
  return parts
}

export const lines = (answer: RouteAnswer, chosen: number): Line[] =>
  answer.routes.map((route) => ({
    id: route.id, isChosen: route.id === chosen,
    parts: route.id === chosen ? stretches(route) : [{ step: -1, path: route.geometry.coordinates }],
  }))

/** All vertices of all routes: what the map should show. */
export const extent = (answer: RouteAnswer): Position[] => answer.routes.flatMap((route) => route.geometry.coordinates)
