// Shapes as both maps need them: bounds, the place id as a property, and sites on one spot set side by side.
import type { Feature, FeatureCollection, Geometry, Position } from 'geojson'
import type { PlaceProperties, Places, Product } from '../types'

export type Bounds = [number, number, number, number]

export interface PlaceFeature extends Feature<Geometry, PlaceProperties & { place: string; shift: number }> {}

/** Features with `place` and `shift` (in half circles: -0.5 and 0.5 for two on one spot, 0 alone). */
export function prepared(places: Places): PlaceFeature[] {
  const spots = new Map<string, string[]>()
  for (const one of places.features) {
    if (one.geometry.type !== 'Point') continue
    const spot = one.geometry.coordinates.map((number) => number.toFixed(4)).join()
    spots.set(spot, [...(spots.get(spot) ?? []), String(one.id)])
  }
  const shift = new Map<string, number>()
  for (const ids of spots.values()) ids.forEach((id, i) => shift.set(id, i - (ids.length - 1) / 2))
  return places.features.map((one) => {
    const place = String(one.id)
    const properties = { ...(one.properties as PlaceProperties), place, shift: shift.get(place) ?? 0 }
    return { ...one, properties }
  })
}

export const shiftsOf = (features: readonly PlaceFeature[]): number[] =>
  [...new Set(features.map((one) => one.properties.shift))].sort((a, b) => a - b)

/** West, south, east, north of the served area and all places; around the centre where there are none. */
export function boundsOf(product: Product, features: readonly PlaceFeature[], mask?: Geometry | null): Bounds {
  const box: Bounds = [Infinity, Infinity, -Infinity, -Infinity]
  const shapes = [...features.map((one) => one.geometry), ...(mask ? [mask] : [])]
  for (const shape of shapes) for (const [x = 0, y = 0] of positions(shape)) {
    box[0] = Math.min(box[0], x)
    box[1] = Math.min(box[1], y)
    box[2] = Math.max(box[2], x)
    box[3] = Math.max(box[3], y)
  }
  if (Number.isFinite(box[0])) return box
  const [lon, lat] = product.centre
  return product.bounds ?? [lon - 0.1, lat - 0.07, lon + 0.1, lat + 0.07]
}

export function* positions(geometry: Geometry): Generator<Position> {
  if (geometry.type === 'GeometryCollection') {
    for (const one of geometry.geometries) yield* positions(one)
    return
  }
  yield* flat(geometry.coordinates)
}

function* flat(nested: unknown): Generator<Position> {
  if (!Array.isArray(nested)) return
  if (typeof nested[0] === 'number') yield nested as Position
  else for (const one of nested) yield* flat(one)
}

export const collection = (features: readonly Feature[]): FeatureCollection => ({ type: 'FeatureCollection', features: [...features] })

/** Middle of a geometry's box, for flying to it. */
export function middle(geometry: Geometry): [number, number] {
  const all = [...positions(geometry)]
  const xs = all.map((one) => one[0] ?? 0)
  const ys = all.map((one) => one[1] ?? 0)
  return [(Math.min(...xs) + Math.max(...xs)) / 2, (Math.min(...ys) + Math.max(...ys)) / 2]
}

/** The place whose middle lies nearest, by an equirectangular measure good enough within a city. */
export function nearest(places: Places, lon: number, lat: number): { place: string; name: string } | null {
  const squeeze = Math.cos((lat * Math.PI) / 180)
  let best: { place: string; name: string; far: number } | null = null
  for (const one of places.features) {
    const [x, y] = middle(one.geometry)
    const far = ((x - lon) * squeeze) ** 2 + (y - lat) ** 2
    if (!best || far < best.far) best = { place: String(one.id), name: String(one.properties?.name ?? one.id), far }
  }
  return best
}
