import type { ChangeWakes } from '../../coordination/change-wakes.ts'
import type { Jobs } from '../../coordination/jobs.ts'
import type { DatabaseClient } from '../../database/client.ts'
import { SESSION_TOPIC } from '../../database/sessions.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { Mailer } from '../../providers/mailer.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import { SIGN_IN_MAIL_QUEUE, type SignAccessToken, type SignInMailJob, type SignInParts } from './parts.ts'
import { PasswordHashes } from './password-hashes.ts'
import { sendSignInMail } from './send-sign-in-mail.ts'
import { SessionWatch } from './session-watch.ts'

export interface SignInOptions {
  db: DatabaseClient
  transaction: RunTransaction
  jobs: Jobs
  changes: ChangeWakes
  mailer: Mailer
  signAccessToken: SignAccessToken
  clock: Clock
  logger: Logger
}

export interface SignIn extends SignInParts {
  readonly sessionWatch: SessionWatch
  close(): Promise<void>
}

/** Mails of one instance at a time. */
const MAILS_AT_ONCE = 2
/** Signing in, at work: its mails, and the ends of sessions. */
export async function startSignIn(options: SignInOptions): Promise<SignIn> {
  const { db, transaction, jobs, changes, mailer, signAccessToken, clock, logger } = options
  await jobs.work<SignInMailJob>(SIGN_IN_MAIL_QUEUE, job => sendSignInMail({ db, mailer }, job), {
    concurrency: MAILS_AT_ONCE,
  })
  const sessionWatch = new SessionWatch({ db, clock, logger })
  changes.listen(SESSION_TOPIC, sessionWatch)
  return {
    db,
    transaction,
    jobs,
    passwords: new PasswordHashes(clock),
    signAccessToken,
    sessionWatch,
    async close() {
      sessionWatch.close()
      mailer.close()
    },
  }
}
