// Follow mode: the device's position, asked for only on a tap, and what the API says lies ahead of it.
import * as api from '../../lib/api'
import { bearing, metres } from '../../lib/sphere'
import type { NearAnswer, Warning } from '../../lib/payloads'
import { pick } from '../../lib/i18n'
import type { Lang } from '../../lib/types'

const RADIUS_M = 800
const STEP_M = 25
const STALE_MS = 15_000

export type FollowState = 'off' | 'asking' | 'on' | 'denied' | 'unavailable'

export interface Position {
  lat: number
  lon: number
  heading: number | null
}

export class Follow {
  state = $state<FollowState>('off')
  position = $state.raw<Position | null>(null)
  answer = $state.raw<NearAnswer | null>(null)
  problem = $state.raw<api.Problem | null>(null)
  isSpoken = $state(false)
  /** At most what the answer's budget allows, nearest first as they come. */
  warnings = $derived<Warning[]>(this.answer?.warnings.slice(0, this.answer.budget.most) ?? [])

  private watch: number | null = null
  private asked: { lat: number; lon: number; at: number } | null = null
  private said = new Set<string>()
  private lang: () => Lang
  private product: string

  constructor(product: string, lang: () => Lang) {
    this.product = product
    this.lang = lang
  }

  start(): void {
    if (!('geolocation' in navigator)) return void (this.state = 'unavailable')
    this.state = 'asking'
    this.watch = navigator.geolocation.watchPosition(
      ({ coords }) => void this.moved(coords.latitude, coords.longitude, coords.heading),
      (error) => this.failed(error),
      { enableHighAccuracy: true, maximumAge: 2_000, timeout: 30_000 },
    )
  }

  stop(): void {
    if (this.watch !== null) navigator.geolocation.clearWatch(this.watch)
    this.watch = this.position = this.answer = this.problem = this.asked = null
    this.said.clear()
    this.state = 'off'
  }

  private failed(error: GeolocationPositionError): void {
    if (this.position && error.code !== error.PERMISSION_DENIED) return
    this.stop()
    this.state = error.code === error.PERMISSION_DENIED ? 'denied' : 'unavailable'
  }

  private async moved(lat: number, lon: number, given: number | null): Promise<void> {
    const last = this.position
    const gone = last ? metres(last.lon, last.lat, lon, lat) : 0
    const own = given !== null && Number.isFinite(given) ? given : null
    // Standing still has no direction: the one of the last move stays.
    const heading = own ?? (last && gone > 5 ? bearing(last.lon, last.lat, lon, lat) : (last?.heading ?? null))
    this.state = 'on'
    this.position = { lat, lon, heading }
    const now = Date.now()
    if (this.asked && metres(this.asked.lon, this.asked.lat, lon, lat) < STEP_M && now - this.asked.at < STALE_MS) return
    this.asked = { lat, lon, at: now }
    try {
      const found = await api.near(this.product, { lat, lon, radius_m: RADIUS_M, ...(heading === null ? {} : { heading: Math.round(heading) % 360 }) })
      if (this.state !== 'on' || this.asked?.at !== now) return
      this.answer = found
      this.problem = null
      this.speak()
    } catch (error) {
      if (this.state === 'on') this.problem = error as api.Problem
    }
  }

  /** Each warning aloud once, where that was asked for. */
  private speak(): void {
    if (!this.isSpoken || !('speechSynthesis' in window)) return
    for (const one of this.warnings) {
      if (this.said.has(one.name)) continue
      this.said.add(one.name)
      const words = new SpeechSynthesisUtterance(pick(one.sentence, this.lang()))
      words.lang = this.lang()
      speechSynthesis.speak(words)
    }
  }
}
