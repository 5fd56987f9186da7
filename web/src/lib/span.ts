// The hours that can be shown, and which of them is shown first.
import { DAY_MS, HOUR_MS, grainMs, ms, snap } from './time'
import type { Product } from './types'

const PAST_SHOWN_MS = DAY_MS

export interface Span {
  first: number
  last: number
  /** The hour shown when none is asked for. */
  now: number
  /** The hour it is; before `now` where nothing is forecast until later. */
  clock: number
  grain: number
}

/** The hours the slider runs over: a day of the past, then all that is forecast. Null before the first forecast. */
export function spanOf(product: Product | null): Span | null {
  const serving = product?.serving
  if (!product || !serving?.first_time || !serving.last_time) return null
  const grain = grainMs(product.grain)
  const first = ms(serving.first_time)
  const now = ms(serving.now)
  const wall = serving.clock ? ms(serving.clock) : now
  const clock = wall >= now && wall < now + grain ? now : wall
  const back = Math.min(first - Math.max(PAST_SHOWN_MS, grain), clock)
  const past = serving.past_first ? Math.max(ms(serving.past_first), back) : first
  const aligned = first - Math.floor((first - past) / grain) * grain
  return { first: aligned, last: ms(serving.last_time), now, clock, grain }
}

/** The hour shown: the asked one moved inside the span, else now, else (now lies outside) the first forecast hour. */
export function shownAt(span: Span, asked: string | null, firstForecast: number): number {
  if (asked) return snap(ms(asked), span.first, span.last, span.grain)
  if (span.now >= span.first && span.now < span.last + span.grain) return snap(span.now, span.first, span.last, span.grain)
  return snap(firstForecast + Math.min(12 * HOUR_MS, span.last - firstForecast), span.first, span.last, span.grain)
}
