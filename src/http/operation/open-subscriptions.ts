import { type Principal, principalKey } from '../../domain/users/resolve-user.ts'
import { RateLimited } from './refused.ts'

/** On this instance, at the same time; 0 sets no limit. */
export interface SubscriptionLimits {
  readonly socket: number
  readonly principal: number
}

/** Nobody knows when one of them ends; a client that asks again so often costs little. */
const RETRY_AFTER_MS = 10_000

/**
 * The subscriptions that are open. Each holds memory and is read for whenever something changes, for as long as its client
 * stays: what an operation costs does not bound them.
 */
export class OpenSubscriptions {
  readonly #ofSocket: Places<object>
  readonly #ofPrincipal: Places<string>

  constructor(limits: SubscriptionLimits) {
    this.#ofSocket = new Places(limits.socket)
    this.#ofPrincipal = new Places(limits.principal)
  }

  /**
   * Takes a place with each of the two, or with none.
   * @param socket the WebSocket that it comes over; undefined of an event stream, which has a connection of its own
   * @returns what gives the places back, once
   * @throws RateLimited
   */
  open({ socket, principal }: { socket: object | undefined; principal: Principal | null }): () => void {
    const who = principal ? principalKey(principal) : undefined
    if (this.#ofSocket.isFull(socket))
      throw tooMany(
        'socket_subscriptions',
        this.#ofSocket.limit,
        limit =>
          `This socket has ${limit} subscriptions open, as many as one may: end one, or open another socket.`,
      )
    if (this.#ofPrincipal.isFull(who))
      throw tooMany(
        'principal_subscriptions',
        this.#ofPrincipal.limit,
        limit => `You have ${limit} subscriptions open, as many as you may: end one.`,
      )
    this.#ofSocket.take(socket)
    this.#ofPrincipal.take(who)
    let open = true
    return () => {
      if (!open) return
      open = false
      this.#ofSocket.free(socket)
      this.#ofPrincipal.free(who)
    }
  }
}

function tooMany(
  scope: 'socket_subscriptions' | 'principal_subscriptions',
  limit: number,
  message: (limit: number) => string,
): RateLimited {
  return new RateLimited(scope, message(limit), { retryAfterMs: RETRY_AFTER_MS, limit })
}

/** How many are taken by each key; one without a key needs none. */
class Places<Key> {
  readonly limit: number
  readonly #taken = new Map<Key, number>()

  constructor(limit: number) {
    this.limit = limit
  }

  isFull(key: Key | undefined): boolean {
    return this.limit > 0 && key !== undefined && (this.#taken.get(key) ?? 0) >= this.limit
  }

  take(key: Key | undefined): void {
    if (key !== undefined) this.#taken.set(key, (this.#taken.get(key) ?? 0) + 1)
  }

  free(key: Key | undefined): void {
    if (key === undefined) return
    const left = (this.#taken.get(key) ?? 0) - 1
    if (left > 0) this.#taken.set(key, left)
    else this.#taken.delete(key)
  }
}
