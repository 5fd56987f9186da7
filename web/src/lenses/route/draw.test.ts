import { describe, expect, it } from 'vitest'
import { liftClass } from '../../lib/colours'
import type { RouteAnswer, RouteFound, RouteZone } from '../../lib/payloads'
import { lines, stretches } from './draw'

const zone = (place: string, part: [number, number], lift: number | null): RouteZone =>
  ({ place, name: place, enter_at: '2026-11-21T17:00:00Z', seconds: 60, length_m: 500, expected: 0.01, lift, is_flagged: false, part })

const route = (id: number, expected: number, zones: RouteZone[]): RouteFound => ({
  id, label: { en: '', es: '', fr: '' }, length_m: 2000, duration_s: 300, arrive_at: '2026-11-21T17:05:00Z', expected,
  geometry: { type: 'LineString', coordinates: [[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]] },
  interval: { level: 0.8, low: 0, high: 1 }, chance_of_any: 0.01, per_km: 0.01, per_trip: null, lift: 1, shared_length: 1, zones,
})

describe('stretches of a route', () => {
  it('cover it without a gap, coloured by the zones they cross', () => {
    const found = stretches(route(0, 1, [zone('a', [0, 2], 0.5), zone('b', [2, 3], 2.4)]))
    expect(found.map((one) => one.step)).toEqual([0, 3, -1])
    expect(found.map((one) => one.path.length)).toEqual([3, 2, 2])
    for (const [i, one] of found.entries()) if (i) expect(one.path[0]).toEqual(found[i - 1]?.path.at(-1))
  })
  it('of roads not chosen are one line', () => {
    const answer = { routes: [route(0, 1, [zone('a', [0, 4], 1)]), route(1, 2, [zone('a', [0, 4], 1)])] } as RouteAnswer
    expect(lines(answer, 1).map((one) => [one.id, one.isChosen, one.parts.map((part) => part.step)])).toEqual([[0, false, [-1]], [1, true, [1]]])
  })
})

it('classes of lift begin at their limit; an unknown lift has none', () => {
  expect([null, 0.74, 0.75, 1.25, 2].map(liftClass)).toEqual([-1, 0, 1, 2, 3])
})
