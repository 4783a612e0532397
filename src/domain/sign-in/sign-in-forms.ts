import { z } from 'zod'

/** RFC 5321, 4.5.3.1.3: a path of 256, less its angle brackets. */
const MAX_EMAIL = 254
const PASSWORD = { min: 8, max: 1000 }

/** ASCII alone: look-alikes and invisible characters of Unicode would make two addresses of one, or one of two. */
export const emailForm = z
  .email('expected an address such as anna@example.com')
  .max(MAX_EMAIL, `expected at most ${MAX_EMAIL} characters`)

export const passwordForm = z
  .string()
  .min(PASSWORD.min, `expected ${PASSWORD.min} to ${PASSWORD.max} characters`)
  .max(PASSWORD.max, `expected ${PASSWORD.min} to ${PASSWORD.max} characters`)
  .refine(password => password.isWellFormed(), 'expected text without halves of characters')

/** By which an address is looked for, and counted: upper case is no other mailbox anywhere that matters. */
export function emailKey(email: string): string {
  return email.toLowerCase()
}
