// What the map page shows: shapes, the hour's frame, the chosen place's answer and series. Old ones stay until new ones come.
import * as api from './api'
import { app } from './store.svelte'
import type { Span } from './span'
import { DAY_MS, iso, ms } from './time'
import type { Answer, MapFrame, Places, Series } from './types'

const CHART_PAST_MS = 7 * DAY_MS
const FRAMES_KEPT = 400

/** A frame of the map; `from`: minutes from this zone, of a pair product. */
export interface Wanted {
  product: string
  measure: string
  at: number
  version: string
  from: string | null
}

export class View {
  places = $state.raw<Places | null>(null)
  placesOf = $state('')
  frame = $state.raw<MapFrame | null>(null)
  answer = $state.raw<Answer | null>(null)
  problem = $state.raw<api.Problem | null>(null)
  series = $state.raw<Series | null>(null)
  isWaiting = $state(false)
  /** The asker's own shares of cars that pay nothing, by measure; null: the product's. */
  prior = $state.raw<Record<string, number> | null>(null)

  private frames = new Map<string, Promise<MapFrame>>()
  private asked = { places: '', frame: '', answer: '', series: '' }

  clear(): void {
    this.places = this.frame = this.answer = this.series = null
    this.problem = this.prior = null
    this.placesOf = ''
    this.asked = { places: '', frame: '', answer: '', series: '' }
  }

  async loadPlaces(product: string, version: string): Promise<void> {
    const key = (this.asked.places = `${product}|${version}`)
    const found = await api.places(product).catch(() => null)
    if (this.asked.places !== key || !found) return
    if (JSON.stringify(found) !== JSON.stringify(this.places)) this.places = found
    this.placesOf = product
  }

  async loadFrame(wanted: Wanted): Promise<void> {
    const key = (this.asked.frame = frameKey(wanted))
    const found = await this.frameAt(wanted).catch(() => null)
    if (this.asked.frame === key && found) this.frame = found
  }

  /** Ask for a frame before it is wanted, so that playing is smooth. */
  prefetch(wanted: Wanted): void {
    this.frameAt(wanted).catch(() => undefined)
  }

  async loadAnswer(product: string, measure: string, place: string, at: number, version: string): Promise<void> {
    const address = app.spot?.place === place ? app.spot.address : null
    const key = (this.asked.answer = `${product}|${measure}|${place}|${at}|${version}|${JSON.stringify([this.prior, address])}`)
    this.isWaiting = true
    try {
      const found = await this.askAnswer(product, measure, place, at, address)
      if (this.asked.answer !== key) return
      this.answer = found
      this.problem = null
    } catch (error) {
      if (this.asked.answer !== key) return
      this.problem = error as api.Problem
      this.answer = null
    }
    this.isWaiting = false
  }

  private async askAnswer(product: string, measure: string, place: string, at: number, address: string | null): Promise<Answer> {
    const asked = { at: iso(at), measure, ...(this.prior ? { prior: this.prior } : {}) }
    try {
      if (address) return await api.answerWith(product, { address, ...asked })
    } catch (error) {
      // A street of several zones: the zone that was chosen answers for all of itself.
      if (!(error instanceof api.Problem) || !['ambiguous-address', 'needs-boundaries', 'address-unknown'].includes(error.state)) throw error
    }
    return this.prior ? api.answerWith(product, { place, ...asked }) : api.answer(product, place, iso(at), measure)
  }

  async loadSeries(product: string, measure: string, place: string, span: Span, version: string): Promise<void> {
    const key = (this.asked.series = `${product}|${measure}|${place}|${version}|${span.last}`)
    const start = ms(version.split('|')[0] || iso(span.first)) - CHART_PAST_MS
    const found = await api.series(product, place, iso(start), iso(span.last + span.grain), measure).catch(() => null)
    if (this.asked.series === key) this.series = found
  }

  forgetPlace(): void {
    this.answer = this.series = null
    this.problem = null
    this.asked.answer = this.asked.series = ''
  }

  private frameAt(wanted: Wanted): Promise<MapFrame> {
    const key = frameKey(wanted)
    let found = this.frames.get(key)
    if (!found) {
      found = api.map(wanted.product, iso(wanted.at), wanted.measure, wanted.from)
      found.catch(() => this.frames.delete(key))
      this.frames.set(key, found)
      const oldest = this.frames.keys().next().value
      if (this.frames.size > FRAMES_KEPT && oldest) this.frames.delete(oldest)
    }
    return found
  }
}

const frameKey = ({ product, measure, at, version, from }: Wanted): string => `${product}|${measure}|${at}|${version}|${from ?? ''}`
