import { takeAttempt } from '../../database/attempts.ts'
import { resetLimits } from './attempt-limits.ts'
import { type RateLimited, SIGN_IN_MAIL_QUEUE, type SignInMailJob, type SignInParts } from './parts.ts'
import { emailForm, emailKey } from './sign-in-forms.ts'

/**
 * The same answer, by the same steps, whether the address is registered: only the job looks. An address that was mailed
 * enough gets no more mails, which nobody is told either.
 */
export async function requestPasswordReset(
  { db, transaction, jobs }: SignInParts,
  request: { email: string; client: string },
): Promise<{ type: 'accepted' } | RateLimited> {
  const email = emailForm.safeParse(request.email)
  if (!email.success) return { type: 'accepted' }
  const job: SignInMailJob = { purpose: 'RESET_PASSWORD', emailKey: emailKey(email.data) }
  const limits = resetLimits(job.emailKey, request.client)
  const limited = await takeAttempt(db, [limits.address, limits.client])
  if (limited?.keys.includes(limits.client.key))
    return { type: 'rate-limited', retryAfterMs: limited.retryAfterMs }
  if (!limited) {
    await transaction('request-password-reset', transaction =>
      jobs.enqueue(transaction, SIGN_IN_MAIL_QUEUE, { ...job }),
    )
  }
  return { type: 'accepted' }
}
