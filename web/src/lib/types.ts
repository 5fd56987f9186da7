// The API's payloads, as written in docs/plans/0002-spine.md. Times are ISO UTC with Z.
import type { FeatureCollection, MultiPolygon, Polygon } from 'geojson'
import type { Occupancy } from './payloads'

export const LANGS = ['en', 'es', 'fr'] as const
export type Lang = (typeof LANGS)[number]
export type Text = Record<Lang, string>

export type ProductState = 'waiting' | 'pulling' | 'training' | 'replaying' | 'ready' | 'failed'
export type ScoreKind = 'live' | 'replay' | 'backtest'

export interface Measure {
  id: string
  label: Text
  unit: Text
  kind: string
  sparse: boolean
  /** Several come from one event: a mean is a rate, no chance of any follows from it. */
  clustered?: boolean
  /** Values may lie below zero. */
  signed?: boolean
  /** Made from joint paths of another measure, for the first interval only. */
  derived_from?: string | null
}

export interface Licence {
  source: string
  name: string
  url: string
  attribution: string
}

export interface Serving {
  origin: string | null
  releases: Record<string, string>
  candidate: Record<string, string>
  data_to: string | null
  issued_at: string | null
  is_baseline?: Record<string, boolean>
  tag?: string
  /** The hour shown when none is asked for. */
  now: string
  /** The hour it is, or where a source has ended its last. */
  clock?: string
  past_first: string | null
  first_time: string | null
  last_time: string | null
}

export interface Freshness {
  age_hours: number | null
  expected_hours: number | null
  is_late: boolean
}

export interface Product {
  id: string
  city: string
  verb: Text
  question: Text
  unit: Text
  grain: string
  horizon_hours: number
  lenses: string[]
  tz: string
  place_kind: 'site' | 'zone' | 'pair' | 'link'
  place_word: Text
  measures: Measure[]
  centre: [number, number]
  bounds: [number, number, number, number] | null
  provenance: string
  simulated: boolean
  state: ProductState
  progress: number | null
  step: string | null
  serving: Serving | null
  freshness: Freshness | null
  licences: Licence[]
  historical: boolean
}

export interface PlaceProperties {
  name: string
  part_of: string | null
  area_km2: number | null
  is_schematic: boolean
}

export type Places = FeatureCollection & {
  mask?: MultiPolygon | Polygon | null
  water?: FeatureCollection | null
  landmarks?: FeatureCollection | null
}

export interface Times {
  first: string
  last: string
  now: string
  past_first: string | null
}

export type PlaceState = 'forecast' | 'no_data' | 'closed'

export interface MapFrame {
  product: string
  measure: string
  unit: Text
  at: string
  at_local: string
  origin: string
  release: string
  provenance: string
  simulated: boolean
  kind?: 'forecast' | 'past'
  places: string[]
  mean: (number | null)[]
  q50: (number | null)[]
  q10: (number | null)[]
  q90: (number | null)[]
  usual: (number | null)[]
  observed: (number | null)[]
  state: PlaceState[]
  breaks: number[]
  times: Times
  /** Map of a pair product: the zone from which the minutes are told. */
  from?: { id: string; name: string | null } | null
}

export interface Skill {
  score: string
  value: number
  baseline: string
  kind: ScoreKind
  n: number
  scope?: string
}

export interface HeldRecord {
  state: 'held' | 'too_early'
  kind: ScoreKind | null
  held: number | null
  plus_minus: number | null
  n: number
  local_hour: number | null
  city?: { kind: ScoreKind; held: number; plus_minus: number | null; n: number } | null
  sentence: Text
}

export interface Answer {
  product: string
  place: { id: string; name: string; part_of: string | null; lat: number; lon: number }
  measure: string
  unit: Text
  at: string
  at_local: string
  grain: string
  state: string
  observed?: number | null
  reason: string | Text | null
  action: string | Text | null
  mean: number | null
  median: number | null
  interval: { level: number; low: number; high: number } | null
  quantiles: Record<string, number> | null
  usual: number | null
  comparison: 'busier' | 'usual' | 'quieter' | null
  sentence: Text
  /** Null where no range is shown: a rare event has none to hold. */
  record: HeldRecord | null
  skill: Skill | null
  interval_is_shown: boolean
  origin: string
  issued_at: string
  release: string
  candidate: string
  data_to: string | null
  licences: Licence[]
  provenance: string
  simulated: boolean
  occupancy?: Occupancy | null
  /** Closed hours: when it opens again, and why it is closed. */
  opens_at?: string | null
  closed?: Text | null
}

export interface SeriesPoint {
  time: string
  mean: number | null
  q05: number | null
  q10: number | null
  q25: number | null
  q50: number | null
  q75: number | null
  q90: number | null
  q95: number | null
  observed: number | null
  kind: 'forecast' | 'past'
  origin: string | null
}

export interface Series {
  product: string
  place: string
  measure: string
  unit: Text
  origin: string
  release: string
  provenance: string
  simulated: boolean
  series: SeriesPoint[]
}

export interface Hit {
  name: string
  kind: string
  place: string | null
  lat: number
  lon: number
  part_of?: string | null
}

export interface HourRow {
  hour: number
  n: number
  coverage: number | null
  plus_minus?: number | null
  mae: number | null
  skill: number | null
}

export interface ReachRow {
  reach_band?: string
  reach?: string
  n: number
  coverage: number | null
  plus_minus?: number | null
  mae: number | null
  skill: number | null
}

export interface DayRow {
  day: string
  n: number
  coverage: number | null
  mae: number | null
  skill: number | null
}

export interface PlaceRow {
  place: string
  name?: string
  n: number
  coverage: number | null
  mae: number | null
  skill: number | null
}

export interface KindRecord {
  n: number
  coverage_80: number | null
  plain_coverage_80?: number | null
  plus_minus: number | null
  mae: number | null
  skill: number | null
  baseline: string | null
  crps: number | null
  pinball: number | null
  deviance?: number | null
  width_80: number | null
  by_local_hour: HourRow[]
  by_reach: ReachRow[]
  by_day: DayRow[]
  best_places: PlaceRow[]
  worst_places: PlaceRow[]
  effective_n?: number | null
  by_lead?: LeadRow[]
  by_decile?: DecileRow[]
  pit?: PitRow[]
  rolling?: RollingRow[]
  rules?: RuleRow[]
}

export interface LeadRow {
  lead_h: number
  n: number
  coverage: number | null
  plus_minus: number | null
  mae: number | null
  crps: number | null
  skill: number | null
}

export interface DecileRow {
  decile: number
  n: number
  forecast: number | null
  observed: number | null
  ratio: number | null
  coverage: number | null
}

export interface PitRow {
  from: number
  to: number
  share: number
}

export interface RollingRow {
  day: string
  n: number
  effective_n: number | null
  coverage: number | null
  low: number | null
  high: number | null
  skill: number | null
}

export interface RuleRow {
  rule: string
  n: number
  skill: number | null
}

interface KnownValue {
  time: string
  value: number
}

export interface MissRow {
  place: string
  name: string
  time: string
  origin: string
  value: number
  mean: number
  low: number
  high: number
  baseline_mean: number | null
  known: {
    lead_h?: number
    reach_h?: number | null
    newest?: KnownValue | null
    week_before?: KnownValue | null
    weather?: Record<string, number>
    holiday?: string | null
  }
}

export interface LedgerState {
  head: string
  entries: number
  at: string | null
  sums: Record<'issued' | 'scored' | 'rescored', { entries: number; rows: number }>
  check: string
}

/** One dot of a chart of shares; ``at`` is where it stands, from 0 to 1. */
export interface SharePoint {
  key: string | number
  at: number
  name: string
  share: number | null
  half: number | null
  n: number
}

export interface Verdict {
  action: 'promoted' | 'refused' | 'rolled_back'
  challenger: string
  champion: string
  skill: number | null
  low: number | null
  high: number | null
  reason: string
  decided_at: string
}

export interface TrackRecord {
  score: string
  product: string
  measure: string
  kinds: Partial<Record<ScoreKind, KindRecord | null>>
  misses?: Partial<Record<ScoreKind, MissRow[]>>
  verdicts: Verdict[]
}

export interface Alert {
  product?: string
  severity?: string
  message: string
  action?: string
  state?: string
}

export interface Status {
  alerts?: Alert[]
  [key: string]: unknown
}
