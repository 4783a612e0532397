import type { Principal, Viewer } from '../../domain/users/resolve-user.ts'

/**
 * Whom each principal came to when they were last looked up. A query may be executed for them while they are looked up again,
 * provided that its answer is dropped unless that comes to the same: so a query waits for its own reads alone, and nobody is
 * answered by what was true before they asked. A token that comes again brings the same principal, for as long as it is remembered.
 */
export class AssumedViewers {
  readonly #viewers = new WeakMap<Principal, Viewer>()

  of(principal: Principal): Viewer | undefined {
    return this.#viewers.get(principal)
  }

  /** What a look-up has come to; null where it is nobody. */
  remember(principal: Principal, found: Viewer | null): void {
    if (found) this.#viewers.set(principal, found)
    else this.#viewers.delete(principal)
  }
}

/**
 * Whether the look-up comes to whom a query was executed for, to the last column, and has not changed them itself. The one that was
 * assumed when it began: by the time of the look-up's end others of the principal's may have come to somebody else. The roles are
 * the principal's, and so the same.
 */
export function isConfirmed({ user: assumed }: Viewer, found: Viewer | null): boolean {
  if (!found || found.changed) return false
  const { user } = found
  return (
    assumed.id === user.id &&
    assumed.email === user.email &&
    assumed.emailVerified === user.emailVerified &&
    assumed.createdAt.getTime() === user.createdAt.getTime()
  )
}
