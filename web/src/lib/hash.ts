// The address after #: page, product, place id, time, language. Never a coordinate or an address.
import { LANGS, type Lang } from './types'

export type ColourBy = 'value' | 'doubt' | 'usual'
export const COLOUR_BY: ColourBy[] = ['value', 'doubt', 'usual']

export interface Where {
  page: string
  product: string | null
  place: string | null
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
    place: asked.get('place'),
    at: at && Number.isFinite(Date.parse(at)) ? at : null,
    measure: asked.get('measure'),
    by: COLOUR_BY.includes(by) ? by : 'value',
    lang: LANGS.includes(lang) ? lang : null,
  }
}

export function write(where: Where): string {
  const query = new URLSearchParams()
  if (where.place) query.set('place', where.place)
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
