// Numbers as people say them; the locale decides marks and blanks.
import type { Lang } from './types'

const locale = (lang: Lang): string => (lang === 'en' ? 'en-GB' : lang)

/** About three significant figures, never more than one decimal above 1: 413 → 413, 4.26 → 4.3, 0.0312 → 0.031. */
export function number(value: number, lang: Lang): string {
  const size = Math.abs(value)
  if (size >= 10 || size === 0) return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 0 }).format(value)
  if (size >= 1) return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 1 }).format(value)
  return new Intl.NumberFormat(locale(lang), { maximumSignificantDigits: 2 }).format(value)
}

/** As the API's sentences say numbers: 4.26 → 4.3, 187 → 187, 413 → 410, 1286 → 1300; below zero likewise. */
export function said(value: number, lang: Lang): string {
  if (value < 0) return `\u2212${said(-value, lang)}`
  if (value < 10) return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 1 }).format(value)
  const step = value >= 1000 ? 10 ** (Math.floor(Math.log10(value)) - 1) : value >= 200 ? 10 : 1
  return new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 0 }).format(Math.round(value / step) * step)
}

/** 0.79 → 79 %, with one decimal below a tenth; a blank before the sign in every language, as in the API's sentences. */
export function percent(share: number, lang: Lang, signed = false): string {
  const options = { maximumFractionDigits: Math.abs(share) < 0.0995 ? 1 : 0, signDisplay: signed ? 'exceptZero' : 'auto' } as const
  return `${new Intl.NumberFormat(locale(lang), options).format(share * 100)}\u00a0%`
}

/** `×1.8`. */
export const times = (lift: number, lang: Lang): string =>
  `×${new Intl.NumberFormat(locale(lang), { maximumFractionDigits: lift < 10 ? 2 : 0 }).format(lift)}`

/** `340 m`, `4.3 km`. */
export function distance(metres: number, lang: Lang): string {
  if (metres < 995) return `${new Intl.NumberFormat(locale(lang)).format(Math.round(metres / 10) * 10)}\u00a0m`
  return `${new Intl.NumberFormat(locale(lang), { maximumFractionDigits: metres < 99_500 ? 1 : 0 }).format(metres / 1000)}\u00a0km`
}

/** `14 min`. */
export const minutes = (value: number, lang: Lang): string =>
  `${new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 0 }).format(value)}\u00a0min`

/** Chance of at least one in a Poisson count of this mean. */
export const chanceOfAny = (mean: number): number => -Math.expm1(-Math.max(mean, 0))

/** 1 / chance to two figures: 0.0031 → 320. Null where the event is not rare (a chance of a quarter or more). */
export function oneIn(mean: number): number | null {
  const chance = chanceOfAny(mean)
  return chance >= 0.25 ? null : inverse(chance)
}

/** 1 / mean to two figures, for what comes in clusters: 0.0031 → 320. Null from one an hour on, as in the API's sentences. */
export const oneEvery = (mean: number): number | null => (mean >= 1 ? null : inverse(mean))

function inverse(share: number): number {
  const odds = Math.min(share > 0 ? 1 / share : 1e6, 1e6)
  const step = 10 ** Math.max(0, Math.floor(Math.log10(odds)) - 1)
  return Math.round(odds / step) * step
}
