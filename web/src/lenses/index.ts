// How a person asks: one folder a lens, with the same names as in the API. A product shows its first known one.
import type { Component } from 'svelte'
import type { Product } from '../lib/types'
import type { Span, View } from '../lib/view.svelte'
import ZonePanel from './zone/Panel.svelte'

export interface LensProps {
  product: Product
  view: View
  span: Span | null
}

const LENSES: Record<string, Component<LensProps>> = { zone: ZonePanel }

export const lensOf = (product: Product): Component<LensProps> =>
  product.lenses.map((name) => LENSES[name]).find((one) => one !== undefined) ?? ZonePanel
