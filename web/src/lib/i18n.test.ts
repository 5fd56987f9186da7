import { describe, expect, it } from 'vitest'
import { pick, rare, say, type Word } from './i18n'
import { en } from './words/en'
import { es } from './words/es'
import { fr } from './words/fr'

const slots = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((one) => one[1]).sort()

describe.each([['es', es], ['fr', fr]] as const)('%s', (_, words) => {
  it('has every word, none empty, with the same slots', () => {
    for (const [name, text] of Object.entries(en)) {
      const own = words[name as keyof typeof en]
      expect(own, name).toBeTruthy()
      expect(slots(own), name).toEqual(slots(text))
    }
  })
})

it('a missing language falls back to English', () => {
  expect(pick({ en: 'counter' } as never, 'fr')).toBe('counter')
  expect(say('es', 'legend')).toBe('Leyenda')
})

it('what comes in clusters is a rate, never a chance', () => {
  const speaker = { lang: 'en' as const, say: (word: Word, values?: Record<string, string | number>) => say('en', word, values) }
  expect(rare(0.0031, { clustered: true }, '1h', speaker)).toBe('one every 320 hours on average')
  expect(rare(0.4, { clustered: true }, '1h', speaker)).toBe('one every 3 hours on average')
  expect(rare(1.3, { clustered: true }, '1h', speaker)).toBe('1.3 per hour on average')
  expect(rare(0.0031, null, '1h', speaker)).toBe('about 1 in 320 hours')
})
