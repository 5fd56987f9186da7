// Durations, bytes and the order of rows, as the operator's page says them.
import type { Lang } from './types'

const locale = (lang: Lang): string => (lang === 'en' ? 'en-GB' : lang)

/** `0.4 s`, `12 s`, `4 min 10 s`, `1 h 5 min`. */
export function duration(seconds: number, lang: Lang): string {
  const say = (value: number, digits = 0) => new Intl.NumberFormat(locale(lang), { maximumFractionDigits: digits }).format(value)
  if (seconds < 9.95) return `${say(seconds, 1)}\u00a0s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${say(whole)}\u00a0s`
  if (whole < 3600) return `${Math.floor(whole / 60)}\u00a0min${whole % 60 ? `\u00a0${whole % 60}\u00a0s` : ''}`
  const minutes = Math.round(whole / 60)
  return `${say(Math.floor(minutes / 60))}\u00a0h${minutes % 60 ? `\u00a0${minutes % 60}\u00a0min` : ''}`
}

/** `812 B`, `5.2 MB`: powers of a thousand. */
export function bytes(value: number, lang: Lang): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3))
  const digits = power === 0 ? 0 : 1
  return `${new Intl.NumberFormat(locale(lang), { maximumFractionDigits: digits }).format(value / 1000 ** power)}\u00a0${units[power]}`
}

/** `21 Nov, 18:51` in the city. */
export const moment = (instant: string, tz: string, lang: Lang): string =>
  new Intl.DateTimeFormat(locale(lang), { timeZone: tz, day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(new Date(instant))

/** Rows by one of their columns; empty ones last, whichever way. */
export function sorted<Row extends object>(rows: Row[], by: keyof Row, isDown: boolean): Row[] {
  const way = isDown ? -1 : 1
  return [...rows].sort((one, other) => {
    const [a, b] = [one[by], other[by]]
    if (a === b) return 0
    if (a === null || a === undefined || a === '') return 1
    if (b === null || b === undefined || b === '') return -1
    return (a < b ? -1 : 1) * way
  })
}

/** Facts or fields of a line as `name value`, the nested as JSON. */
export function fields(facts: Record<string, unknown>, without: string[] = []): string {
  return Object.entries(facts)
    .filter(([name, value]) => !without.includes(name) && value !== null && value !== '')
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' · ')
}
