// How a person asks: one folder a lens, with the same names as in the API. A product opens with its first known one.
import type { Component } from 'svelte'
import type { Word } from '../lib/i18n'
import type { Stage } from '../lib/stage.svelte'
import type { Product } from '../lib/types'
import type { Span } from '../lib/span'
import type { View } from '../lib/view.svelte'
import PairPanel from './pair/Panel.svelte'
import RoutePanel from './route/Panel.svelte'
import StockPanel from './stock/Panel.svelte'
import ZonePanel from './zone/Panel.svelte'

export interface LensProps {
  product: Product
  view: View
  span: Span | null
  /** The hour shown; null before the first forecast. */
  at: number | null
  stage: Stage
}

export interface Lens {
  name: string
  word: Word
  panel: Component<LensProps>
  /** Is it asked of an hour? Then the slider is shown. */
  isTimed: boolean
}

const ZONE: Lens = { name: 'zone', word: 'lens_zone', panel: ZonePanel, isTimed: true }
const LENSES: Lens[] = [
  ZONE,
  { name: 'route', word: 'lens_route', panel: RoutePanel, isTimed: true },
  { name: 'pair', word: 'lens_pair', panel: PairPanel, isTimed: true },
  { name: 'stock', word: 'lens_stock', panel: StockPanel, isTimed: false },
]

/** The product's lenses in its own order. */
export function lensesOf(product: Product): Lens[] {
  const known = product.lenses.flatMap((name) => LENSES.filter((one) => one.name === name))
  return known.length ? known : [ZONE]
}

/** The lens asked for; one that the product has not is its first. A place in an old address means the zone lens. */
export function lensOf(product: Product, asked: string | null, hasPlace: boolean): Lens {
  const own = lensesOf(product)
  const meant = asked ?? (hasPlace ? 'zone' : null)
  return own.find((one) => one.name === meant) ?? (own[0] as Lens)
}
