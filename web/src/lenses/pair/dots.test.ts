import { describe, expect, it } from 'vitest'
import { axis, between, dots } from './dots'

const quantiles = { q05: 8, q10: 9, q25: 11, q50: 14, q75: 18, q90: 25, q95: 31 }

describe('ten dots', () => {
  it('hold what the quantiles say: eight in the range, half below the middle, none beyond what was forecast', () => {
    const found = dots(quantiles, 1).map((one) => one.value)
    expect(found).toHaveLength(10)
    expect(found.filter((value) => value >= 9 && value <= 25)).toHaveLength(8)
    expect(found.filter((value) => value < 14)).toHaveLength(5)
    expect([found[0], found[9]]).toEqual([8, 31])
  })
  it('are stacked where they would cover each other', () => {
    const same = Object.fromEntries(Object.keys(quantiles).map((name) => [name, 7]))
    expect(dots(same, 1).map((one) => one.level)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(Math.max(...dots(quantiles, 1e-6).map((one) => one.level))).toBe(0)
  })
  it('run straight from one quantile to the next', () => {
    expect(between(quantiles, 0.375)).toBeCloseTo(12.5)
    expect(between(quantiles, 0.5)).toBe(14)
    expect(between(quantiles, 0.999)).toBe(31)
  })
})

it('the axis has round limits around all values and few ticks', () => {
  expect(axis(8, 31)).toEqual({ low: 5, high: 35, ticks: [5, 10, 15, 20, 25, 30, 35] })
  expect(axis(0.4, 0.6).low).toBe(0)
})
