// The address after #: page, product, lens, ids of places, time, language. Never a coordinate or an address.
import { LANGS, type Lang } from './types'

export type ColourBy = 'value' | 'doubt' | 'usual'
export const COLOUR_BY: ColourBy[] = ['value', 'doubt', 'usual']

export interface Where {
  page: string
  product: string | null
  lens: string | null
  place: string | null
  /** Zones of a journey between zones, by id. */
  from: string | null
  to: string | null
  at: string | null
  measure: string | null
  by: ColourBy
  lang: Lang | null
}

export function read(hash: string): Where {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [page = '', product = ''] = path.split('/').map(safeDecode)
  const asked = new URLSearchParams(query)
  const by = asked.get('by') as ColourBy
  const lang = asked.get('lang') as Lang
  const at = asked.get('at')
  return {
    page: page || 'map',
    product: product || null,
    lens: asked.get('lens'),
    place: asked.get('place'),
    from: asked.get('from'),
    to: asked.get('to'),
    at: at && Number.isFinite(Date.parse(at)) ? at : null,
    measure: asked.get('measure'),
    by: COLOUR_BY.includes(by) ? by : 'value',
    lang: LANGS.includes(lang) ? lang : null,
  }
}

export function write(where: Where): string {
  const query = new URLSearchParams()
  for (const name of ['lens', 'place', 'from', 'to'] as const) {
    const id = where[name]
    if (id) query.set(name, id)
  }
  if (where.at) query.set('at', where.at)
  if (where.measure) query.set('measure', where.measure)
  if (where.by !== 'value') query.set('by', where.by)
  if (where.lang) query.set('lang', where.lang)
  const text = query.toString().replaceAll('%3A', ':')
  const path = [where.page, where.product].filter(Boolean).map((part) => encodeURIComponent(part as string))
  return `#/${path.join('/')}${text ? `?${text}` : ''}`
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
