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

/** The departure with the fewest expected on a route, and by what share; null where none has at least a tenth fewer. */
export function quietest(answer: RouteAnswer, chosen: number): { time: string; share: number; isNight: boolean } | null {
  const own = answer.routes.find((route) => route.id === chosen)?.expected ?? 0
  let best: { time: string; share: number; isNight: boolean } | null = null
  for (const departure of answer.departures) {
    const expected = departure.routes.find((route) => route.id === chosen)?.expected
    if (expected === undefined || own <= 0) continue
    const share = 1 - expected / own
    if (share >= 0.1 && share > (best?.share ?? 0)) best = { time: departure.depart_at, share, isNight: departure.is_night }
  }
  return best
}
