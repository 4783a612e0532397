import type { DatabaseClient } from '../../database/client.ts'
import { findCredential } from '../../database/credentials.ts'
import { type EmailTokenPurpose, storeEmailToken } from '../../database/email-tokens.ts'
import { findUsersByIds } from '../../database/users.ts'
import type { Mailer } from '../../providers/mailer.ts'
import type { SignInMailJob } from './parts.ts'
import { newSecretToken } from './secret-token.ts'

const HOUR_MS = 3_600_000

const MAILS: Record<EmailTokenPurpose, { subject: string; lifeMs: number; lines: string[] }> = {
  VERIFY_EMAIL: {
    subject: 'Verify your e-mail address',
    lifeMs: 48 * HOUR_MS,
    lines: [
      'Somebody, probably you, has registered with this address.',
      'To verify it, enter this token within two days:',
    ],
  },
  RESET_PASSWORD: {
    subject: 'Reset your password',
    lifeMs: HOUR_MS,
    lines: [
      'Somebody, probably you, wants a new password for this address.',
      'To choose one, enter this token within an hour:',
    ],
  },
}

/**
 * The job behind a mail: makes the token, stores its hash, sends it to the address that was registered, whatever was typed
 * since. Run again after a failure it makes another token; the one before was never seen, or works too.
 */
export async function sendSignInMail(
  { db, mailer }: { db: DatabaseClient; mailer: Mailer },
  { purpose, emailKey }: SignInMailJob,
): Promise<void> {
  const credential = await findCredential(db, emailKey)
  const [user] = credential ? await findUsersByIds(db, [credential.userId]) : []
  if (!user || (purpose === 'VERIFY_EMAIL' && user.emailVerified)) return
  const { subject, lifeMs, lines } = MAILS[purpose]
  const { token, tokenHash } = newSecretToken()
  await storeEmailToken(db, { tokenHash, userId: user.id, purpose, lifeMs })
  const text = [...lines, '', token, '', 'If it was not you, you need not do anything.', ''].join('\n')
  await mailer.send({ to: user.email, subject, text })
}
