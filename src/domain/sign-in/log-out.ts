import { endSession, findRefreshToken } from '../../database/sessions.ts'
import type { SignInParts } from './parts.ts'
import { hashToken } from './secret-token.ts'

/** Ends the session of this refresh token, used or not, where it is the user's own. @returns whether one ended. */
export async function logOut({ db }: SignInParts, userId: string, refreshToken: string): Promise<boolean> {
  const known = await findRefreshToken(db, hashToken(refreshToken))
  return known !== undefined && (await endSession(db, known.sessionId, 'logout', userId))
}
