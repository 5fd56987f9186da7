// A journey between zones asked for and answered. Zones stand in the address by id; points and addresses never do.
import * as api from '../../lib/api'
import { Ends } from '../../lib/ends.svelte'
import type { PairAnswer } from '../../lib/payloads'
import { iso } from '../../lib/time'

export class PairState {
  ends = new Ends()
  answer = $state.raw<PairAnswer | null>(null)
  problem = $state.raw<api.Problem | null>(null)
  isWaiting = $state(false)

  private asking: AbortController | null = null

  async ask(product: string, at: number): Promise<void> {
    const { from, to } = this.ends
    this.asking?.abort()
    if (!from || !to) return this.forget()
    this.asking = new AbortController()
    this.isWaiting = true
    try {
      this.answer = await api.pair(product, from.end, to.end, iso(at), this.asking.signal)
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
