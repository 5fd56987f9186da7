import { describe, expect, it } from 'vitest'
import { clock, daysAway, HOUR_MS, iso, midnights, ms, snap } from './time'

const PARIS = 'Europe/Paris'

describe('local days', () => {
  it('of 25 hours have their midnights at the right instants', () => {
    const found = midnights(ms('2021-10-30T12:00:00Z'), ms('2021-11-01T12:00:00Z'), PARIS)
    expect(found.map(iso)).toEqual(['2021-10-30T22:00:00Z', '2021-10-31T23:00:00Z'])
  })
  it('of 23 hours too', () => {
    const found = midnights(ms('2021-03-27T12:00:00Z'), ms('2021-03-29T12:00:00Z'), PARIS)
    expect(found.map(iso)).toEqual(['2021-03-27T23:00:00Z', '2021-03-28T22:00:00Z'])
  })
  it('are counted by the calendar of the city, not by hours', () => {
    const now = ms('2021-10-30T21:30:00Z')
    expect(daysAway(ms('2021-10-30T22:30:00Z'), now, PARIS)).toBe(1)
    expect(daysAway(ms('2021-10-30T20:30:00Z'), now, PARIS)).toBe(0)
    expect(daysAway(ms('2021-10-29T20:30:00Z'), now, PARIS)).toBe(-1)
  })
})

it('a time is shown in the city, whatever the browser lives in', () => {
  expect(clock(ms('2021-07-12T16:00:00Z'), PARIS, 'en')).toBe('18:00')
  expect(clock(ms('2021-07-12T16:00:00Z'), 'America/New_York', 'fr')).toBe('12:00')
})

it('a time outside moves to the nearest served one', () => {
  const first = ms('2021-07-12T00:00:00Z')
  const last = first + 71 * HOUR_MS
  expect(snap(first - HOUR_MS, first, last, HOUR_MS)).toBe(first)
  expect(snap(last + 9 * HOUR_MS, first, last, HOUR_MS)).toBe(last)
  expect(snap(first + 90 * 60_000, first, last, HOUR_MS)).toBe(first + HOUR_MS)
})
