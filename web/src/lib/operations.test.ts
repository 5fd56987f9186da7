import { expect, it } from 'vitest'
import { bytes, duration, fields, sorted } from './operations.format'

const plain = (text: string) => text.replaceAll('\u00a0', ' ')

it('durations are said in at most two units', () => {
  expect([0.04, 9.94, 9.96, 59.6, 250, 3600, 3900, 90000].map((one) => plain(duration(one, 'en')))).toEqual([
    '0 s', '9.9 s', '10 s', '1 min', '4 min 10 s', '1 h', '1 h 5 min', '25 h',
  ])
  expect(plain(duration(1.5, 'fr'))).toBe('1,5 s')
})

it('bytes are said in powers of a thousand', () => {
  expect([0, 812, 5_240_000, 1_000, 2.5e12].map((one) => plain(bytes(one, 'en')))).toEqual(['0 B', '812 B', '5.2 MB', '1 kB', '2.5 TB'])
})

it('rows are sorted either way, the empty ones last', () => {
  const rows = [{ n: 2 }, { n: null }, { n: 1 }]
  expect(sorted(rows, 'n', false).map((one) => one.n)).toEqual([1, 2, null])
  expect(sorted(rows, 'n', true).map((one) => one.n)).toEqual([2, 1, null])
  expect(rows.map((one) => one.n)).toEqual([2, null, 1])
})

it('facts are said by name, without what stands elsewhere', () => {
  expect(fields({ rows: 3, seconds: 1, notes: { a: 1 }, none: null }, ['seconds'])).toBe('rows 3 · notes {"a":1}')
})
