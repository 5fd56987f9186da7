// What the operator's page knows: who is logged in, how the products stand; asked again every few seconds.
import { Problem } from './api'
import * as api from './operations'

const EVERY_MS = 4_000

class Desk {
  /** undefined: not known yet. */
  session = $state.raw<api.Session | null | undefined>(undefined)
  standing = $state.raw<api.Operations | null>(null)
  /** State of what the last question met, in the API's words; null where it was answered. */
  trouble = $state<string | null>(null)
  wrongKey = $state<string | null>(null)
  private said = ''
  private isFollowing = false
  private timer: ReturnType<typeof setTimeout> | null = null

  /** Follow the server until the returned function is called. */
  follow(): () => void {
    this.isFollowing = true
    void this.begin()
    return () => {
      this.isFollowing = false
      if (this.timer) clearTimeout(this.timer)
    }
  }

  async logIn(key: string): Promise<void> {
    try {
      this.session = await api.logIn(key.trim())
      this.wrongKey = null
      await this.refresh()
    } catch (error) {
      this.wrongKey = error instanceof Problem ? error.state : 'offline'
    }
  }

  async logOut(): Promise<void> {
    try {
      await api.logOut(this.session?.csrf ?? null)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
    }
    this.session = null
    this.standing = null
    this.said = ''
  }

  /** Ask for something; the state of a refusal, or null. */
  async ask(product: string, verb: api.Verb, named: Record<string, string>): Promise<Problem | null> {
    try {
      await api.request(product, { verb, arguments: named, request: identity() }, this.session?.csrf ?? null)
    } catch (error) {
      if (error instanceof Problem) return error
      throw error
    }
    await this.refresh()
    return null
  }

  /** Ask once how all stand; what did not change is not drawn again. */
  async refresh(): Promise<void> {
    if (!this.session) return
    try {
      const found = await api.operations()
      const said = JSON.stringify({ ...found, at: '' })
      if (said !== this.said) this.standing = found
      this.said = said
      this.trouble = null
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.session = null
      this.trouble = error instanceof Problem ? error.state : 'offline'
    }
  }

  private async begin(): Promise<void> {
    if (this.session === undefined) {
      this.session = await api.session().catch(() => ((this.trouble = 'offline'), undefined))
    }
    await this.refresh()
    if (!this.isFollowing) return
    this.timer = setTimeout(() => void this.begin(), document.hidden ? 4 * EVERY_MS : EVERY_MS)
  }
}

/** An id of one's own, so that asking again after a lost answer is asking once. */
const identity = (): string => [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, '0')).join('')

export const desk = new Desk()
