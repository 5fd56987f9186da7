// A stock plan asked for with its inputs; the inputs stay while the page is open.
import * as api from '../../lib/api'
import type { StockPlan } from '../../lib/payloads'

export type Mode = 'level' | 'costs'

export class StockState {
  mode = $state<Mode>('level')
  level = $state<number | null>(null)
  shortage = $state<number | null>(null)
  idle = $state<number | null>(null)
  turns = $state<number | null>(null)
  fleet = $state<number | null>(null)
  plan = $state.raw<StockPlan | null>(null)
  problem = $state.raw<api.Problem | null>(null)
  isWaiting = $state(false)

  private asking: AbortController | null = null

  /** What is asked; an input that is not given is left to the API. */
  get query(): Record<string, string> {
    const given: Record<string, number | null> = {
      ...(this.mode === 'level' ? { service_level: this.level } : { shortage_cost: this.shortage ?? 3, idle_cost: this.idle ?? 1 }),
      turns: this.turns, fleet: this.fleet,
    }
    return Object.fromEntries(Object.entries(given).filter((pair): pair is [string, number] => pair[1] !== null).map(([name, value]) => [name, String(value)]))
  }

  async ask(product: string): Promise<void> {
    this.asking?.abort()
    this.asking = new AbortController()
    this.isWaiting = true
    try {
      this.plan = await api.stockPlan(product, this.query, this.asking.signal)
      this.problem = null
    } catch (error) {
      if ((error as Error).name === 'AbortError') return
      this.problem = error as api.Problem
    }
    this.isWaiting = false
  }
}
