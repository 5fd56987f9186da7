// What the operator's page asks of the API: types as the payloads have them, and one call a route.
import { ask, Problem, post } from './api'
import type { Text } from './types'

export type Health = 'ok' | 'waiting' | 'warning' | 'critical'
export type RunState = 'running' | 'done' | 'failed' | 'stopped'
export type Verb = 'retrain' | 'promote' | 'rollback' | 'pause' | 'resume'
export const RUN_STATES: RunState[] = ['running', 'done', 'failed', 'stopped']

export interface Session {
  name: string
  role: 'reader' | 'operator'
  csrf: string | null
  expires_at: string | null
}

export interface RawSum {
  pages: number
  rows: number
  bytes: number
  newest: string | null
  fetched_at: string | null
}

export interface Lineage {
  release: string
  code: Record<string, string> | string | null
  libraries: Record<string, string> | null
  recipe: string | null
  seed: number | null
  window: { start: string | null; end: string | null }
  inputs: Record<string, string>
  run: string
  raw: RawSum
}

export interface Champion {
  measure: string | null
  release: string
  candidate?: string
  number: number | null
  trained_until?: string
  promoted_at?: string | null
  on_probation_until?: string | null
  skill?: number | null
  coverage_80?: number | null
  scored?: 'live' | 'replay' | null
  n?: number
  days?: number
  lineage: Lineage | null
}

export interface Choice {
  release: string
  measure: string
  number: number
  candidate: string
  created_at: string
}

export interface Source {
  source: string
  rhythm_hours: number | null
  newest: string | null
  fetched_at: string | null
  missed_updates: number | null
  is_late: boolean | null
  has_ended: boolean | null
}

export interface OpenAlert {
  alert: string
  severity: 'info' | 'warning' | 'critical'
  message: string
  action: string
  since: string
  runbook: string
}

export interface Decided {
  measure: string
  action: 'promoted' | 'refused' | 'rolled_back'
  challenger: string
  champion: string
  skill: number | null
  low: number | null
  high: number | null
  reason: string
  kind: 'live' | 'replay'
  numbers: Record<string, unknown>
  decided_at: string
}

export interface Signal {
  measure: string
  kind: string
  signal: string
  place: string
  score: number
  threshold: number
  is_drifted: boolean
  n: number
  day: string
}

export interface Run {
  run: string
  flow: string
  state: RunState
  started: string
  ended: string | null
  seconds: number
  steps: number
  tries: number
  message: string
}

export interface Asked {
  request: string
  verb: Verb
  arguments: Record<string, string>
  by: string
  state: 'asked' | 'taken' | 'done' | 'refused'
  message: string
  at: string
  asked_at: string
}

export interface Doing {
  flow: string | null
  step: string | null
  since: string
  by: string
}

export interface Standing {
  product: string
  city: string
  verb: Text
  tz: string
  state: Health
  is_paused: boolean
  doing: Doing | null
  serving: { origin: string | null; issued_at: string | null; data_to: string | null; provenance: string; measures: Champion[] } | null
  choices: Choice[]
  freshness: Source[]
  retraining: { is_due: boolean | null; reason: string | null; decided_at: string | null; last_trained: string | null; next_at: string | null }
  alerts: OpenAlert[]
  verdicts: Decided[]
  drift: Signal[]
  reports: { day: string; url: string }[]
  runs: Run[]
  requests: Asked[]
}

export interface Operations {
  at: string
  leases: { product: string; by: string; since: string; until: string }[]
  products: Standing[]
  links: Record<'mlflow' | 'dagster' | 'grafana', string | null>
}

export interface Step {
  flow: string
  step: string
  state: RunState
  started: string
  seconds: number | null
  message: string
  facts: Record<string, unknown>
}

export type LogLine = Record<string, unknown> & { at?: string; level?: string; event?: string; step?: string }

export interface RunDetail extends Omit<Run, 'steps'> {
  steps: Step[]
  log: LogLine[]
  log_left_out: number
}

export interface RunsPage {
  runs: Run[]
  next: string | null
  flows: string[]
  n: number
}

export interface RawPage {
  source: string
  layout: string
  url: string
  sha256: string
  fetched_at: string
  rows: number
  bytes: number | null
  window: { start: string | null; end: string | null }
}

export interface RawList extends RawSum {
  listed: RawPage[]
}

const BASE = '/v1/operations'
const of = (product: string, leaf: string, query: Record<string, string | null | undefined> = {}): string => {
  const kept = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]))
  const text = new URLSearchParams(kept).toString()
  return `${BASE}/${encodeURIComponent(product)}/${leaf}${text ? `?${text}` : ''}`
}

/** The session there is, or null where nobody is logged in. */
export const session = (): Promise<Session | null> =>
  ask<Session>('/v1/session').catch((error: unknown) => {
    if (error instanceof Problem && error.status === 401) return null
    throw error
  })
export const logIn = (key: string) => post<Session>('/v1/session', { key })
export const logOut = (csrf: string | null) =>
  ask<{ ended: boolean }>('/v1/session', { method: 'DELETE', headers: { accept: 'application/json', 'x-csrf-token': csrf ?? '' } })

/** All products, the worst first. */
export const operations = () => ask<Operations>(BASE)
export const runs = (product: string, query: { before?: string | null; flow?: string; state?: string } = {}) =>
  ask<RunsPage>(of(product, 'runs', query))
export const runsCsv = (product: string, query: { flow?: string; state?: string }) => of(product, 'runs.csv', query)
export const run = (product: string, name: string) => ask<RunDetail>(of(product, `runs/${encodeURIComponent(name)}`))
export const raw = (product: string, release: string) => ask<RawList>(of(product, 'raw', { release }))
export const request = (product: string, body: { verb: Verb; arguments: Record<string, string>; request: string }, csrf: string | null) =>
  post<{ request: string; state: string }>(of(product, 'requests'), body, undefined, { 'x-csrf-token': csrf ?? '' })
