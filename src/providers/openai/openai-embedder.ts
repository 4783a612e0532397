import { z } from 'zod'
import { type BreakerState, CircuitBreaker } from '../../shared/circuit-breaker.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import { assertOutsideTransaction } from '../../shared/transaction-scope.ts'
import { type Embedder, EmbeddingError, type Vector } from '../embedder.ts'
import { createApiClient, failureOfCall } from './api-client.ts'
import { type CallPolicy, callPersistently } from './persistent-call.ts'
import { ProviderFailure } from './provider-failure.ts'
import { bounded, receiveBody } from './receive-body.ts'

/** As the metrics name what is asked. */
export type EmbeddingKind = 'DOCUMENT_EMBEDDING' | 'QUERY_EMBEDDING'

export interface OpenAiEmbedderOptions {
  /** Ends in /v1. */
  baseUrl: string
  /** Undefined for a server that asks for none. */
  apiKey: string | undefined
  model: string
  logger: Logger
  onTokens?: (count: { kind: EmbeddingKind; tokens: number }) => void
  onBreakerChange?: (change: { kind: EmbeddingKind; state: BreakerState }) => void
  policies?: Partial<Record<EmbeddingKind, Partial<CallPolicy>>>
  breaker?: { openAfter?: number; openForMs?: number }
  clock?: Clock
  /** The wall clock, for a Retry-After that is a date. */
  now?: () => Date
  random?: () => number
}

const POLICIES: Record<EmbeddingKind, CallPolicy & { callTimeoutMs: number }> = {
  // Nobody waits, and what fails is tried again some time later.
  DOCUMENT_EMBEDDING: {
    tries: 3,
    baseMs: 500,
    maxMs: 5000,
    longestRetryAfterMs: 20_000,
    callTimeoutMs: 30_000,
  },
  // Without its vector a search goes by words alone: better than a user who waits.
  QUERY_EMBEDDING: { tries: 1, baseMs: 1, maxMs: 1, longestRetryAfterMs: 0, callTimeoutMs: 1000 },
}
const BREAKER = { openAfter: 5, openForMs: 30_000 }
/** Several times what the largest batch of the largest vectors takes. */
const MOST_BYTES = 32 * 1024 * 1024
/** The most that pgvector keeps. */
const MOST_DIMENSIONS = 16_000
/** What a 4-byte float holds. */
const LARGEST = 3.4e38

const Answer = z.object({
  data: z.array(
    z.object({
      index: z.int().min(0),
      embedding: z.array(z.number().min(-LARGEST).max(LARGEST)).min(1).max(MOST_DIMENSIONS),
    }),
  ),
  usage: z
    .object({ prompt_tokens: z.int().min(0) })
    .nullish()
    .catch(null),
})

/** An embedder behind any server that speaks OpenAI's embeddings. What it sends is believed no further than its form. */
export function createOpenAiEmbedder(options: OpenAiEmbedderOptions): Embedder {
  const { model, apiKey, clock = systemClock, now = () => new Date(), random = Math.random } = options
  const client = createApiClient(options)
  const breakerOf = (kind: EmbeddingKind) =>
    new CircuitBreaker({
      clock,
      ...BREAKER,
      ...options.breaker,
      onChange(state) {
        options.logger.warn({ kind, state }, 'the circuit breaker of the embeddings server moved')
        options.onBreakerChange?.({ kind, state })
      },
    })
  // Documents come in large batches: what is too slow for them says nothing about a query.
  const breakers = {
    DOCUMENT_EMBEDDING: breakerOf('DOCUMENT_EMBEDDING'),
    QUERY_EMBEDDING: breakerOf('QUERY_EMBEDDING'),
  }

  async function call(kind: EmbeddingKind, texts: readonly string[], signal: AbortSignal): Promise<Vector[]> {
    try {
      const response = await client.embeddings
        // Without a word about the form the library asks for base64, which not every server knows.
        .create({ model, input: [...texts], encoding_format: 'float' }, { signal })
        .asResponse()
      if (!response.body) throw new ProviderFailure('unusable')
      const limits = { bytes: MOST_BYTES, lineBytes: MOST_BYTES }
      const chunks: Uint8Array[] = []
      for await (const chunk of bounded(receiveBody(response.body, signal), limits)) chunks.push(chunk)
      const answer = Answer.safeParse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
      if (!answer.success) throw new ProviderFailure('unusable')
      const { data, usage } = answer.data
      if (usage) options.onTokens?.({ kind, tokens: usage.prompt_tokens })
      return inOrder(data, texts.length)
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw atFault(failureOfCall(error, { apiKey, now: now() }))
    }
  }

  async function embed(kind: EmbeddingKind, texts: readonly string[], signal: AbortSignal) {
    assertOutsideTransaction('an embedding')
    try {
      return await callPersistently(bounds => call(kind, texts, bounds), signal, {
        policy: { ...POLICIES[kind], ...options.policies?.[kind] },
        breaker: breakers[kind],
        clock,
        random,
        logger: options.logger.child({ kind }),
      })
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error
      throw new EmbeddingError({ rejected: error.reason === 'rejected', cause: error })
    }
  }

  return {
    model,
    embedDocuments: (texts, signal) => embed('DOCUMENT_EMBEDDING', texts, signal),
    async embedQuery(text, signal) {
      const [vector] = await embed('QUERY_EMBEDDING', [text], signal)
      if (!vector) throw new Error('no vector where one was promised')
      return vector
    },
  }
}

/** @throws ProviderFailure where a text has no vector, or one of another length */
function inOrder(data: readonly { index: number; embedding: number[] }[], count: number): Vector[] {
  const vectors: Vector[] = []
  for (const { index, embedding } of data) vectors[index] = embedding
  const dimensions = vectors[0]?.length
  // Not by `some`, which would pass over a gap.
  const alike = Array.from(vectors, vector => vector?.length).every(length => length === dimensions)
  if (data.length !== count || vectors.length !== count || !alike) throw new ProviderFailure('unusable')
  return vectors
}

/**
 * Credentials, a model or an address that the server does not know: nothing a text could bring about, and no call will do
 * better, so the breaker hears of it.
 */
function atFault(error: unknown): unknown {
  const hopeless =
    error instanceof ProviderFailure && ['unauthorized', 'unknown', 'redirected'].includes(error.reason)
  return hopeless ? Object.assign(error, { providerAtFault: true }) : error
}
