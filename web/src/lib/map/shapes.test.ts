import { expect, it } from 'vitest'
import type { Places } from '../types'
import { boundsOf, nearest, prepared, shiftsOf } from './shapes'

const site = (id: string, lon: number, lat: number) =>
  ({ type: 'Feature', id, properties: { name: id, part_of: null, area_km2: null, is_schematic: false }, geometry: { type: 'Point', coordinates: [lon, lat] } }) as const

const places = { type: 'FeatureCollection', features: [site('a', 2, 48), site('b', 2, 48), site('c', 3, 49)] } as unknown as Places

it('two directions on one spot stand side by side, a lone counter on its spot', () => {
  const features = prepared(places)
  expect(features.map((one) => one.properties.shift)).toEqual([-0.5, 0.5, 0])
  expect(shiftsOf(features)).toEqual([-0.5, 0, 0.5])
})

it('the first view holds every place and the served outline', () => {
  const mask = { type: 'Polygon', coordinates: [[[1, 47], [4, 47], [4, 48], [1, 47]]] } as const
  expect(boundsOf({} as never, prepared(places), mask as never)).toEqual([1, 47, 4, 49])
})

it('a landmark is answered for by the nearest site', () => {
  expect(nearest(places, 2.9, 48.9)?.place).toBe('c')
  expect(nearest({ type: 'FeatureCollection', features: [] }, 0, 0)).toBeNull()
})
