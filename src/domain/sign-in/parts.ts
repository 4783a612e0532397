import type { Jobs } from '../../coordination/jobs.ts'
import type { DatabaseClient } from '../../database/client.ts'
import type { EmailTokenPurpose } from '../../database/email-tokens.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { UserRow } from '../../database/users.ts'
import type { PasswordHashes } from './password-hashes.ts'

/** Signs what a user shows with each request, good for minutes. */
export type SignAccessToken = (claims: {
  subject: string
  email: string
  sessionId: string
}) => Promise<{ accessToken: string; expiresAt: Date }>

/** What the use cases of signing in stand on. */
export interface SignInParts {
  db: DatabaseClient
  transaction: RunTransaction
  jobs: Jobs
  passwords: PasswordHashes
  signAccessToken: SignAccessToken
}

export interface SignedInSession {
  accessToken: string
  refreshToken: string
  /** Of the access token. */
  expiresAt: Date
  user: UserRow
}

export interface RateLimited {
  type: 'rate-limited'
  retryAfterMs: number
}

export const SIGN_IN_MAIL_QUEUE = 'sign-in-mail'

/** Holds no token: the token is made when the mail is, so that a job's row is worth nothing to whoever reads it. */
export interface SignInMailJob {
  purpose: EmailTokenPurpose
  emailKey: string
}
