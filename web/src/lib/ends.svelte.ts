// The two ends of a journey. They live in memory only: a point or an address never enters the page's address.
import type { Problem } from './api'
import type { End } from './payloads'
import type { Hit } from './types'

export type Side = 'from' | 'to'

export interface Chosen {
  end: End
  /** Null: a point on the map, named by the answer. */
  name: string | null
  spot: [number, number] | null
}

export class Ends {
  from = $state.raw<Chosen | null>(null)
  to = $state.raw<Chosen | null>(null)
  /** Which end the next tap on the map sets. */
  active = $state<Side>('from')

  /** Both ends are there. */
  get areBoth(): boolean {
    return this.from !== null && this.to !== null
  }

  set(side: Side, chosen: Chosen | null): void {
    this[side] = chosen
    const other: Side = side === 'from' ? 'to' : 'from'
    if (chosen) this.active = this[other] ? 'to' : other
    else this.active = side
  }

  swap(): void {
    ;[this.from, this.to] = [this.to, this.from]
    if (!this.areBoth) this.active = this.from ? 'to' : 'from'
  }

  clear(): void {
    this.from = this.to = null
    this.active = 'from'
  }
}

/** The end that a problem is about: the address it names, else the first address. */
export function unclear(ends: Ends, problem: Problem | null): Side {
  const [from, to] = [ends.from?.end, ends.to?.end]
  if (!to || !('address' in to)) return 'from'
  if (!from || !('address' in from)) return 'to'
  return `${problem?.body.found ?? ''} ${problem?.body.detail ?? ''}`.includes(to.address) ? 'to' : 'from'
}

export const atPoint = (lon: number, lat: number): Chosen => ({ end: { lat, lon }, name: null, spot: [lon, lat] })
export const atAddress = (text: string): Chosen => ({ end: { address: text }, name: text, spot: null })
export const atPlace = (place: string, name: string, spot: [number, number] | null = null): Chosen => ({ end: { place }, name, spot })

/** A suggestion of the search: a place by its id, anything else by its point. */
export const atHit = (hit: Hit): Chosen =>
  hit.place && hit.kind !== 'street' && hit.kind !== 'landmark'
    ? atPlace(hit.place, hit.name, [hit.lon, hit.lat])
    : { end: { lat: hit.lat, lon: hit.lon }, name: hit.name, spot: [hit.lon, hit.lat] }
