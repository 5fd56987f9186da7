// What was known when a forecast that missed was made, as sentences.
import { number } from './format'
import { isWord, type Word } from './i18n'
import { clock, dayShort, ms } from './time'
import type { Lang, MissRow } from './types'

interface Telling {
  lang: Lang
  tz: string
  unit: string
  isDaily: boolean
  say: (word: Word, values?: Record<string, string | number>) => string
}

const UNITS: Record<string, string> = { temperature_2m: '°C', precipitation: 'mm', wind_speed_10m: 'km/h' }
const HOURS_A_DAY = 24

/** `Newest value known: 31 (Fri 29, 22:00). A week before at that hour: 410. …` */
export function missWords(row: MissRow, { lang, tz, unit, isDaily, say }: Telling): string {
  const at = (time: string) => `${dayShort(ms(time), tz, lang)}${isDaily ? '' : ` ${clock(ms(time), tz, lang)}`}`
  const { newest, week_before: week, weather, holiday, lead_h: lead, reach_h: reach } = row.known
  const parts: string[] = []
  if (typeof lead === 'number') parts.push(say('rec_known_lead', { lead: span(lead, lang) }))
  if (newest) parts.push(say('rec_known_newest', { value: number(newest.value, lang), unit, at: at(newest.time) }))
  else if (typeof reach === 'number') parts.push(say('rec_known_reach', { reach: span(reach, lang) }))
  parts.push(week ? say(isDaily ? 'rec_known_week_day' : 'rec_known_week', { value: number(week.value, lang) }) : say('rec_known_no_week'))
  if (row.baseline_mean !== null) parts.push(say('rec_known_rule', { value: number(row.baseline_mean, lang) }))
  const told = Object.entries(weather ?? {})
  if (told.length) parts.push(say('rec_known_weather', { weather: told.map(([name, value]) => sky(name, value, lang, say)).join(', ') }))
  if (holiday) parts.push(say('rec_known_holiday', { name: holiday }))
  return parts.join(' ')
}

/** `33 h`, `12 d`. */
export function span(hours: number, lang: Lang): string {
  const inDays = hours >= 3 * HOURS_A_DAY
  const value = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 }).format(inDays ? hours / HOURS_A_DAY : hours)
  return `${value}\u00a0${inDays ? (lang === 'fr' ? 'j' : 'd') : 'h'}`
}

function sky(name: string, value: number, lang: Lang, say: Telling['say']): string {
  const figure = `${new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(value)}\u00a0${UNITS[name] ?? ''}`.trim()
  const word = `rec_${name}`
  return `${isWord(word) ? say(word) : name} ${figure}`
}
