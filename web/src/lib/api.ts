// The only module that talks to the API; always its own origin, never another host.
import type { End, NearAnswer, PairAnswer, RouteAnswer, StockPlan } from './payloads'
import type { Answer, Hit, LedgerState, MapFrame, Places, Product, Series, Status, TrackRecord } from './types'

export interface ProblemBody {
  status?: number
  title?: string
  detail?: string
  state?: string
  expected?: string
  found?: string
  action?: string
  candidates?: Hit[]
}

/** A named no-answer: the API's problem+json, or `offline` when nothing answered. */
export class Problem extends Error {
  readonly state: string
  readonly status: number
  readonly body: ProblemBody

  constructor(body: ProblemBody, status: number) {
    super(body.detail ?? body.title ?? body.state ?? 'problem')
    this.body = body
    this.status = status
    this.state = body.state ?? (status ? 'malformed-query' : 'offline')
  }
}

export async function ask<T>(path: string, init?: RequestInit): Promise<T> {
  let reply: Response
  try {
    reply = await fetch(path, { headers: { accept: 'application/json' }, ...init })
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw new Problem({ state: 'offline' }, 0)
  }
  const body: unknown = await reply.json().catch(() => null)
  if (reply.ok && body !== null) return body as T
  const problem = (body ?? {}) as ProblemBody
  throw new Problem(reply.status >= 500 && !problem.state ? { ...problem, state: 'not-ready' } : problem, reply.status || 500)
}

export const post = <T>(path: string, body: unknown, signal?: AbortSignal, more: Record<string, string> = {}): Promise<T> =>
  ask<T>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...more },
    body: JSON.stringify(body),
    signal,
  })

const of = (product: string, leaf: string, query: Record<string, string | null | undefined> = {}): string => {
  const kept = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]))
  const text = new URLSearchParams(kept).toString()
  return `/v1/products/${encodeURIComponent(product)}/${leaf}${text ? `?${text}` : ''}`
}

export const products = () => ask<Product[]>('/v1/products')
export const status = () => ask<Status>('/v1/status')
export const places = (product: string) => ask<Places>(of(product, 'places'))
export const map = (product: string, at: string | null, measure: string, from: string | null = null) =>
  ask<MapFrame>(of(product, 'map', { at, measure, from }))
export const answer = (product: string, place: string, at: string, measure: string) =>
  ask<Answer>(of(product, 'forecast', { place, at, measure }))
/** The answer at an address, or under one's own share of cars that pay nothing, by measure. */
export const answerWith = (product: string, body: { place?: string; address?: string; at: string; measure: string; prior?: Record<string, number> }) =>
  post<Answer>(of(product, 'answer'), body)
export const pair = (product: string, from: End, to: End, at: string, signal?: AbortSignal) =>
  post<PairAnswer>(of(product, 'pair'), { from, to, at }, signal)
export const route = (product: string, body: { from: End; to: End; depart_at: string; cutoff?: number }, signal?: AbortSignal) =>
  post<RouteAnswer>(of(product, 'route'), body, signal)
export const near = (product: string, body: { lat: number; lon: number; radius_m: number; heading?: number }) =>
  post<NearAnswer>(of(product, 'near'), body)
export const stockPlan = (product: string, query: Record<string, string>, signal?: AbortSignal) =>
  ask<StockPlan>(of(product, 'stock-plan', query), { signal, headers: { accept: 'application/json' } })
export const stockCsv = (product: string, query: Record<string, string>) => of(product, 'stock-plan.csv', query)
export const series = (product: string, place: string, from: string, to: string, measure: string) =>
  ask<Series>(of(product, 'forecast', { place, from, to, measure }))
export const search = (product: string, text: string, signal?: AbortSignal) =>
  post<{ hits: Hit[] }>(of(product, 'search'), { text }, signal)
export const trackRecord = (product: string, measure: string) =>
  ask<TrackRecord>(of(product, 'track-record', { measure }))
export const recordCsv = (product: string, measure: string, table: 'calibration' | 'misses' | 'rolling') =>
  of(product, 'track-record.csv', { table, measure })
export const ledgerUrl = (product: string) => of(product, 'ledger')
export const ledger = (product: string) => ask<LedgerState>(ledgerUrl(product))
export const exportUrl = (product: string, table: 'forecasts' | 'scores', media: 'csv' | 'parquet' = 'csv') =>
  of(product, `export/${table}.${media}`)
