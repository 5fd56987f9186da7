import { expect, it } from 'vitest'
import { read, write, type Where } from './hash'

const where: Where = {
  page: 'map', product: 'paris_bikes', lens: null, place: '100007049-101007049', from: null, to: null, at: '2026-11-21T17:00:00Z',
  measure: null, by: 'doubt', lang: 'fr',
}

it('a place in the address can be opened again', () => {
  expect(read(write(where))).toEqual(where)
})

it('the address stays short and readable', () => {
  expect(write(where)).toBe('#/map/paris_bikes?place=100007049-101007049&at=2026-11-21T17:00:00Z&by=doubt&lang=fr')
})

it('nonsense in the address is nothing, not a crash', () => {
  expect(read('#/%E0%A4%A/%%?at=yesterday&by=magic&lang=xx')).toEqual({
    page: 'map', product: null, lens: null, place: null, from: null, to: null, at: null, measure: null, by: 'value', lang: null,
  })
})

it('a lens and the zones of a journey can be opened again', () => {
  const taxi = { ...where, product: 'taxi', lens: 'pair', place: null, from: '8', to: '32' }
  expect(read(write(taxi))).toEqual(taxi)
  expect(write(taxi)).toContain('lens=pair&from=8&to=32')
})
