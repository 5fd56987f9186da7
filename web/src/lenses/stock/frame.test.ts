import { expect, it } from 'vitest'
import { classOf, innerBreaks } from '../../lib/colours'
import { breaks } from './frame'

it('five classes of stock hold about as many warehouses each', () => {
  const values = Array.from({ length: 100 }, (_, i) => i * 3)
  const inner = innerBreaks(breaks(values))
  const sizes = [0, 0, 0, 0, 0]
  for (const value of values) sizes[classOf(value, inner)]! += 1
  expect(sizes).toEqual([20, 20, 20, 20, 20])
})

it('limits rise even where most have nothing', () => {
  const found = breaks([0, 0, 0, 0, 1, 7])
  expect(found.every((one, i) => i === 0 || one > found[i - 1]!)).toBe(true)
})
