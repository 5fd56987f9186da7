import { describe, expect, it } from 'vitest'
import { pick, say } from './i18n'
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
