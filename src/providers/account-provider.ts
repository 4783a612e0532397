import type { z } from 'zod'
import type { JsonValue } from '../shared/json.ts'
import { assertOutsideTransaction } from '../shared/transaction-scope.ts'
import { retryAfterMs } from './openai/retry-after.ts'

export interface ProviderTokens {
  accessToken: string
  refreshToken: string
  expiresAt: Date
}

export interface FetchedPoint {
  metric: string
  value: number
  unit: string
  recordedAt: Date
  source: string
  externalId: string
}

export interface FetchedAccount {
  stats: { statsType: string; data: JsonValue }[]
  points: FetchedPoint[]
}

/** Where a user's figures are fetched from. Every call is bounded, and ends with the signal. */
export interface AccountProvider {
  /** Undefined where no client is set up that could. @throws AccountProviderError */
  readonly refresh: ((refreshToken: string, signal: AbortSignal) => Promise<ProviderTokens>) | undefined
  /** @throws AccountProviderError */
  fetch(
    account: { athleteId: string; accessToken: string; since: Date },
    signal: AbortSignal,
  ): Promise<FetchedAccount>
}

export class AccountProviderError extends Error {
  override readonly name = 'AccountProviderError'
  /** refused: these tokens do not count any more. limited, away: later perhaps. */
  readonly kind: 'refused' | 'limited' | 'away'
  /** What the provider asked for. */
  readonly retryAfterMs: number | null

  constructor(
    kind: AccountProviderError['kind'],
    message: string,
    options: { retryAfterMs?: number | null; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.kind = kind
    this.retryAfterMs = options.retryAfterMs ?? null
  }
}

/** One answer; a page of 200 activities takes the real servers a second or two. */
const CALL_TIMEOUT_MS = 15_000
/** Far above the largest page. */
const MAX_BYTES = 16 * 1024 * 1024

/** One call of a provider's API. @throws AccountProviderError, without anything of the request in its words. */
export async function callProvider(
  url: URL,
  options: { signal: AbortSignal; accessToken?: string; form?: Record<string, string> },
): Promise<unknown> {
  assertOutsideTransaction('calling an account provider')
  const { signal, accessToken, form } = options
  const signals = AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)])
  try {
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      headers: { accept: 'application/json', ...(accessToken && { authorization: `Bearer ${accessToken}` }) },
      ...(form && { body: new URLSearchParams(form) }),
      // A token is for this host alone.
      redirect: 'error',
      signal: signals,
    })
    const text = await readText(response)
    if (response.ok) return JSON.parse(text)
    throw refusal(response, form !== undefined)
  } catch (error) {
    if (error instanceof AccountProviderError) throw error
    throw new AccountProviderError('away', `${url.host} did not answer as expected`, { cause: error })
  }
}

/** @throws AccountProviderError that names where the answer does not fit, and nothing of what is in it. */
export function parseAnswer<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(answer)
  if (parsed.success) return parsed.data
  const where = parsed.error.issues[0]?.path.join('.') || 'its top'
  throw new AccountProviderError('away', `an answer does not fit at ${where}`)
}

function refusal(response: Response, refreshing: boolean): AccountProviderError {
  const { status, headers, url } = response
  const { host } = new URL(url)
  const wait = { retryAfterMs: retryAfterMs(headers.get('retry-after'), new Date()) }
  if (status === 429) return new AccountProviderError('limited', `${host} asks for fewer requests`, wait)
  // An OAuth server answers 400 (invalid_grant) to a refresh token that it does not know any more: RFC 6749, 5.2.
  if (status === 401 || (refreshing && status === 400))
    return new AccountProviderError('refused', `${host} refuses the tokens`)
  return new AccountProviderError('away', `${host} answered ${status}`, wait)
}

async function readText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    bytes += part.length
    if (bytes > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
