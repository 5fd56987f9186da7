// The map's layers as data: no tile, no glyph, no sprite is fetched.
import type { FeatureCollection } from 'geojson'
import type {
  DataDrivenPropertyValueSpecification, ExpressionSpecification, LayerSpecification, StyleSpecification,
} from 'maplibre-gl'
import type { Theme } from '../colours'
import { INK, routeLayers } from './overlay'

export interface Paper {
  land: string
  outside: string
  water: string
  edge: string
  line: string
  ink: string
  halo: string
  chosen: string
  hatch: string
}

export const PAPER: Record<Theme, Paper> = {
  light: {
    land: '#f3f1eb', outside: '#e3e1da', water: '#c6dbe6', edge: '#ffffff', line: '#b9b5aa',
    ink: '#3d4a55', halo: '#f8f7f3', chosen: '#111820', hatch: '#8a8f94',
  },
  dark: {
    land: '#1d262f', outside: '#12181e', water: '#0e3345', edge: '#0f151b', line: '#3a4651',
    ink: '#b9c4cd', halo: '#131a21', chosen: '#ffffff', hatch: '#77828c',
  },
}

export const EMPTY: FeatureCollection = { type: 'FeatureCollection', features: [] }

/** Colour by the class kept in feature state: 0..4, else the colour of "nothing to say". */
export function byClass(colours: readonly string[], none: string): DataDrivenPropertyValueSpecification<string> {
  const pairs = colours.flatMap((colour, i) => [i, colour])
  return ['match', ['coalesce', ['feature-state', 'step'], -1], ...pairs, none] as unknown as ExpressionSpecification
}

const isChosen = ['boolean', ['feature-state', 'chosen'], false] as ExpressionSpecification
const isOutlined = ['boolean', ['feature-state', 'outlined'], false] as ExpressionSpecification
const isHovered = ['boolean', ['feature-state', 'hovered'], false] as ExpressionSpecification

/** Radius in pixels from the share of the largest value kept in feature state. */
const radius = [
  'interpolate', ['exponential', 1.6], ['zoom'],
  9, ['+', 2.5, ['*', 3, ['coalesce', ['feature-state', 'size'], 0.3]]],
  12, ['+', 4.5, ['*', 7, ['coalesce', ['feature-state', 'size'], 0.3]]],
  15, ['+', 9, ['*', 14, ['coalesce', ['feature-state', 'size'], 0.3]]],
] as unknown as DataDrivenPropertyValueSpecification<number>

export function zoneLayers(paper: Paper, colours: readonly string[]): LayerSpecification[] {
  return [
    { id: 'zones', type: 'fill', source: 'places', paint: { 'fill-color': byClass(colours, paper.land), 'fill-opacity': 0.92 } },
    { id: 'zones-none', type: 'fill', source: 'places', filter: ['in', 'place', ''], paint: { 'fill-pattern': 'hatched' } },
    { id: 'zones-closed', type: 'fill', source: 'places', filter: ['in', 'place', ''], paint: { 'fill-pattern': 'striped' } },
    {
      id: 'zones-edge', type: 'line', source: 'places',
      paint: { 'line-color': paper.edge, 'line-width': ['interpolate', ['linear'], ['zoom'], 9, 0.5, 13, 1.4], 'line-opacity': 0.9 },
    },
  ]
}

export const zoneChosen = (paper: Paper, theme: Theme): LayerSpecification => ({
  id: 'zones-chosen', type: 'line', source: 'places', layout: { 'line-join': 'round' },
  paint: {
    'line-color': ['case', isChosen, paper.chosen, isOutlined, INK[theme].flagged, paper.chosen],
    'line-width': ['case', isChosen, 3, isOutlined, 2.5, isHovered, 1.6, 0],
  },
})

/** Sites that share one spot (two directions of a street) stand side by side: one layer for each shift in pixels. */
export function siteLayers(paper: Paper, colours: readonly string[], shifts: readonly number[]): LayerSpecification[] {
  return shifts.flatMap((shift): LayerSpecification[] => {
    const filter: ExpressionSpecification = ['==', ['get', 'shift'], shift]
    const translate = [
      'interpolate', ['linear'], ['zoom'], 10, ['literal', [shift * 8, 0]], 12, ['literal', [shift * 20, 0]], 15, ['literal', [shift * 40, 0]],
    ] as unknown as ExpressionSpecification
    return [
      {
        id: `sites${shift}`, type: 'circle', source: 'places', filter,
        paint: {
          'circle-color': byClass(colours, paper.land),
          'circle-radius': radius,
          'circle-translate': translate,
          'circle-stroke-color': ['case', isChosen, paper.chosen, paper.ink],
          'circle-stroke-width': ['case', isChosen, 3.5, isHovered, 2.5, 1],
          'circle-stroke-opacity': ['case', isChosen, 1, isHovered, 1, 0.75],
        },
      },
      {
        id: `sites-none${shift}`, type: 'symbol', source: 'places', filter: ['==', 'place', ''],
        layout: { 'icon-image': 'hatched-disc', 'icon-allow-overlap': true, 'icon-size': 0.5 },
        paint: { 'icon-translate': translate },
      },
      {
        id: `sites-closed${shift}`, type: 'symbol', source: 'places', filter: ['==', 'place', ''],
        layout: { 'icon-image': 'striped-disc', 'icon-allow-overlap': true, 'icon-size': 0.5 },
        paint: { 'icon-translate': translate },
      },
    ]
  })
}

function waterLayers(paper: Paper): LayerSpecification[] {
  return [
    { id: 'water-areas', type: 'fill', source: 'water', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': paper.water } },
    {
      id: 'water-lines', type: 'line', source: 'water', filter: ['==', ['geometry-type'], 'LineString'],
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': paper.water, 'line-width': ['interpolate', ['exponential', 1.7], ['zoom'], 9, 3, 12, 9, 15, 36] },
    },
  ]
}

function groundLayers(paper: Paper, hasMask: boolean): LayerSpecification[] {
  return [
    { id: 'outside', type: 'background', paint: { 'background-color': hasMask ? paper.outside : paper.land } },
    { id: 'served', type: 'fill', source: 'mask', paint: { 'fill-color': paper.land } },
  ]
}

const outline = (paper: Paper): LayerSpecification => ({
  id: 'served-edge', type: 'line', source: 'mask', paint: { 'line-color': paper.line, 'line-width': 1.2 },
})

function landmarkLayers(paper: Paper): LayerSpecification[] {
  return [
    {
      id: 'landmarks', type: 'symbol', source: 'landmarks',
      layout: {
        'icon-image': 'landmark', 'icon-size': 0.5, 'icon-allow-overlap': false,
        'text-field': ['get', 'name'], 'text-size': 12, 'text-anchor': 'left', 'text-offset': [0.6, 0], 'text-optional': true,
      },
      paint: { 'text-color': paper.ink, 'text-halo-color': paper.halo, 'text-halo-width': 1.6 },
    },
  ]
}

export interface Drawing {
  theme: Theme
  paper: Paper
  colours: readonly string[]
  isSites: boolean
  shifts: readonly number[]
  hasMask: boolean
}

/** The whole style; sources are filled by the caller. Water lies over zones, so that rivers stay visible; names over all. */
export function style(drawing: Drawing): StyleSpecification {
  const { theme, paper, colours, isSites, shifts, hasMask } = drawing
  const source = (extra: object = {}) => ({ type: 'geojson' as const, data: EMPTY, ...extra })
  return {
    version: 8,
    sources: { mask: source(), water: source(), landmarks: source(), places: source({ promoteId: 'place' }), routes: source() },
    layers: [
      ...groundLayers(paper, hasMask),
      ...(isSites ? [] : zoneLayers(paper, colours)),
      ...waterLayers(paper),
      outline(paper),
      ...(isSites ? siteLayers(paper, colours, shifts) : [zoneChosen(paper, theme)]),
      ...routeLayers(theme),
      ...landmarkLayers(paper),
    ],
  }
}
