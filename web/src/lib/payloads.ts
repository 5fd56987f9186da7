// The API's payloads of the lenses, as written in docs/plans/0003-five-products.md. Times are ISO UTC with Z.
import type { LineString } from 'geojson'
import type { Answer, Licence, Text } from './types'

/** An end of a journey, as a body may name it; never part of an address of this page. */
export type End = { lat: number; lon: number } | { address: string } | { place: string }

export interface Range {
  level: number
  low: number
  high: number
}

/** What every payload says of where it comes from. */
export interface Origin {
  product: string
  provenance: string
  simulated: boolean
  licences: Licence[]
  origin: string
  issued_at: string
  release: string
  candidate: string
  data_to: string | null
  sentence: Text
}

export interface RouteZone {
  place: string
  name: string | null
  enter_at: string
  seconds: number
  length_m: number
  expected: number
  lift: number | null
  is_flagged: boolean
  /** First and last vertex of the geometry that lies in the zone. */
  part: [number, number]
}

export interface RouteFound {
  id: number
  label: Text
  length_m: number
  duration_s: number
  arrive_at: string
  geometry: LineString
  expected: number
  interval: Range
  chance_of_any: number | null
  per_km: number
  per_trip: number | null
  lift: number | null
  shared_length: number
  zones: RouteZone[]
}

export interface Departure {
  depart_at: string
  at_local: string
  is_night: boolean
  routes: { id: number; expected: number; duration_s: number }[]
}

export interface Caveat {
  id: string
  text: Text
}

export interface RouteEnd {
  lat: number
  lon: number
  name: string | null
  snapped_m: number
}

export interface RouteAnswer extends Origin {
  measure: string
  unit: Text
  depart_at: string
  depart_at_local: string
  from: RouteEnd
  to: RouteEnd
  routes: RouteFound[]
  departures: Departure[]
  cutoff: { lift: number; is_default: boolean }
  /** Whole sentences: whether another road, or another hour by day or evening, sees fewer. */
  words: { fewer: Text; hour?: Text }
  caveats: Caveat[]
}

export interface Warning {
  place: string
  name: string
  lat: number
  lon: number
  distance_m: number
  bearing: number
  expected: number
  lift: number | null
  events: number
  years: number
  sentence: Text
}

export interface NearAnswer {
  product: string
  at: string
  warnings: Warning[]
  budget: { most: number; held_back: number }
  sentence: Text
}

export interface PairEnd {
  id: string
  name: string | null
  lat: number | null
  lon: number | null
}

export interface PairPoint {
  time: string
  mean: number | null
  q10: number | null
  q25: number | null
  q50: number | null
  q75: number | null
  q90: number | null
}

export interface PairAnswer extends Origin, Pick<Answer, 'record' | 'skill' | 'reason' | 'action'> {
  from: PairEnd
  to: PairEnd
  place: string
  is_direct: boolean
  band: { kind: string; low_km: number; high_km: number | null } | null
  distance_km: number | null
  measure: string
  unit: Text
  grain?: string
  at: string
  at_local: string
  state: string
  mean: number | null
  median: number | null
  interval: Range | null
  quantiles: Record<string, number> | null
  usual: number | null
  series: PairPoint[]
  shares: { quarantined?: number; scope?: 'pair' | 'all' } | null
}

export interface Spread {
  mean: number
  q10: number
  q90: number
}

export interface StockRow {
  place: string
  name: string
  starts: Spread
  net_outflow: Spread
  need: Spread
  stock: number
  allocation: number | null
  shortage_chance: number | null
  marginal_value: number | null
}

export interface StockAsked {
  service_level: number | null
  shortage_cost: number | null
  idle_cost: number | null
  turns: number | null
  fleet: number | null
  /** The quantile of the need that is held. */
  level?: number
}

export interface StockPlan extends Origin {
  first_day: string
  first_time?: string
  days: number
  parameters: StockAsked
  rows: StockRow[]
  /** `peak`: vehicles that all places need together; null where no joint paths were drawn. */
  total: { stock: number; peak: Spread | null; fleet: number | null }
  transfers: { from: string; from_name?: string; to: string; to_name?: string; count: number; distance_km: number }[]
  standing: { is_given: boolean; source: string | Text | null }
  backtest: {
    kind: string
    windows: number
    /** Mean cost of a window, beside last week's stock; the saving and its range in the same unit. */
    cost: number
    cost_last_week: number
    saving: number
    low: number
    high: number
  } | null
  caveats: Caveat[]
}

export interface Estimate {
  mean: number
  low: number
  high: number
  share: number
}

export interface OccupancyPart {
  measure: string
  label: Text
  capacity: number
  paid: number
  prior: number
  occupied: number
}

export interface Chance {
  radius_m: number
  spaces: number
  chance: number
}

/** Share of the spaces free: at most a fifth, at most two fifths, more. */
export type FreeClass = 'few' | 'some' | 'many'

export interface Occupancy {
  capacity: number
  valid_from: string | null
  paid: Estimate
  occupied: Estimate
  parts: OccupancyPart[]
  free_share_class: FreeClass
  busier_than: number
  /** The assumption decides, not the forecast: a relative word instead of a chance. */
  is_prior_dominant: boolean
  /** Chances are near an address or point, or at a typical one of the zone. */
  where: 'typical' | 'point'
  chances: Chance[]
  is_verified: boolean
  sentence: Text
  source: Text | string
}
