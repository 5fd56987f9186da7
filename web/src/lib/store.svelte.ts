// What the whole page knows: where the person is (hash), what is served (products), which theme and language.
import * as api from './api'
import { COLOUR_BY, read, write, type ColourBy, type Where } from './hash'
import { say, type Word } from './i18n'
import { LANGS, type Lang, type Measure, type Product, type Status } from './types'
import type { Theme } from './colours'

const FAST_MS = 2_000
const SLOW_MS = 30_000
const LANG_KEY = 'urbancast-language'

class App {
  where = $state<Where>(read(location.hash))
  /** An address that was searched, and its zone: kept here, never in the page's address. */
  spot = $state.raw<{ place: string; address: string } | null>(null)
  products = $state<Product[]>([])
  status = $state<Status>({})
  isLoaded = $state(false)
  isOffline = $state(false)
  isNarrow = $state(matchMedia('(max-width: 860px)').matches)
  isReduced = $state(matchMedia('(prefers-reduced-motion: reduce)').matches)
  theme = $state<Theme>(matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')

  /** The product opened with, kept when another gets ready later. */
  private opened = $state<string | null>(null)

  lang = $derived<Lang>(this.where.lang ?? ownLang())
  /** Asked for by name in the address, but not served here: said, never swapped for another. */
  unknownProduct = $derived<string | null>(
    this.isLoaded && this.where.product && !this.products.some((one) => one.id === this.where.product) ? this.where.product : null,
  )
  product = $derived<Product | null>(this.unknownProduct ? null : choose(this.products, this.where.product ?? this.opened))
  measure = $derived<Measure | null>(
    this.product?.measures.find((one) => one.id === this.where.measure) ?? this.product?.measures[0] ?? null,
  )
  /** What can be coloured: a rare event's range is all zeros, so its width would feign certainty. */
  colourings = $derived<ColourBy[]>(this.measure?.sparse ? COLOUR_BY.filter((by) => by !== 'doubt') : COLOUR_BY)
  by = $derived<ColourBy>(this.colourings.includes(this.where.by) ? this.where.by : 'value')
  /** Changes whenever another origin or release begins to serve: everything shown is then asked again. */
  version = $derived(
    this.product?.serving ? `${this.product.serving.origin}|${this.product.serving.tag ?? JSON.stringify(this.product.serving.releases)}` : '',
  )
  allReady = $derived(this.products.length > 0 && this.products.every((one) => one.state === 'ready' || one.state === 'failed'))

  say = (word: Word, values: Record<string, string | number> = {}): string => say(this.lang, word, values)

  /** Go somewhere; a new product forgets lens, places, time and measure. `quietly`: no step in the browser's history. */
  go(change: Partial<Where>, quietly = false): void {
    const isOther = change.product && change.product !== this.product?.id
    const reset = isOther ? { lens: null, place: null, from: null, to: null, at: null, measure: null } : {}
    this.where = { ...this.where, product: this.product?.id ?? this.where.product, ...reset, ...change }
    const hash = write(this.where)
    if (hash === location.hash) return
    if (quietly) history.replaceState(null, '', hash)
    else history.pushState(null, '', hash)
  }

  colourBy(by: ColourBy): void {
    this.go({ by }, true)
  }

  speak(lang: Lang): void {
    try {
      localStorage.setItem(LANG_KEY, lang)
    } catch {
      // A browser that keeps nothing still has the language in the address.
    }
    this.go({ lang }, true)
  }

  /** Follow the address, the screen and the server until the page is left. */
  start(): void {
    const follow = () => (this.where = read(location.hash))
    addEventListener('popstate', follow)
    addEventListener('hashchange', follow)
    watch('(max-width: 860px)', (is) => (this.isNarrow = is))
    watch('(prefers-reduced-motion: reduce)', (is) => (this.isReduced = is))
    watch('(prefers-color-scheme: dark)', (is) => (this.theme = is ? 'dark' : 'light'))
    void this.poll()
  }

  private async poll(): Promise<void> {
    try {
      const found = await api.products()
      if (JSON.stringify(found) !== JSON.stringify(this.products)) this.products = found
      if (!this.opened && this.product?.serving?.origin) this.opened = this.product.id
      this.isOffline = false
      this.isLoaded = true
      this.status = await api.status()
    } catch (error) {
      this.isOffline = error instanceof api.Problem && error.state === 'offline'
    }
    setTimeout(() => void this.poll(), this.allReady && !this.isOffline ? SLOW_MS : FAST_MS)
  }
}

function choose(products: Product[], asked: string | null): Product | null {
  const served = products.filter((one) => one.serving?.origin)
  return products.find((one) => one.id === asked) ?? served.find((one) => one.state === 'ready') ?? served[0] ?? products[0] ?? null
}

function ownLang(): Lang {
  let kept: string | null = null
  try {
    kept = localStorage.getItem(LANG_KEY)
  } catch {
    kept = null
  }
  const wishes = [kept, ...navigator.languages.map((one) => one.slice(0, 2))]
  return wishes.find((one): one is Lang => LANGS.includes(one as Lang)) ?? 'en'
}

function watch(query: string, then: (is: boolean) => void): void {
  matchMedia(query).addEventListener('change', (event) => then(event.matches))
}

export const app = new App()
