import OpenAI, { APIConnectionError, APIError } from 'openai'
import { LONGEST_TIMER_MS } from '../../shared/clock.ts'
import {
  type FailureDetails,
  failureOfConnection,
  failureOfErrorBody,
  loggable,
  ProviderFailure,
  reasonOfStatus,
} from './provider-failure.ts'
import { readStart, receiveBody } from './receive-body.ts'
import { retryAfterMs } from './retry-after.ts'

/** What is read of an error's body; only its code is looked at. */
const ERROR_BODY_BYTES = 65_536
const ERROR_BODY_MS = 2000

/** The library without what it would do by itself: no retries, no timer, no log, no look at the environment, no redirects. */
export function createApiClient(options: {
  /** Ends in /v1. */
  baseUrl: string
  /** Undefined for a server that asks for none. */
  apiKey: string | undefined
  /** For how long the rest of an error is waited for: its status, and what it asks to wait, are known by then. */
  errorBodyMs?: number
}): OpenAI {
  // What is null here would else come from the library's own look at the environment.
  return new OpenAI({
    baseURL: options.baseUrl.replace(/\/+$/, ''),
    apiKey: options.apiKey ?? 'none',
    ...(options.apiKey === undefined && { defaultHeaders: { authorization: null } }),
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    // The library's own timer, out of the way: calls are bounded by their signal.
    timeout: LONGEST_TIMER_MS,
    // Its log would hold the prompts.
    logLevel: 'off',
    fetch: (url, init) => fetchAnswer(url, init, options.errorBodyMs ?? ERROR_BODY_MS),
  })
}

/** What a call threw, as a ProviderFailure where the library threw it; anything else as it is. */
export function failureOfCall(error: unknown, context: { apiKey: string | undefined; now: Date }): unknown {
  if (error instanceof APIConnectionError) return failureOfConnection(error, 'unreachable')
  if (error instanceof APIError) {
    const { status, headers } = error as APIError
    if (status === undefined) return failureOfErrorBody(error.error)
    const waitMs = retryAfterMs(headers?.get('retry-after'), context.now)
    const details = detailsOf(error, context.apiKey)
    return new ProviderFailure(reasonOfStatus(status), { retryAfterMs: waitMs, details })
  }
  // An event that is no JSON.
  if (error instanceof SyntaxError) return new ProviderFailure('unusable')
  return error
}

export function detailsOf(error: APIError, apiKey: string | undefined): FailureDetails {
  return withoutGaps({
    status: error.status,
    code: loggable(error.code, apiKey),
    requestId: loggable(error.requestID, apiKey),
  })
}

/** Follows no redirect, which would take a user's data to somebody else, and reads no more of an error than it needs. */
async function fetchAnswer(
  url: string | URL | Request,
  init: RequestInit | undefined,
  errorBodyMs: number,
): Promise<Response> {
  const response = await fetch(url, { ...init, redirect: 'manual' })
  if (response.ok || !response.body) return response
  const signal = AbortSignal.any([AbortSignal.timeout(errorBodyMs), ...(init?.signal ? [init.signal] : [])])
  // Its status says enough where the rest does not arrive.
  const text = await readStart(receiveBody(response.body, signal), ERROR_BODY_BYTES)
  return new Response(text || null, { status: response.status, headers: response.headers })
}

function withoutGaps(
  details: { [Key in keyof FailureDetails]: FailureDetails[Key] | undefined },
): FailureDetails {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
}
