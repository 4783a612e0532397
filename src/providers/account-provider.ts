import { z } from 'zod'
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
  /** refused: these tokens do not count any more. limited, away: later perhaps. client: the gateway itself is not let in. */
  readonly kind: 'refused' | 'limited' | 'away' | 'client'
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
    throw refusal(response, form && text)
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

/** @param answer of a token endpoint, undefined of any other */
function refusal(response: Response, answer: string | undefined): AccountProviderError {
  const { status, headers, url } = response
  const { host } = new URL(url)
  const wait = { retryAfterMs: retryAfterMs(headers.get('retry-after'), new Date()) }
  if (status === 429) return new AccountProviderError('limited', `${host} asks for fewer requests`, wait)
  if (answer === undefined ? status === 401 : status === 400 || status === 401)
    return answer !== undefined && blamesClient(status, answer)
      ? new AccountProviderError('client', `${host} refuses the client: check its id and secret`)
      : new AccountProviderError('refused', `${host} refuses the tokens`)
  return new AccountProviderError('away', `${host} answered ${status}`, wait)
}

const RefreshRefusal = z.union([
  z.object({ error: z.string() }),
  z.object({ errors: z.array(z.object({ resource: z.string() })) }),
])

/**
 * Whether a refresh was refused for who asked, and not for the token: a wrong secret must not mark every account. 400 is for a token
 * that is not known any more (invalid_grant), 401 for the client alone: RFC 6749, 5.2. Strava names what it means in its own way.
 */
function blamesClient(status: number, answer: string): boolean {
  const parsed = RefreshRefusal.safeParse(parseOrNull(answer))
  if (!parsed.success) return status === 401
  if ('error' in parsed.data) return parsed.data.error !== 'invalid_grant'
  return !parsed.data.errors.some(({ resource }) => resource === 'RefreshToken')
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
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
