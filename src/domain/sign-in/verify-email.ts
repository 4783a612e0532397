import { markEmailVerified } from '../../database/credentials.ts'
import { consumeEmailToken } from '../../database/email-tokens.ts'
import type { UserRow } from '../../database/users.ts'
import type { SignInParts } from './parts.ts'
import { hashToken } from './secret-token.ts'

export type VerifyEmailOutcome = { type: 'verified'; user: UserRow } | { type: 'token-rejected' }

/** The token and what it proves, in one transaction. */
export function verifyEmail({ transaction }: SignInParts, token: string): Promise<VerifyEmailOutcome> {
  return transaction('verify-email', async transaction => {
    const userId = await consumeEmailToken(transaction, hashToken(token), 'VERIFY_EMAIL')
    if (userId === undefined) return { type: 'token-rejected' }
    return { type: 'verified', user: await markEmailVerified(transaction, userId) }
  })
}
