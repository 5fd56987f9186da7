// Every word of the interface, in three languages; a missing one does not compile.
import { en, type Words } from './words/en'
import { es } from './words/es'
import { fr } from './words/fr'
import { number, oneEvery, oneIn, said, chanceOfAny } from './format'
import type { Lang, Measure, Text } from './types'

export type Word = keyof Words

const WORDS: Record<Lang, Record<Word, string>> = { en, es, fr }

/** The word in a language, with `{name}` replaced. */
export function say(lang: Lang, word: Word, values: Record<string, string | number> = {}): string {
  return WORDS[lang][word].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** A text of the API in a language: a plain string is passed through. */
export function pick(text: Text | string | null | undefined, lang: Lang): string {
  if (text === null || text === undefined) return ''
  return typeof text === 'string' ? text : (text[lang] ?? text.en ?? '')
}

/** Is there such a word? For words made from the API's names of states. */
export const isWord = (name: string): name is Word => name in en

interface Speaker {
  lang: Lang
  say: (word: Word, values?: Record<string, string | number>) => string
}

/** A sparse measure's mean in words: a chance, or a rate where several come from one event. */
export const rare = (mean: number, measure: Pick<Measure, 'clustered'> | null, grain: string, speaker: Speaker): string =>
  (measure?.clustered ? rate : chance)(mean, grain, speaker)

/** `one every 320 hours on average`, or `1.3 per hour on average`. */
function rate(mean: number, grain: string, speaker: Speaker): string {
  const every = oneEvery(mean)
  if (every === null) return speaker.say(grain === '1d' ? 'per_day' : 'per_hour', { n: said(mean, speaker.lang) })
  return speaker.say('one_every', { n: number(every, speaker.lang), hours: speaker.say(grain === '1d' ? 'days' : 'hours') })
}

/** `about 1 in 320 hours`, or `4 in 10 hours` where it is not rare. */
function chance(mean: number, grain: string, speaker: Speaker): string {
  const odds = oneIn(mean)
  const hours = speaker.say(grain === '1d' ? 'days' : 'hours')
  if (odds !== null) return `${speaker.say('one_in', { n: number(odds, speaker.lang) })} ${hours}`
  return `${speaker.say('n_in_10', { n: Math.min(9, Math.max(1, Math.round(chanceOfAny(mean) * 10))) })} ${hours}`
}
