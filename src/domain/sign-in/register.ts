import { z } from 'zod'
import { takeAttempt } from '../../database/attempts.ts'
import { registerUser } from '../../database/credentials.ts'
import type { UserRow } from '../../database/users.ts'
import { type FieldIssue, fieldIssues } from '../field-issues.ts'
import { registerLimit } from './attempt-limits.ts'
import { type RateLimited, SIGN_IN_MAIL_QUEUE, type SignInMailJob, type SignInParts } from './parts.ts'
import { emailForm, emailKey, passwordForm } from './sign-in-forms.ts'

export type RegisterOutcome =
  | { type: 'registered'; user: UserRow }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'email-taken' }
  | RateLimited

const Form = z.object({ email: emailForm, password: passwordForm })

/** A user, its password, and the job that mails it a token: all or none. Of several with one address at once, one. */
export async function register(
  parts: SignInParts,
  request: { email: string; password: string; client: string },
): Promise<RegisterOutcome> {
  const { db, transaction, jobs, passwords } = parts
  const form = Form.safeParse(request)
  if (!form.success) return { type: 'invalid-input', issues: fieldIssues(form.error, ['input']) }
  const limited = await takeAttempt(db, [registerLimit(request.client)])
  if (limited) return { type: 'rate-limited', retryAfterMs: limited.retryAfterMs }
  const { email, password } = form.data
  const passwordHash = await passwords.hash(password)
  const job: SignInMailJob = { purpose: 'VERIFY_EMAIL', emailKey: emailKey(email) }
  return transaction('register', async transaction => {
    const user = await registerUser(transaction, { emailKey: job.emailKey, email, passwordHash })
    if (!user) return { type: 'email-taken' }
    await jobs.enqueue(transaction, SIGN_IN_MAIL_QUEUE, { ...job })
    return { type: 'registered', user }
  })
}
