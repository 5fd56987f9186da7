// A plan as the map colours it: the stock of every warehouse, in five classes of about equal size.
import type { StockPlan } from '../../lib/payloads'
import type { MapFrame, Text } from '../../lib/types'

export function frameOf(plan: StockPlan, unit: Text): MapFrame {
  const stock = plan.rows.map((row) => row.stock)
  const none = plan.rows.map(() => null)
  const first = plan.first_time ?? `${plan.first_day}T00:00:00Z`
  return {
    product: plan.product, measure: 'stock', unit, at: first, at_local: plan.first_day, origin: plan.origin, release: plan.release,
    provenance: plan.provenance, simulated: plan.simulated, kind: 'forecast', places: plan.rows.map((row) => row.place),
    mean: stock, q50: stock, q10: plan.rows.map((row) => row.need.q10), q90: plan.rows.map((row) => row.need.q90),
    usual: none, observed: none, state: plan.rows.map(() => 'forecast'), breaks: breaks(stock),
    times: { first, last: first, now: first, past_first: null },
  }
}

/** Where five classes start: quantiles of the values, each a whole number above the one before. */
export function breaks(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b)
  const found: number[] = []
  for (const share of [0, 0.2, 0.4, 0.6, 0.8]) {
    const value = Math.ceil(sorted[Math.floor(share * sorted.length)] ?? 0)
    found.push(Math.max(value, (found.at(-1) ?? value - 1) + 1))
  }
  return found
}
