// Routes over the map, as data.
import type { Feature, FeatureCollection } from 'geojson'
import type { DataDrivenPropertyValueSpecification, FilterSpecification, LayerSpecification } from 'maplibre-gl'
import { LIFT_COLOURS, type Theme } from '../colours'
import type { Line } from '../stage.svelte'

export const INK: Record<Theme, { casing: string; other: string; flagged: string }> = {
  light: { casing: '#1b1410', other: '#55606b', flagged: '#7a0f1d' },
  dark: { casing: '#05080b', other: '#9aa6b1', flagged: '#ffe9c4' },
}

/** A line's stretches as features; the chosen one last, so that it lies on top. */
export function lineFeatures(lines: readonly Line[]): FeatureCollection {
  const sorted = [...lines].sort((a, b) => Number(a.isChosen) - Number(b.isChosen))
  const features = sorted.flatMap((line) =>
    line.parts.map(({ step, path }): Feature => ({
      type: 'Feature', geometry: { type: 'LineString', coordinates: path }, properties: { line: line.id, step, chosen: line.isChosen },
    })),
  )
  return { type: 'FeatureCollection', features }
}

export function routeLayers(theme: Theme): LayerSpecification[] {
  const { casing, other } = INK[theme]
  const [mild, some, more, most] = LIFT_COLOURS[theme]
  const colour = ['match', ['get', 'step'], 0, mild, 1, some, 2, more, 3, most, other] as unknown as DataDrivenPropertyValueSpecification<string>
  const isChosen = ['==', ['get', 'chosen'], true] as FilterSpecification
  const isOther = ['==', ['get', 'chosen'], false] as FilterSpecification
  const round = { 'line-cap': 'round', 'line-join': 'round' } as const
  return [
    { id: 'routes-other', type: 'line', source: 'routes', filter: isOther, layout: round, paint: { 'line-color': other, 'line-width': 3.5, 'line-opacity': 0.85 } },
    { id: 'routes-casing', type: 'line', source: 'routes', filter: isChosen, layout: round, paint: { 'line-color': casing, 'line-width': 9.5 } },
    { id: 'routes', type: 'line', source: 'routes', filter: isChosen, layout: round, paint: { 'line-color': colour, 'line-width': 6 } },
  ]
}
