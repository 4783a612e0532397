import type { Queryable } from '../../database/client.ts'
import { findSessionUser } from '../../database/sessions.ts'
import { ensureUser, findUserBySubject, type UserRow } from '../../database/users.ts'

export type Role = 'ADMIN' | 'SERVICE'

/** Who a request speaks for. */
export interface Viewer {
  user: UserRow
  roles: readonly Role[]
}

/** What a valid token says about its bearer. */
export interface Principal {
  /** '' where the token names none. */
  issuer: string
  subject: string
  email: string
  roles: readonly Role[]
  /** Of a user who signed in here: the token counts as long as its session. */
  sessionId?: string
}

/**
 * The user behind a token, created on first sight, once, however many requests bring the token at the same moment. A user
 * who signed in here is never created by a token.
 * @returns undefined when the session has ended.
 */
export async function resolveUser(db: Queryable, principal: Principal): Promise<Viewer | undefined> {
  const { issuer, subject, email, roles, sessionId } = principal
  if (sessionId !== undefined) {
    const user = await findSessionUser(db, sessionId, subject)
    return user && { user, roles }
  }
  const known = await findUserBySubject(db, issuer, subject)
  const user = known?.email === email ? known : await ensureUser(db, issuer, subject, email)
  return { user, roles }
}
