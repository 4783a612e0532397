import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { type Lease, LeaseLostError, type Leases } from './lease.ts'

interface Held {
  lease: Lease
  controller: AbortController
  /** By this process' monotonic clock: until then nobody else can have got the lease by waiting for its TTL. */
  validUntilMs: number
}

/** Renewals before the TTL runs out, so that one lost renewal costs nothing. */
const RENEWALS_PER_TTL = 3

/**
 * Renews every lease of this instance with one statement, and aborts the work of those it lost or could not renew in
 * time. The abort spares the provider; what keeps a loser from committing is the fence.
 */
export class LeaseKeeper {
  readonly #leases: Leases
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #logger: Logger
  readonly #heldByRun = new Map<Lease, Held>()
  #cancelTimer: (() => void) | undefined
  #renewing = false

  constructor(options: { leases: Leases; clock: Clock; ttlMs: number; logger: Logger }) {
    this.#leases = options.leases
    this.#clock = options.clock
    this.#ttlMs = options.ttlMs
    this.#logger = options.logger
  }

  get size(): number {
    return this.#heldByRun.size
  }

  /** @param askedAtMs the monotonic clock before the lease was asked for: the TTL may have begun right then. */
  hold(lease: Lease, askedAtMs: number): AbortSignal {
    const controller = new AbortController()
    this.#heldByRun.set(lease, { lease, controller, validUntilMs: askedAtMs + this.#ttlMs })
    this.#schedule()
    // Who had to wait for the lease may have little of it left, as far as this process can tell.
    if (this.#clock.nowMs() - askedAtMs > this.#ttlMs / RENEWALS_PER_TTL) void this.renew()
    return controller.signal
  }

  release(lease: Lease): void {
    this.#heldByRun.delete(lease)
    if (this.#heldByRun.size > 0) return
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** Renews now: for a moment when leases may have been lost, as after a reconnect. */
  async renew(): Promise<void> {
    const asked = [...this.#heldByRun.values()]
    if (this.#renewing || asked.length === 0) return
    this.#renewing = true
    const askedAtMs = this.#clock.nowMs()
    try {
      const renewed = new Set(await this.#leases.renew(asked.map(held => held.lease)))
      for (const held of asked) {
        if (renewed.has(held.lease)) held.validUntilMs = askedAtMs + this.#ttlMs
        else this.#lose(held, 'another instance has taken the run over')
      }
    } catch (error) {
      // Tried again by the next tick, until the TTL has run out.
      this.#logger.warn({ err: error, runs: asked.length }, 'leases could not be renewed')
    } finally {
      this.#renewing = false
    }
  }

  /** Ticks while anything is held. A renewal that hangs does not keep the next tick from giving up on it. */
  #schedule(): void {
    this.#cancelTimer ??= this.#clock.setTimer(() => {
      this.#cancelTimer = undefined
      const nowMs = this.#clock.nowMs()
      for (const held of this.#heldByRun.values()) {
        if (nowMs >= held.validUntilMs) this.#lose(held, 'the lease could not be renewed in time')
      }
      if (this.#heldByRun.size === 0) return
      void this.renew()
      this.#schedule()
    }, this.#ttlMs / RENEWALS_PER_TTL)
  }

  #lose(held: Held, why: string): void {
    // A run that has ended while the renewal was under way is no loss.
    if (this.#heldByRun.get(held.lease) !== held) return
    this.#heldByRun.delete(held.lease)
    held.controller.abort(new LeaseLostError(why))
  }
}
