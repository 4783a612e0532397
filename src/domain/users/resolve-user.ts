import type { Queryable } from '../../database/client.ts'
import { findSessionUsers, type SessionUserKey } from '../../database/sessions.ts'
import { ensureUser, findUsersBySubjects, type SubjectKey, type UserRow } from '../../database/users.ts'
import { Batcher } from '../../shared/batcher.ts'
import type { Metrics } from '../../shared/metrics.ts'

export type Role = 'ADMIN' | 'SERVICE'

/** Who a request speaks for. */
export interface Viewer {
  user: UserRow
  roles: readonly Role[]
  /** The look-up itself has made them, or brought their address up to date. */
  changed?: boolean
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

/** Whose limits and counts a principal's are. Two issuers may know the same subject. */
export function principalKey({ issuer, subject }: Pick<Principal, 'issuer' | 'subject'>): string {
  return `${issuer}\0${subject}`
}

/**
 * The user behind a token, created on first sight, once, however many requests bring the token at the same moment. A user
 * who signed in here is never created by a token.
 * @returns undefined when the session has ended.
 */
export type ResolveUser = (principal: Principal) => Promise<Viewer | undefined>

/** Keys of one batch: every request has one, and each brings one row. */
const MAX_KEYS = 1000

/** One for all requests of an instance, whose look-ups go out together. */
export function createResolveUser({ db, metrics }: { db: Queryable; metrics: Metrics }): ResolveUser {
  const bySubject = new Batcher({
    load: (keys: readonly SubjectKey[]) => findUsersBySubjects(db, keys),
    identify: ({ issuer, subject }) => JSON.stringify([issuer, subject]),
    maxKeys: MAX_KEYS,
    onBatch: metrics.observeBatches('userBySubject'),
  })
  const bySession = new Batcher({
    load: (keys: readonly SessionUserKey[]) => findSessionUsers(db, keys),
    identify: ({ sessionId, subject }) => `${sessionId} ${subject}`,
    maxKeys: MAX_KEYS,
    onBatch: metrics.observeBatches('userBySession'),
  })
  return async ({ issuer, subject, email, roles, sessionId }) => {
    if (sessionId !== undefined) {
      const user = await bySession.load({ sessionId, subject })
      return user ? { user, roles } : undefined
    }
    const known = await bySubject.load({ issuer, subject })
    if (known?.email === email) return { user: known, roles }
    return { user: await ensureUser(db, issuer, subject, email), roles, changed: true }
  }
}
