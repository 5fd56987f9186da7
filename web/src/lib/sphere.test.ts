import { expect, it } from 'vitest'
import { bearing, metres } from './sphere'

it('a degree of latitude is 111 km, of longitude less with the cosine', () => {
  expect(metres(2, 48, 2, 49)).toBeCloseTo(111_195, -2)
  expect(metres(2, 60, 3, 60)).toBeCloseTo(55_597, -2)
})

it.each([[0, 1, 0], [1, 0, 90], [0, -1, 180], [-1, 0, 270]])('towards %d, %d is %d degrees', (x, y, degrees) => {
  expect(bearing(0, 0, x, y)).toBeCloseTo(degrees, 5)
})
