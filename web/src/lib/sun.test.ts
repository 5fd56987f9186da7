import { describe, expect, it } from 'vitest'
import { nights, sunAltitude } from './sun'

const [LON, LAT] = [2.35, 48.86]

describe('the sun', () => {
  it('stands as high as the almanac says at midsummer noon', () => {
    expect(sunAltitude(Date.parse('2026-06-21T11:52:00Z'), LON, LAT)).toBeCloseTo(64.6, 0)
  })
  it('rises and sets over Paris within a step of ten minutes of the tables', () => {
    const [first, second] = nights(Date.parse('2026-03-20T12:00:00Z'), Date.parse('2026-03-21T12:00:00Z'), LON, LAT)
    expect(second).toBeUndefined()
    expect(Math.abs(first![0] - Date.parse('2026-03-20T18:02:00Z'))).toBeLessThan(15 * 60_000)
    expect(Math.abs(first![1] - Date.parse('2026-03-21T05:47:00Z'))).toBeLessThan(15 * 60_000)
  })
})
