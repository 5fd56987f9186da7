import { describe, expect, it } from 'vitest'
import { chanceOfAny, distance, number, oneEvery, oneIn, percent, said, times } from './format'

describe('numbers are said as the sentences of the API say them', () => {
  it.each([[4.26, '4.3'], [4, '4'], [47.4, '47'], [187, '187'], [413, '410'], [1286, '1,300'], [0, '0'], [-413, '\u2212410'], [-4.26, '\u22124.3']])('%d → %s', (value, text) => {
    expect(said(value, 'en')).toBe(text)
  })
  it('uses the marks of the language', () => {
    expect(said(4.26, 'fr')).toBe('4,3')
    expect(said(12_860, 'es')).toBe('13.000')
    expect(number(0.0312, 'fr')).toBe('0,031')
  })
})

describe('rare events', () => {
  it('are told as one in so many, to two figures', () => {
    expect(oneIn(0.0031)).toBe(320)
    expect(oneIn(0.09)).toBe(12)
  })
  it('are no longer rare from a chance of a quarter', () => {
    expect(chanceOfAny(0.3)).toBeGreaterThan(0.25)
    expect(oneIn(0.3)).toBeNull()
  })
  it('never become a division by zero', () => {
    expect(oneIn(0)).toBe(1_000_000)
  })
})

it('shares have one decimal only below a tenth', () => {
  expect(percent(0.793, 'en')).toBe('79\u00a0%')
  expect(percent(0.0521, 'fr', true)).toBe('+5,2\u00a0%')
})

it('a rate becomes a number per hour from one an hour on, as in the sentences of the API', () => {
  expect([0.0031, 0.5, 0.99, 1, 3].map(oneEvery)).toEqual([320, 2, 1, null, null])
})

it('distances and lifts are short', () => {
  expect([343, 996, 4321].map((one) => distance(one, 'en'))).toEqual(['340\u00a0m', '1\u00a0km', '4.3\u00a0km'])
  expect([1.25, 1.834, 12.4].map((one) => times(one, 'en'))).toEqual(['×1.25', '×1.83', '×12'])
})
