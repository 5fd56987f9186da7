import { expect, it } from 'vitest'
import type { Product } from './types'
import { shownAt, spanOf } from './span'

const product = (serving: Record<string, string>, grain = '1h') => ({ grain, serving }) as unknown as Product
const hour = (text: string) => Date.parse(text)

it('an hour shown by default that is not yet here is not called now', () => {
  const span = spanOf(product({
    first_time: '2026-11-23T08:00:00Z', last_time: '2026-12-05T13:00:00Z', now: '2026-11-23T08:00:00Z',
    past_first: '2026-11-07T15:00:00Z', clock: '2026-11-21T15:00:00Z',
  }))!
  expect(span.clock).toBe(hour('2026-11-21T15:00:00Z'))
  expect(span.first).toBe(span.clock)
  expect(shownAt(span, null, span.now)).toBe(hour('2026-11-23T08:00:00Z'))
})

it('within a day of daily numbers the clock is that day', () => {
  const day = '2026-11-21T06:00:00Z'
  const span = spanOf(product({
    first_time: day, last_time: '2026-11-27T06:00:00Z', now: day, past_first: '2026-11-06T06:00:00Z', clock: '2026-11-21T15:00:00Z',
  }, '1d'))!
  expect(span.clock).toBe(hour(day))
})
