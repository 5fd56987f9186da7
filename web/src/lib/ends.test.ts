import { describe, expect, it } from 'vitest'
import { Problem } from './api'
import { atAddress, atHit, atPlace, atPoint, Ends, unclear } from './ends.svelte'

describe('two ends', () => {
  it('are set one after the other by taps, then the last moves', () => {
    const ends = new Ends()
    for (const [lon, lat] of [[1, 2], [3, 4], [5, 6]] as const) ends.set(ends.active, atPoint(lon, lat))
    expect(ends.from?.end).toEqual({ lat: 2, lon: 1 })
    expect(ends.to?.end).toEqual({ lat: 6, lon: 5 })
  })
  it('are swapped and cleared', () => {
    const ends = new Ends()
    ends.set('from', atPlace('8', 'Loop'))
    ends.swap()
    expect([ends.from, ends.to?.end, ends.active]).toEqual([null, { place: '8' }, 'from'])
    ends.clear()
    expect(ends.areBoth).toBe(false)
  })
  it('take a zone by its id and a landmark by its point', () => {
    expect(atHit({ name: 'Loop', kind: 'zone', place: '8', lat: 1, lon: 2 }).end).toEqual({ place: '8' })
    expect(atHit({ name: 'Tower', kind: 'landmark', place: '8', lat: 1, lon: 2 }).end).toEqual({ lat: 1, lon: 2 })
  })
  it('know which of two addresses was not understood', () => {
    const ends = new Ends()
    ends.set('from', atAddress('Main Street'))
    ends.set('to', atAddress('Nowhere 5'))
    expect(unclear(ends, new Problem({ found: "'Nowhere 5'" }, 404))).toBe('to')
    expect(unclear(ends, new Problem({ found: "'Main Street'" }, 404))).toBe('from')
  })
})
