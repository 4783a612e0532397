import { GenerationError } from '../generator.ts'

interface Handling {
  message: string
  /** Whether a later run may have more luck. */
  retryable: boolean
  /** Whether the same call is worth another try within this run. */
  tryAgain: boolean
  /**
   * Whether it counts against the provider for the circuit breaker. Only what a user's own data cannot bring about:
   * whoever talks the model into a refusal or an endless answer must not close the provider for everybody.
   */
  providerAtFault: boolean
}

const transient = { retryable: true, tryAgain: true, providerAtFault: true }
const broken = { retryable: true, tryAgain: false, providerAtFault: true }
const unlucky = { retryable: true, tryAgain: false, providerAtFault: false }
const final = { retryable: false, tryAgain: false, providerAtFault: false }

/** Every way a provider can fail, in words for the user: never the provider's own, which may quote the prompt or the key. */
const handlings = {
  unreachable: { ...transient, message: 'The model provider could not be reached.' },
  dropped: {
    ...transient,
    message: 'The connection to the model provider broke off in the middle of its answer.',
  },
  busy: { ...transient, message: 'The model provider has too many requests at the moment.' },
  down: { ...transient, message: 'The model provider failed to answer.' },
  timeout: { ...broken, message: 'The model provider did not answer in time.' },
  unusable: { ...broken, message: 'The model provider sent something that is no answer.' },
  reported: { ...broken, message: 'The model provider sent an error in place of an answer.' },
  unfinished: { ...broken, message: 'The model provider stopped in the middle of its answer.' },
  resting: {
    ...unlucky,
    message: 'The model provider has failed several times in a row and is left alone for a while.',
  },
  oversized: { ...unlucky, message: 'The answer of the model provider was too large.' },
  empty: { ...unlucky, message: 'The answer of the model provider was empty.' },
  invalid: {
    ...unlucky,
    message: 'The answer of the model did not have the expected form, nor had its correction.',
  },
  late: { ...unlucky, message: 'The model provider gave up waiting for the request.' },
  unauthorized: { ...final, message: 'The model provider does not accept the credentials of this gateway.' },
  unknown: {
    ...final,
    message: 'The model provider does not know the model or the address this gateway asks for.',
  },
  rejected: { ...final, message: 'The model provider rejected the request.' },
  redirected: { ...final, message: 'The model provider has moved to another address.' },
  truncated: { ...final, message: 'The answer of the model was longer than the model may write.' },
  filtered: { ...final, message: 'The content rules of the model provider held the answer back.' },
  declined: { ...final, message: 'The model declined to answer.' },
} satisfies Record<string, Handling>
export type FailureReason = keyof typeof handlings

/** What may be logged of a failure: codes and numbers, nothing that a provider or a user has written. */
export interface FailureDetails {
  status?: number
  code?: string
  requestId?: string
}

export class ProviderFailure extends GenerationError {
  readonly reason: FailureReason
  readonly tryAgain: boolean
  readonly providerAtFault: boolean
  /** What the provider asked to wait before the next try; null: nothing. */
  readonly retryAfterMs: number | null
  readonly details: FailureDetails

  constructor(
    reason: FailureReason,
    options: { retryAfterMs?: number | null; details?: FailureDetails } = {},
  ) {
    const { message, retryable, tryAgain, providerAtFault } = handlings[reason]
    super(message, { retryable })
    this.reason = reason
    this.tryAgain = tryAgain
    this.providerAtFault = providerAtFault
    this.retryAfterMs = options.retryAfterMs ?? null
    this.details = options.details ?? {}
  }
}

export function reasonOfStatus(status: number): FailureReason {
  if (status >= 500) return 'down'
  if (status === 429) return 'busy'
  if (status === 408) return 'late'
  if (status === 401 || status === 403) return 'unauthorized'
  if (status === 404) return 'unknown'
  return status >= 400 ? 'rejected' : 'redirected'
}

/**
 * An error where the answer should be, as gateways in front of several providers send with status 200. Its `code` is
 * at times the status that the provider behind it gave.
 */
export function failureOfErrorBody(body: unknown): ProviderFailure {
  const code = typeof body === 'object' && body !== null && 'code' in body ? Number(body.code) : Number.NaN
  if (!Number.isInteger(code) || code < 400 || code > 599) return new ProviderFailure('reported')
  return new ProviderFailure(reasonOfStatus(code), { details: { status: code } })
}

/** A connection that failed, by the code that is found among its causes: ECONNREFUSED and the like. */
export function failureOfConnection(error: unknown, reason: 'unreachable' | 'dropped'): ProviderFailure {
  let code: string | undefined
  for (let cause = error; cause instanceof Error && !code; cause = cause.cause)
    code = loggable((cause as NodeJS.ErrnoException).code)
  // fetch waits five minutes for the head of an answer, and for each part of it; there is no use in three times five.
  const timedOut = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT'
  return new ProviderFailure(timedOut ? 'timeout' : reason, { details: code ? { code } : {} })
}

/** An identifier that somebody else made up, if it looks like one and does not hold the secret. */
export function loggable(text: unknown, secret?: string): string | undefined {
  if (typeof text !== 'string' || !/^[\w.:-]{1,80}$/.test(text)) return undefined
  return secret && text.includes(secret) ? undefined : text
}
