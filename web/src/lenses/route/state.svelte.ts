// A route asked for and answered: ends, the chosen one of the found routes, the newest answer.
import * as api from '../../lib/api'
import { Ends } from '../../lib/ends.svelte'
import type { RouteAnswer } from '../../lib/payloads'
import { iso } from '../../lib/time'

export class RouteState {
  ends = new Ends()
  answer = $state.raw<RouteAnswer | null>(null)
  problem = $state.raw<api.Problem | null>(null)
  isWaiting = $state(false)
  chosen = $state(0)
  /** Lift from which a zone is flagged; null: the default of the answer. */
  cutoff = $state<number | null>(null)

  private asking: AbortController | null = null
  private askedOf = ''

  async ask(product: string, at: number): Promise<void> {
    const { from, to } = this.ends
    this.asking?.abort()
    if (!from || !to) return this.forget()
    this.asking = new AbortController()
    this.isWaiting = true
    const ends = JSON.stringify([from.end, to.end])
    const body = { from: from.end, to: to.end, depart_at: iso(at), ...(this.cutoff === null ? {} : { cutoff: this.cutoff }) }
    try {
      const found = await api.route(product, body, this.asking.signal)
      // Another journey: its first route; another hour: the one that was chosen, if it is still there.
      if (ends !== this.askedOf || !found.routes.some((route) => route.id === this.chosen)) this.chosen = found.routes[0]?.id ?? 0
      this.askedOf = ends
      this.answer = found
      this.problem = null
    } catch (error) {
      if ((error as Error).name === 'AbortError') return
      this.problem = error as api.Problem
      this.answer = null
    }
    this.isWaiting = false
  }

  forget(): void {
    this.answer = this.problem = null
    this.isWaiting = false
  }
}
