import { forgetAttempts } from '../../database/attempts.ts'
import { markEmailVerified, setPassword } from '../../database/credentials.ts'
import { consumeEmailToken, isEmailTokenLive, voidEmailTokens } from '../../database/email-tokens.ts'
import { endAllSessions } from '../../database/sessions.ts'
import type { UserRow } from '../../database/users.ts'
import { type FieldIssue, fieldIssues } from '../field-issues.ts'
import { loginAddressKey } from './attempt-limits.ts'
import type { SignInParts } from './parts.ts'
import { hashToken } from './secret-token.ts'
import { emailKey, passwordForm } from './sign-in-forms.ts'

export type ResetPasswordOutcome =
  | { type: 'reset'; user: UserRow }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'token-rejected' }

/** The token, the new password and the end of every session, in one transaction. A password that does not fit leaves the token. */
export async function resetPassword(
  { db, transaction, passwords }: SignInParts,
  request: { token: string; newPassword: string },
): Promise<ResetPasswordOutcome> {
  const form = passwordForm.safeParse(request.newPassword)
  if (!form.success)
    return { type: 'invalid-input', issues: fieldIssues(form.error, ['input', 'newPassword']) }
  const tokenHash = hashToken(request.token)
  // Rubbish is not worth a hash.
  if (!(await isEmailTokenLive(db, tokenHash, 'RESET_PASSWORD'))) return { type: 'token-rejected' }
  const passwordHash = await passwords.hash(form.data)
  const outcome = await transaction<ResetPasswordOutcome>('reset-password', async transaction => {
    const userId = await consumeEmailToken(transaction, tokenHash, 'RESET_PASSWORD')
    if (userId === undefined) return { type: 'token-rejected' }
    await setPassword(transaction, { userId, passwordHash })
    await voidEmailTokens(transaction, userId, 'RESET_PASSWORD')
    const user = await markEmailVerified(transaction, userId)
    // Last: whoever logged in with the old password had the credential's row until just now.
    await endAllSessions(transaction, userId, 'password_reset')
    return { type: 'reset', user }
  })
  // Whoever reads the mails of an address need not wait for those who guessed at its password, nor for their own guesses.
  if (outcome.type === 'reset') await forgetAttempts(db, loginAddressKey(emailKey(outcome.user.email)))
  return outcome
}
