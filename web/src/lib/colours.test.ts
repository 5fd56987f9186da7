import { describe, expect, it } from 'vitest'
import { classes, classOf, coloured, innerBreaks, isCounted, steps } from './colours'
import type { MapFrame } from './types'

const text = { en: '', es: '', fr: '' }
const frame: MapFrame = {
  product: 'p', measure: 'm', unit: text, at: '', at_local: '', origin: '', release: '', provenance: 'sample', simulated: true,
  places: ['a', 'b', 'c', 'd'], mean: [1, 50, null, 9], q50: [1, 50, null, 9], q10: [0, 40, null, 8], q90: [3, 60, null, 10],
  usual: [2, 50, null, 0], observed: [null, null, null, null], state: ['forecast', 'forecast', 'no_data', 'closed'],
  breaks: [1, 10, 20, 30, 40], times: { first: '', last: '', now: '', past_first: null },
}

describe('five classes', () => {
  it('come from five starts: what lies below the second belongs to the first', () => {
    expect(innerBreaks(frame.breaks)).toEqual([10, 20, 30, 40])
    expect(classOf(0, [10, 20, 30, 40])).toBe(0)
    expect(classOf(10, [10, 20, 30, 40])).toBe(1)
    expect(classOf(1e9, [10, 20, 30, 40])).toBe(4)
  })
  it('tell no data and closed apart from every class', () => {
    expect([...classes(frame, 'value').values()]).toEqual([0, 4, -1, -2])
  })
  it('of doubt go by the relative width, against usual by the ratio', () => {
    expect([...classes(frame, 'doubt').values()]).toEqual([4, 1, -1, -2])
    expect([...classes(frame, 'usual').values()]).toEqual([0, 2, -1, -2])
  })
})

it('a past hour without a kept forecast shows what was counted, and says so', () => {
  const past: MapFrame = { ...frame, kind: 'past', mean: [null, null, null, null], state: ['no_data', 'no_data', 'no_data', 'closed'], observed: [25, null, 3, 4] }
  expect(past.places.map((_, i) => coloured(past, i, 'value'))).toEqual([25, null, 3, null])
  expect(past.places.map((_, i) => coloured(past, i, 'usual'))).toEqual([null, null, null, null])
  expect(isCounted(past)).toBe(true)
  expect(isCounted({ ...past, kind: 'forecast' })).toBe(false)
})

const luminance = (hex: string): number => {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const share = parseInt(hex.slice(i, i + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

describe('steps can be ranked without seeing hue', () => {
  it.each([['light', 'value'], ['light', 'doubt'], ['dark', 'value'], ['dark', 'doubt']] as const)('%s %s', (theme, by) => {
    const found = steps(theme, by).map(luminance)
    const sorted = [...found].sort((a, b) => (theme === 'light' ? b - a : a - b))
    expect(found).toEqual(sorted)
    for (let i = 1; i < found.length; i += 1) {
      const [high, low] = [Math.max(found[i]!, found[i - 1]!), Math.min(found[i]!, found[i - 1]!)]
      expect((high + 0.05) / (low + 0.05)).toBeGreaterThan(1.3)
    }
  })
})
