import type { FieldIssue } from '../domain/field-issues.ts'
import { builder } from './builder.ts'

export const ErrorCode = builder.enumType('ErrorCode', {
  values: [
    'INVALID_INPUT',
    'NOT_FOUND',
    'CONFLICT',
    'IDEMPOTENCY_KEY_REUSED',
    'INVALID_TRANSITION',
    'GENERATION_FAILED',
    'LOCK_TIMEOUT',
    'CREDENTIALS_REJECTED',
    'EMAIL_TAKEN',
    'TOKEN_REJECTED',
    'UNAVAILABLE',
  ] as const,
})
type Code = typeof ErrorCode.$inferType

/** An expected failure, as a member of a mutation's union. */
interface ExpectedError<Typename extends string> {
  __typename: Typename
  message: string
  code: Code
}

export const ErrorInterface = builder.interfaceRef<{ message: string; code: Code }>('Error').implement({
  description:
    'An expected failure. Every mutation returns a union of its payload and the errors that it can end in.',
  fields: t => ({
    message: t.exposeString('message'),
    code: t.expose('code', { type: ErrorCode }),
  }),
})

const FieldIssueType = builder.objectRef<FieldIssue>('FieldIssue').implement({
  fields: t => ({
    path: t.exposeStringList('path'),
    message: t.exposeString('message'),
  }),
})

export interface InvalidInput extends ExpectedError<'InvalidInputError'> {
  issues: FieldIssue[]
}
export const InvalidInputError = builder.objectRef<InvalidInput>('InvalidInputError').implement({
  interfaces: [ErrorInterface],
  fields: t => ({ issues: t.expose('issues', { type: [FieldIssueType] }) }),
})
export function invalidInput(issues: FieldIssue[]): InvalidInput {
  const message = issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  return { __typename: 'InvalidInputError', code: 'INVALID_INPUT', message, issues }
}

export const NotFoundError = builder
  .objectRef<ExpectedError<'NotFoundError'>>('NotFoundError')
  .implement({ interfaces: [ErrorInterface] })
/** @param what as `interview` */
export function notFound(what: string): ExpectedError<'NotFoundError'> {
  const message = `There is no ${what} with this id.`
  return { __typename: 'NotFoundError', code: 'NOT_FOUND', message }
}

export interface Conflict extends ExpectedError<'ConflictError'> {
  currentVersion: number | null
}
export const ConflictError = builder.objectRef<Conflict>('ConflictError').implement({
  interfaces: [ErrorInterface],
  fields: t => ({ currentVersion: t.exposeInt('currentVersion', { nullable: true }) }),
})
export function conflict(currentVersion: number): Conflict {
  const message = `It has been written since: its version is now ${currentVersion}. Read it again and decide anew.`
  return { __typename: 'ConflictError', code: 'CONFLICT', message, currentVersion }
}

export const CredentialsRejectedError = builder
  .objectRef<ExpectedError<'CredentialsRejectedError'>>('CredentialsRejectedError')
  .implement({ interfaces: [ErrorInterface] })
export function credentialsRejected(): ExpectedError<'CredentialsRejectedError'> {
  const message = 'The address and the password do not fit each other.'
  return { __typename: 'CredentialsRejectedError', code: 'CREDENTIALS_REJECTED', message }
}

export const EmailTakenError = builder
  .objectRef<ExpectedError<'EmailTakenError'>>('EmailTakenError')
  .implement({ interfaces: [ErrorInterface] })
export function emailTaken(): ExpectedError<'EmailTakenError'> {
  const message = 'Somebody has registered with this address: log in, or reset the password.'
  return { __typename: 'EmailTakenError', code: 'EMAIL_TAKEN', message }
}

export const TokenRejectedError = builder
  .objectRef<ExpectedError<'TokenRejectedError'>>('TokenRejectedError')
  .implement({ interfaces: [ErrorInterface] })
export function tokenRejected(message: string): ExpectedError<'TokenRejectedError'> {
  return { __typename: 'TokenRejectedError', code: 'TOKEN_REJECTED', message }
}

export const IdempotencyKeyReusedError = builder
  .objectRef<ExpectedError<'IdempotencyKeyReusedError'>>('IdempotencyKeyReusedError')
  .implement({ interfaces: [ErrorInterface] })
export function idempotencyKeyReused(): ExpectedError<'IdempotencyKeyReusedError'> {
  const message =
    'input.idempotencyKey: this key came with another input before; take a new one for a new request'
  return { __typename: 'IdempotencyKeyReusedError', code: 'IDEMPOTENCY_KEY_REUSED', message }
}

export interface LockTimeout extends ExpectedError<'LockTimeoutError'> {
  waitedMs: number
}
export const LockTimeoutError = builder.objectRef<LockTimeout>('LockTimeoutError').implement({
  interfaces: [ErrorInterface],
  fields: t => ({ waitedMs: t.exposeInt('waitedMs') }),
})
/** @param what is being written, where the caller may know, as `The collection "recipes"` */
export function lockTimeout(waitedMs: number, what = 'What you asked to write'): LockTimeout {
  return {
    __typename: 'LockTimeoutError',
    code: 'LOCK_TIMEOUT',
    message: `${what} is being written by others right now; nothing was stored. Try again in a moment.`,
    waitedMs: Math.round(waitedMs),
  }
}

export interface Unavailable extends ExpectedError<'UnavailableError'> {
  retryAt: Date | null
}
export const UnavailableError = builder.objectRef<Unavailable>('UnavailableError').implement({
  interfaces: [ErrorInterface],
  fields: t => ({ retryAt: t.expose('retryAt', { type: 'DateTime', nullable: true }) }),
})
/** A database that is away is back within seconds, or not soon. */
const RETRY_UNAVAILABLE_MS = 1000

export function unavailable(now: Date): Unavailable {
  return {
    __typename: 'UnavailableError',
    code: 'UNAVAILABLE',
    message: 'Tributary cannot reach its database; try again in a moment.',
    retryAt: new Date(now.getTime() + RETRY_UNAVAILABLE_MS),
  }
}
