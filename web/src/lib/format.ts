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

/** 413 → 410, 1286 → 1300, 47 → 47: a forecast is not known to the unit. */
export function about(value: number, lang: Lang): string {
  const size = Math.abs(value)
  if (size < 100) return number(value, lang)
  const step = 10 ** (Math.floor(Math.log10(size)) - 1)
  return number(Math.round(value / step) * step, lang)
}

/** 0.79 → 79 %. */
export const percent = (share: number, lang: Lang): string =>
  new Intl.NumberFormat(locale(lang), { style: 'percent', maximumFractionDigits: Math.abs(share) < 0.1 && share !== 0 ? 1 : 0 }).format(share)

/** 0.22 → +22 %. */
export const signedPercent = (share: number, lang: Lang): string =>
  new Intl.NumberFormat(locale(lang), {
    style: 'percent', maximumFractionDigits: Math.abs(share) < 0.1 ? 1 : 0, signDisplay: 'exceptZero',
  }).format(share)

/** Hours per event, two figures: 0.0031 → 320. Null where events are not rare. */
export function oneIn(mean: number): number | null {
  if (!(mean > 0) || mean >= 0.5) return null
  const hours = 1 / mean
  const step = 10 ** Math.max(0, Math.floor(Math.log10(hours)) - 1)
  return Math.round(hours / step) * step
}
