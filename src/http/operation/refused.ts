import { GraphQLError, type GraphQLErrorOptions } from 'graphql'
import { brief } from '../../shared/characters.ts'
import type { HttpExtension } from '../http-answer.ts'

/** The code of a request that is answered without being executed. */
export type RefusalCode =
  | 'BAD_USER_INPUT'
  | 'UNAUTHENTICATED'
  | 'GRAPHQL_PARSE_FAILED'
  | 'GRAPHQL_VALIDATION_FAILED'
  | 'OPERATION_TOO_COMPLEX'
  | 'RATE_LIMITED'
  | 'TIMEOUT'
  | 'PERSISTED_QUERY_NOT_FOUND'
  | 'PERSISTED_QUERY_ONLY'

/** An operation that is not executed, and what its client is told. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly errors: readonly GraphQLError[]

  constructor(errors: readonly GraphQLError[]) {
    super(errors[0]?.message)
    this.errors = errors
  }
}

/** What too much was asked for of, as the metric names it. */
export type RateLimitScope =
  | 'principal'
  | 'address'
  | 'generations'
  | 'socket_subscriptions'
  | 'principal_subscriptions'

/** Refused for how much was asked for, or is open, and not for what it is. */
export class RateLimited extends Refused {
  readonly scope: RateLimitScope

  constructor(
    scope: RateLimitScope,
    message: string,
    extensions: { readonly retryAfterMs: number; readonly limit?: number },
  ) {
    super([refusal('RATE_LIMITED', message, { status: 429 }, { extensions })])
    this.scope = scope
  }
}

export function refusal(
  code: RefusalCode,
  message: string,
  http: HttpExtension,
  { extensions, ...options }: GraphQLErrorOptions = {},
): GraphQLError {
  return new GraphQLError(brief(message), { ...options, extensions: { ...extensions, code, http } })
}

export function tooComplex(message: string, extensions: Record<string, unknown> = {}): Refused {
  return new Refused([refusal('OPERATION_TOO_COMPLEX', message, { status: 400, spec: true }, { extensions })])
}

export function badRequest(message: string, http: HttpExtension = { status: 400 }): Refused {
  return new Refused([refusal('BAD_USER_INPUT', message, http)])
}
