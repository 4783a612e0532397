import { DatabaseAwayError, isDatabaseAway } from '../../database/postgres-errors.ts'
import type { Context, Services } from '../../schema/context.ts'
import { inTime } from '../../shared/abort.ts'
import { TokenError, type VerifiedToken, type VerifyToken } from '../token.ts'
import type { KnownOperation } from './documents.ts'
import { Refused, refusal } from './refused.ts'

/**
 * A server that hangs is as good as none: whoever can do without it must not wait for it. This is many times what the look-up of a user takes behind a full pool; less than a client waits.
 */
const RESOLVE_USER_TIMEOUT_MS = 10_000

/** Who asks, by the token alone: no database is needed. @throws Refused where there is one and it must not be trusted */
export function verifyAuthorization(
  verifyToken: VerifyToken,
  authorization: string | undefined,
): VerifiedToken | undefined | Promise<VerifiedToken> {
  if (authorization === undefined) return undefined
  const [, token] = /^Bearer +(\S+)$/i.exec(authorization) ?? []
  if (!token) throw unauthenticated('The authorization is malformed: expected Bearer <token>.')
  const verified = verifyToken(token)
  return verified instanceof Promise ? verified.catch(explain) : verified
}

function explain(error: unknown): never {
  throw error instanceof TokenError ? unauthenticated(error.message) : error
}

export type Caller = Pick<Context, 'principal' | 'viewer' | 'viewerUnknown' | 'tokenExpiresAt'>

/**
 * Whose the token is. What can be done without the database is done; the rest says so when it asks for the viewer. An operation
 * that asks for nothing of anybody, as the probes of balancers and tools do, needs no look, but for whether the session goes on.
 */
export async function identify(
  services: Services,
  verified: VerifiedToken | undefined,
  { ofSchemaAlone }: Pick<KnownOperation, 'ofSchemaAlone'>,
): Promise<Caller> {
  if (!verified) return { principal: null, viewer: null }
  const { principal, expiresAt: tokenExpiresAt } = verified
  if (ofSchemaAlone && principal.sessionId === undefined) return { principal, viewer: null, tokenExpiresAt }
  try {
    const viewer = await inTime(services.resolveUser(principal), RESOLVE_USER_TIMEOUT_MS, () => {
      throw new DatabaseAwayError('the database did not answer')
    })
    if (!viewer) throw unauthenticated('The session of this token has ended: log in.')
    return { principal, viewer, tokenExpiresAt }
  } catch (error) {
    if (!isDatabaseAway(error)) throw error
    return { principal, viewer: null, viewerUnknown: error, tokenExpiresAt }
  }
}

function unauthenticated(message: string): Refused {
  return new Refused([refusal('UNAUTHENTICATED', message, { status: 401 })])
}
