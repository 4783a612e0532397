import type { Redis } from 'ioredis'
import { type Principal, principalKey } from '../../domain/users/resolve-user.ts'
import { type Count, createPointCounter, type PointCounter } from '../../redis/point-counter.ts'
import type { Clock } from '../../shared/clock.ts'
import { Allowance } from './allowance.ts'
import { RateLimited } from './refused.ts'

/** For each minute; 0 sets no limit. */
export interface RateLimitSettings {
  /** Points of cost that one principal may spend. */
  readonly principal: number
  /** Points of cost that one address may spend, whoever it speaks for. */
  readonly address: number
  /** Requests for a generation of one principal, however they are answered. */
  readonly generations: number
}

const WINDOW_MS = 60_000
/** What a request costs that is refused for what was sent: it was looked at, and somebody who guesses must not guess for nothing. */
const REFUSED_POINTS = 20

type Scope = keyof RateLimitSettings

/** What operations cost is paid for by whoever asks, and by the address that they come from. */
export class RateLimits {
  readonly #allowances: ReadonlyMap<Scope, Allowance>

  constructor(options: {
    settings: RateLimitSettings
    redis: Redis | undefined
    /** Counts for all processes of this instance where there is no Redis. */
    addTogether?:
      | ((name: string, windowMs: number, ...what: Parameters<PointCounter['add']>) => Promise<Count>)
      | undefined
    clock: Clock
  }) {
    const { settings, redis, clock, addTogether } = options
    this.#allowances = new Map(
      (Object.keys(settings) as Scope[])
        .filter(scope => settings[scope] > 0)
        .map(scope => [
          scope,
          new Allowance({
            limit: settings[scope],
            counter: createPointCounter({
              name: scope,
              windowMs: WINDOW_MS,
              redis,
              addTogether: addTogether && ((...what) => addTogether(scope, WINDOW_MS, ...what)),
              clock,
            }),
            nowMs: () => clock.nowMs(),
          }),
        ]),
    )
  }

  /** Before anything is looked at: an address that is known to have spent all costs no more than this. @throws RateLimited */
  checkAddress(client: string): void {
    const retryAfterMs = this.#allowances.get('address')?.exhaustedForMs(client) ?? 0
    if (retryAfterMs > 0) throw tooMuch('address', retryAfterMs)
  }

  /** Of a request that is refused before it has a cost. Nobody waits for it; with less than that left, all is spent. */
  chargeRefusal(client: string): void {
    void this.#allowances.get('address')?.spendUpTo(client, REFUSED_POINTS)
  }

  /** Waits for nobody where enough points are here. @throws RateLimited where the address or the principal has spent what it may */
  admit(
    { client, principal }: { client: string; principal: Principal | undefined },
    { cost, generations }: { cost: number; generations: number },
  ): void | Promise<void> {
    const points = Math.max(1, Math.ceil(cost))
    const spending = this.#spend('address', client, points)
    if (!principal) return spending
    const ofPrincipal = () => this.#admitPrincipal(principalKey(principal), points, generations)
    return spending ? spending.then(ofPrincipal) : ofPrincipal()
  }

  #admitPrincipal(who: string, points: number, generations: number): void | Promise<void> {
    const spending = this.#spend('principal', who, points)
    if (generations === 0) return spending
    const ofGenerations = () => this.#spend('generations', who, generations)
    return spending ? spending.then(ofGenerations) : ofGenerations()
  }

  #spend(scope: Scope, key: string, points: number): void | Promise<void> {
    const spent = this.#allowances.get(scope)?.spend(key, points) ?? 0
    const check = (retryAfterMs: number) => {
      if (retryAfterMs > 0) throw tooMuch(scope, retryAfterMs)
    }
    return typeof spent === 'number' ? check(spent) : spent.then(check)
  }
}

function tooMuch(scope: Scope, retryAfterMs: number): RateLimited {
  const message =
    scope === 'generations'
      ? 'Too many generations were asked for in a minute; try again later.'
      : 'Too much was asked for in a minute; try again later.'
  return new RateLimited(scope, message, { retryAfterMs: Math.ceil(retryAfterMs) })
}
