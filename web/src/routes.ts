// The pages, one row each: name in the address, word in the menu, component.
import type { Component } from 'svelte'
import type { Word } from './lib/i18n'
import About from './pages/About.svelte'
import MapPage from './pages/Map.svelte'
import Operations from './pages/Operations.svelte'
import TrackRecord from './pages/TrackRecord.svelte'

export interface Route {
  name: string
  word: Word
  page: Component
  /** For who runs the service: reached by the strip, not by the menu. */
  isQuiet?: boolean
}

export const routes: Route[] = [
  { name: 'map', word: 'nav_map', page: MapPage },
  { name: 'track-record', word: 'nav_track', page: TrackRecord },
  { name: 'about', word: 'nav_about', page: About },
  { name: 'operations', word: 'nav_operations', page: Operations, isQuiet: true },
]

export const routeOf = (name: string): Route => routes.find((one) => one.name === name) ?? (routes[0] as Route)
