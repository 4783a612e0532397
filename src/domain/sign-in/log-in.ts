import { giveAttemptBack, takeAttempt } from '../../database/attempts.ts'
import { findCredential, lockUnchangedPassword } from '../../database/credentials.ts'
import { startSession } from '../../database/sessions.ts'
import { findUsersByIds } from '../../database/users.ts'
import { loginLimits } from './attempt-limits.ts'
import type { RateLimited, SignedInSession, SignInParts } from './parts.ts'
import { newSecretToken } from './secret-token.ts'
import { emailForm, emailKey, passwordForm } from './sign-in-forms.ts'

export type LogInOutcome =
  | { type: 'logged-in'; session: SignedInSession }
  | { type: 'credentials-rejected' }
  | RateLimited

/**
 * The same answer in the same time, whether the address is unknown or the password is wrong. Counted before the password is
 * looked at, so that a thousand guesses at once are a thousand.
 */
export async function logIn(
  parts: SignInParts,
  request: { email: string; password: string; client: string },
): Promise<LogInOutcome> {
  const { db, transaction, passwords } = parts
  const email = emailForm.safeParse(request.email)
  const key = emailKey(email.data ?? '')
  const limits = loginLimits(email.success ? key : request.email, request.client)
  const limited = await takeAttempt(db, [limits.address, limits.client])
  if (limited) return { type: 'rate-limited', retryAfterMs: limited.retryAfterMs }

  const credential = await findCredential(db, key)
  const possible = passwordForm.safeParse(request.password).success
  const matches = await passwords.verify(
    possible ? credential?.passwordHash : undefined,
    request.password.slice(0, 1000),
  )
  if (!credential || !matches) return { type: 'credentials-rejected' }

  const { token, tokenHash } = newSecretToken()
  const sessionId = await transaction('log-in', async transaction => {
    // A reset that came meanwhile has ended all sessions: the password it replaced must not begin a new one.
    if (!(await lockUnchangedPassword(transaction, credential))) return undefined
    return startSession(transaction, credential.userId, tokenHash)
  })
  if (sessionId === undefined) return { type: 'credentials-rejected' }
  await giveAttemptBack(db, limits.address.key, limits.client.key)
  const session = await describeSession(parts, { userId: credential.userId, sessionId, refreshToken: token })
  return { type: 'logged-in', session }
}

export async function describeSession(
  { db, signAccessToken }: SignInParts,
  { userId, sessionId, refreshToken }: { userId: string; sessionId: string; refreshToken: string },
): Promise<SignedInSession> {
  const [user] = await findUsersByIds(db, [userId])
  if (!user) throw new Error('the user is gone')
  // The subject of a user who registered here is its id.
  const signed = await signAccessToken({ subject: user.id, email: user.email, sessionId })
  return { ...signed, refreshToken, user }
}
