import type { Principal, Viewer } from '../../domain/users/resolve-user.ts'

/**
 * Whom each principal came to when they were last looked up. A query may be executed for them while they are looked up again,
 * provided that its answer is dropped unless that comes to the same: so a query waits for its own reads alone, and nobody is
 * answered by what was true before they asked. A token that comes again brings the same principal, for as long as it is remembered.
 */
export class AssumedViewers {
  readonly #viewers = new WeakMap<Principal, Viewer>()

  of(principal: Principal | undefined): Viewer | undefined {
    return principal && this.#viewers.get(principal)
  }

  /** To be called with what a look-up has come to. @returns whether that is what was assumed, to the last column */
  confirm(principal: Principal, found: Viewer | null): boolean {
    const assumed = this.#viewers.get(principal)
    if (found) this.#viewers.set(principal, found)
    else this.#viewers.delete(principal)
    return assumed !== undefined && found !== null && isSame(assumed, found)
  }
}

/** The roles are the principal's, and so the same. */
function isSame({ user: one }: Viewer, { user: other }: Viewer): boolean {
  return (
    one.id === other.id &&
    one.email === other.email &&
    one.emailVerified === other.emailVerified &&
    one.createdAt.getTime() === other.createdAt.getTime()
  )
}
