import { createHash } from 'node:crypto'
import type { AttemptLimit } from '../../database/attempts.ts'
import type { EmailTokenPurpose } from '../../database/email-tokens.ts'

const MINUTE_MS = 60_000

/** A person mistypes a few times; a machine that guesses gets some thousand tries a year for an address. */
const LOGIN = {
  address: { limit: 10, windowMs: 15 * MINUTE_MS },
  client: { limit: 300, windowMs: 15 * MINUTE_MS },
}
const REGISTER = { client: { limit: 300, windowMs: 60 * MINUTE_MS } }
/** Each may be a mail to somebody who did not ask for it. */
const MAIL = {
  address: { limit: 5, windowMs: 60 * MINUTE_MS },
  client: { limit: 100, windowMs: 60 * MINUTE_MS },
}
/** Counted apart: whoever asks for mails that a verified address never gets must not use up those that reset its password. */
const MAIL_NAMES: Record<EmailTokenPurpose, string> = { RESET_PASSWORD: 'reset', VERIFY_EMAIL: 'verify' }

/** What is counted is stored as a hash: the table tells nobody who tried to sign in. */
function key(kind: string, of: string): string {
  return `${kind} ${createHash('sha256').update(of).digest('base64url')}`
}

export interface Limits {
  address: AttemptLimit
  client: AttemptLimit
}

export function loginAddressKey(emailKey: string): string {
  return key('login address', emailKey)
}

export function loginLimits(emailKey: string, client: string): Limits {
  return {
    address: { key: loginAddressKey(emailKey), ...LOGIN.address },
    client: { key: key('login client', client), ...LOGIN.client },
  }
}

export function registerLimit(client: string): AttemptLimit {
  return { key: key('register client', client), ...REGISTER.client }
}

export function mailLimits(purpose: EmailTokenPurpose, emailKey: string, client: string): Limits {
  const name = MAIL_NAMES[purpose]
  return {
    address: { key: key(`${name} address`, emailKey), ...MAIL.address },
    client: { key: key(`${name} client`, client), ...MAIL.client },
  }
}
