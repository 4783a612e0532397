import { endSession, extendSession, findRefreshToken, replaceRefreshToken } from '../../database/sessions.ts'
import { describeSession } from './log-in.ts'
import type { SignedInSession, SignInParts } from './parts.ts'
import { hashToken, newSecretToken } from './secret-token.ts'

export type RefreshSessionOutcome =
  | { type: 'refreshed'; session: SignedInSession }
  | { type: 'token-rejected'; why: 'unknown' | 'reused' | 'simultaneous' }

/**
 * Puts a new refresh token in the place of the one that came. One that had been used when it came is in two hands: its whole
 * session ends (RFC 9700, 4.14.2). Of two that come at the same moment, each before the other was done, one gets the only
 * successor and the other nothing; the session lives.
 */
export async function refreshSession(
  parts: SignInParts,
  refreshToken: string,
): Promise<RefreshSessionOutcome> {
  const { db, transaction } = parts
  const tokenHash = hashToken(refreshToken)
  const known = await findRefreshToken(db, tokenHash)
  if (!known) return { type: 'token-rejected', why: 'unknown' }
  const { sessionId } = known
  if (known.used) {
    await endSession(db, sessionId, 'reuse', null)
    return { type: 'token-rejected', why: 'reused' }
  }
  const successor = newSecretToken()
  const taken = await transaction('refresh-session', async transaction => {
    // The session's row before the token's, as whoever ends it: one refresh at a time, and none of a session that has ended.
    const userId = await extendSession(transaction, sessionId)
    if (userId === undefined) return { why: 'unknown' as const }
    const replaced = await replaceRefreshToken(transaction, tokenHash, successor.tokenHash)
    return replaced ? { userId } : { why: 'simultaneous' as const }
  })
  if ('why' in taken) return { type: 'token-rejected', why: taken.why }
  const { userId } = taken
  const session = await describeSession(parts, { userId, sessionId, refreshToken: successor.token })
  return { type: 'refreshed', session }
}
