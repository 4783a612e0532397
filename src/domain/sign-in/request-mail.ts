import { takeAttempt } from '../../database/attempts.ts'
import type { EmailTokenPurpose } from '../../database/email-tokens.ts'
import { mailLimits } from './attempt-limits.ts'
import { type RateLimited, SIGN_IN_MAIL_QUEUE, type SignInMailJob, type SignInParts } from './parts.ts'
import { emailForm, emailKey } from './sign-in-forms.ts'

/**
 * The mail with a token for `purpose`. The same answer, by the same steps, whether the address is registered or verified: only
 * the job looks. An address that was mailed enough gets no more mails, which nobody is told either.
 */
export async function requestMail(
  { db, transaction, jobs }: SignInParts,
  purpose: EmailTokenPurpose,
  request: { email: string; client: string },
): Promise<{ type: 'accepted' } | RateLimited> {
  const email = emailForm.safeParse(request.email)
  if (!email.success) return { type: 'accepted' }
  const job: SignInMailJob = { purpose, emailKey: emailKey(email.data) }
  const limits = mailLimits(purpose, job.emailKey, request.client)
  const limited = await takeAttempt(db, [limits.address, limits.client])
  if (limited?.keys.includes(limits.client.key))
    return { type: 'rate-limited', retryAfterMs: limited.retryAfterMs }
  if (!limited) {
    await transaction('request-mail', transaction =>
      jobs.enqueue(transaction, SIGN_IN_MAIL_QUEUE, { ...job }),
    )
  }
  return { type: 'accepted' }
}
