import { createHash } from 'node:crypto'
import type { AttemptLimit } from '../../database/attempts.ts'

const MINUTE_MS = 60_000

/** A person mistypes a few times; a machine that guesses gets some thousand tries a year for an address. */
const LOGIN = {
  address: { limit: 10, windowMs: 15 * MINUTE_MS },
  client: { limit: 300, windowMs: 15 * MINUTE_MS },
}
const REGISTER = { client: { limit: 300, windowMs: 60 * MINUTE_MS } }
/** Each may be a mail to somebody who did not ask for it. */
const RESET = {
  address: { limit: 5, windowMs: 60 * MINUTE_MS },
  client: { limit: 100, windowMs: 60 * MINUTE_MS },
}

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

export function resetLimits(emailKey: string, client: string): Limits {
  return {
    address: { key: key('reset address', emailKey), ...RESET.address },
    client: { key: key('reset client', client), ...RESET.client },
  }
}
