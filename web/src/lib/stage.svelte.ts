// What a lens puts on the map: what is coloured, lines, marks, outlined places, and what a tap does. The map reads it.
import type { Snippet } from 'svelte'
import type { Position } from 'geojson'
import type { MapFrame } from './types'

/** Where the map was tapped: a point, the place under it, the line near it. */
export interface Spot {
  lon: number
  lat: number
  place: string | null
  line: number | null
}

export interface Line {
  id: number
  isChosen: boolean
  /** Stretches of the line with their class of lift; -1 is told by no colour. */
  parts: { step: number; path: Position[] }[]
}

export interface Mark {
  id: string
  kind: 'from' | 'to' | 'here' | 'warning'
  lon: number
  lat: number
  text: string
  label: string
  /** Degrees clockwise from north, where known. */
  heading?: number | null
  moved?: (lon: number, lat: number) => void
}

export interface Overlay {
  lines: Line[]
  marks: Mark[]
  outlined: string[]
  isDimmed: boolean
  /** Shown whole when the text changes. */
  fit: { key: string; path: Position[] } | null
  centre: Position | null
}

export const BARE: Overlay = { lines: [], marks: [], outlined: [], isDimmed: false, fit: null, centre: null }

export class Stage {
  overlay = $state.raw<Overlay>(BARE)
  tap = $state.raw<((spot: Spot) => void) | null>(null)
  /** Coloured instead of the hour's frame. */
  frame = $state.raw<MapFrame | null>(null)
  legend = $state<'frame' | 'lift'>('frame')
  title = $state<string | null>(null)
  banner = $state.raw<Snippet | null>(null)

  private kept = new Map<string, unknown>()

  /** What a lens remembers while the page is open: made once for a key. Locations live here, never in the address. */
  keep<T>(key: string, make: () => T): T {
    if (!this.kept.has(key)) this.kept.set(key, make())
    return this.kept.get(key) as T
  }

  /** Bare again, as every lens leaves it. */
  clear(): void {
    this.overlay = BARE
    this.tap = this.frame = this.title = this.banner = null
    this.legend = 'frame'
  }
}
