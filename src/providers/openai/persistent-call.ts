import { abortable } from '../../shared/abort.ts'
import { backoffMs } from '../../shared/backoff.ts'
import type { CircuitBreaker } from '../../shared/circuit-breaker.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import { GenerationError } from '../generator.ts'
import { ProviderFailure } from './provider-failure.ts'

export interface CallPolicy {
  /** Calls in all, the first one included. */
  tries: number
  baseMs: number
  maxMs: number
  /** A provider that wants a longer pause is not asked again in this run: whoever waits for it should rather know. */
  longestRetryAfterMs: number
  /** Of each call; a call that runs into it is not repeated. Undefined: the signal alone bounds it. */
  callTimeoutMs: number | undefined
}

export interface PersistentCallOptions {
  policy: CallPolicy
  breaker: CircuitBreaker
  clock: Clock
  random: () => number
  logger: Logger
}

/**
 * Makes a call, and again where that may help: after a pause with jitter, or the one the provider asked for, and never
 * past the circuit breaker, which sees every single call.
 * @throws ProviderFailure, or the signal's reason when it aborts
 */
export async function callPersistently<T>(
  call: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  options: PersistentCallOptions,
): Promise<T> {
  const { breaker, clock, logger } = options
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    const pass = breaker.enter()
    if (!pass) throw new ProviderFailure('resting')
    try {
      const result = await callOnce(call, signal, options)
      pass.succeed()
      return result
    } catch (error) {
      if (signal.aborted) {
        // A deadline that passed tells of the provider; a lost lease or a shutdown does not.
        if (signal.reason instanceof GenerationError) pass.fail()
        else pass.abandon()
        throw signal.reason
      }
      if (!(error instanceof ProviderFailure)) {
        pass.abandon()
        throw error
      }
      if (error.providerAtFault) pass.fail()
      else pass.succeed()
      const waitMs = breaker.state === 'closed' ? pauseMs(error, attempt, options) : null
      const told = { reason: error.reason, ...error.details, attempt }
      if (waitMs === null) {
        logger.warn(told, 'a call of the model provider failed')
        throw error
      }
      logger.info({ ...told, waitMs }, 'a call of the model provider failed and is made again')
      await pause(waitMs, signal, clock)
    }
  }
}

/** The longest that callPersistently takes where each call has its own bound. */
export function longestCallMs(policy: CallPolicy & { callTimeoutMs: number }): number {
  return (
    policy.tries * policy.callTimeoutMs + (policy.tries - 1) * (policy.longestRetryAfterMs + policy.maxMs)
  )
}

async function callOnce<T>(
  call: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  { policy, clock }: PersistentCallOptions,
): Promise<T> {
  const own = new AbortController()
  const onAbort = () => own.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  const cancelTimer =
    policy.callTimeoutMs === undefined
      ? () => {}
      : clock.setTimer(() => own.abort(new ProviderFailure('timeout')), policy.callTimeoutMs)
  try {
    return await call(own.signal)
  } finally {
    cancelTimer()
    signal.removeEventListener('abort', onAbort)
  }
}

/** @returns null when the call is not to be made again */
function pauseMs(
  failure: ProviderFailure,
  attempt: number,
  { policy, random }: PersistentCallOptions,
): number | null {
  const { retryAfterMs } = failure
  if (!failure.tryAgain || attempt >= policy.tries) return null
  if (retryAfterMs !== null && retryAfterMs > policy.longestRetryAfterMs) return null
  // On top of what was asked for: all who were sent away together would come back together.
  return (retryAfterMs ?? 0) + backoffMs(attempt, { ...policy, random })
}

function pause(waitMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  let cancelTimer = () => {}
  const elapsed = new Promise<void>(resolve => {
    cancelTimer = clock.setTimer(resolve, waitMs)
  })
  return abortable(elapsed, signal).finally(() => cancelTimer())
}
