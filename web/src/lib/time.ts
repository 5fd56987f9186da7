// Instants are UTC; what a person reads is the city's local time.
import type { Lang } from './types'

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000
const GRAINS: Record<string, number> = { '15m': HOUR_MS / 4, '30m': HOUR_MS / 2, '1h': HOUR_MS, '1d': DAY_MS }

/** Grain in milliseconds; an hour when unknown. */
export const grainMs = (grain: string): number => GRAINS[grain] ?? HOUR_MS

export const ms = (iso: string): number => Date.parse(iso)

/** ISO UTC to the second, with Z, as the API writes it. */
export const iso = (instant: number): string => new Date(instant).toISOString().replace('.000Z', 'Z')

const formats = new Map<string, Intl.DateTimeFormat>()

function format(lang: Lang, tz: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${lang}|${tz}|${JSON.stringify(options)}`
  let made = formats.get(key)
  if (!made) formats.set(key, (made = new Intl.DateTimeFormat(lang === 'en' ? 'en-GB' : lang, { timeZone: tz, ...options })))
  return made
}

/** `18:00` in the city. */
export const clock = (instant: number, tz: string, lang: Lang): string =>
  format(lang, tz, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(instant)

/** `Thu 12` in the city. */
export const dayShort = (instant: number, tz: string, lang: Lang): string =>
  format(lang, tz, { weekday: 'short', day: 'numeric' }).format(instant)

/** `Thursday 12 November` in the city. */
export const dayLong = (instant: number, tz: string, lang: Lang): string =>
  format(lang, tz, { weekday: 'long', day: 'numeric', month: 'long' }).format(instant)

/** `12 Nov 2026, 06:00` in the city. */
export const stamp = (instant: number, tz: string, lang: Lang): string =>
  format(lang, tz, {
    day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
  }).format(instant)

/** `2026-11-12` in the city: the local calendar day, as a comparable text. */
export const localDay = (instant: number, tz: string): string => {
  const parts = format('en', tz, { year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(instant)
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? ''
  return `${of('year')}-${of('month')}-${of('day')}`
}

export const localHour = (instant: number, tz: string): number =>
  Number(format('en', tz, { hour: '2-digit', hourCycle: 'h23' }).format(instant))

/** Whole local days from `now` to `instant`: 0 today, 1 tomorrow, -1 yesterday. */
export const daysAway = (instant: number, now: number, tz: string): number =>
  Math.round((Date.parse(localDay(instant, tz)) - Date.parse(localDay(now, tz))) / DAY_MS)

/** Local midnights in [from, to], found by walking hours, so that 23 and 25 hour days are right. */
export function midnights(from: number, to: number, tz: string): number[] {
  const found: number[] = []
  let day = localDay(from - HOUR_MS, tz)
  for (let at = Math.ceil(from / HOUR_MS) * HOUR_MS; at <= to; at += HOUR_MS) {
    const next = localDay(at, tz)
    if (next !== day) found.push(at)
    day = next
  }
  return found
}

/** `instant` moved into [first, last] and down onto the grain counted from `first`. */
export function snap(instant: number, first: number, last: number, grain: number): number {
  const inside = Math.min(Math.max(instant, first), last)
  return first + Math.floor((inside - first) / grain) * grain
}
