import type { Queryable } from '../../database/client.ts'
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
}

/** The user behind a token, created on first sight, once, however many requests bring the token at the same moment. */
export async function resolveUser(db: Queryable, principal: Principal): Promise<Viewer> {
  const { issuer, subject, email, roles } = principal
  const known = await findUserBySubject(db, issuer, subject)
  const user = known?.email === email ? known : await ensureUser(db, issuer, subject, email)
  return { user, roles }
}
