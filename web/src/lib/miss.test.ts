import { describe, expect, it } from 'vitest'
import { say } from './i18n'
import { missWords, span } from './miss'
import type { Lang, MissRow } from './types'

const ROW: MissRow = {
  place: 'a', name: 'Opera', time: '2026-11-20T17:00:00Z', origin: '2026-11-19T05:00:00Z', value: 912, mean: 408.5, low: 300, high: 520,
  baseline_mean: 431,
  known: {
    lead_h: 36, reach_h: 42, newest: { time: '2026-11-18T23:00:00Z', value: 31 }, week_before: { time: '2026-11-13T17:00:00Z', value: 410 },
    weather: { precipitation: 0.4, temperature_2m: 9.5, snowfall: 2 }, holiday: 'Armistice Day',
  },
}
const told = (row: MissRow, lang: Lang = 'en', isDaily = false) =>
  missWords(row, { lang, tz: 'Europe/Paris', unit: 'bicycles/h', isDaily, say: (word, values) => say(lang, word, values) })

describe('what was known of a miss', () => {
  it('is said in the order in which one would ask', () => {
    expect(told(ROW)).toBe(
      '36\u00a0h ahead. Newest value known: 31 bicycles/h (Thu 19 00:00). A week before at that hour: 410. The simple rule said 431. ' +
        'Weather as forecast then: rain 0.4\u00a0mm, temperature 9.5\u00a0°C, snowfall 2. Public holiday: Armistice Day.',
    )
  })
  it('says what was not published yet instead of a zero', () => {
    const row = { ...ROW, baseline_mean: null, known: { lead_h: 5, reach_h: 1800, newest: null, week_before: null, weather: {}, holiday: null } }
    expect(told(row)).toBe('5\u00a0h ahead. Newest data 75\u00a0d before. The week before was not published yet.')
  })
  it('leaves no placeholder open in any language', () => {
    for (const lang of ['en', 'es', 'fr'] as const) for (const isDaily of [true, false]) expect(told(ROW, lang, isDaily)).not.toMatch(/[{}]/)
  })
  it('counts days from three on', () => {
    expect([span(71, 'en'), span(72, 'en'), span(96, 'fr')]).toEqual(['71\u00a0h', '3\u00a0d', '4\u00a0j'])
  })
})
