import { z } from 'zod'
import type { MemoryFactRow } from '../../database/memory-facts.ts'
import { GenerationError } from '../../providers/generator.ts'
import type { ExchangeInput, FactDraft, MemoryGenerator } from '../../providers/memory.ts'
import { abortable } from '../../shared/abort.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { assertOutsideTransaction } from '../../shared/transaction-scope.ts'
import { type FieldIssue, fieldIssues } from '../field-issues.ts'
import { summariseFacts } from './summarise-facts.ts'
import type { UserMemory } from './user-memory.ts'

export interface RememberExchangeOptions {
  memory: UserMemory
  generator: MemoryGenerator
  /** Where the generator cannot be had: an exchange is heard once, and what it says in plain words must not be lost. */
  plainGenerator: MemoryGenerator
  generationTimeoutMs: number
  now: () => Date
  logger: Logger
  metrics: Metrics
}

export type RememberExchangeOutcome =
  | { type: 'remembered'; facts: MemoryFactRow[]; summary: string }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'lock-timeout'; waitedMs: number }

const MAX_CHARACTERS = 100_000
const MAX_FACTS = 100
const MAX_FACT_CHARACTERS = 500
const UNSTORABLE = /[\0\p{Cs}]/u
const range = (min: number) => `expected ${min} to ${MAX_CHARACTERS} characters`
const text = (min: number) =>
  z
    .string()
    .min(min, range(min))
    .max(MAX_CHARACTERS, range(min))
    .refine(
      value => !UNSTORABLE.test(value),
      'expected text without NUL and without halves of surrogate pairs',
    )
const Exchange = z.object({ userMessage: text(1), aiResponse: text(0) })

const KIND = 'MEMORY_EXTRACTION'

/** Learns about a user from what was said. What is said is read before the lock is asked for; the lock covers the write alone. */
export class RememberExchange {
  readonly #options: RememberExchangeOptions

  constructor(options: RememberExchangeOptions) {
    this.#options = options
  }

  async execute(
    userId: string,
    exchange: { userMessage: string; aiResponse: string },
    signal?: AbortSignal,
  ): Promise<RememberExchangeOutcome> {
    const parsed = Exchange.safeParse(exchange)
    if (!parsed.success) return { type: 'invalid-input', issues: fieldIssues(parsed.error, ['input']) }
    const drafts = await this.extract(parsed.data, { signal, patient: false })
    return this.store(userId, drafts)
  }

  /** @param saidAt null for now. */
  async store(
    userId: string,
    drafts: readonly FactDraft[],
    saidAt: Date | null = null,
  ): Promise<Exclude<RememberExchangeOutcome, { type: 'invalid-input' }>> {
    const stored = await this.#options.memory.store(userId, drafts, saidAt)
    if (stored.type === 'lock-timeout') return stored
    return { type: 'remembered', facts: stored.facts, summary: summariseFacts(stored.current) }
  }

  /**
   * @param options.patient a failure that may pass is thrown, for a later try; else, and for one that does not pass, the
   * plain generator reads the exchange.
   */
  async extract(
    exchange: { userMessage: string; aiResponse: string },
    { signal, patient }: { signal: AbortSignal | undefined; patient: boolean },
  ): Promise<FactDraft[]> {
    const { generator, plainGenerator, now, logger } = this.#options
    const input = { ...exchange, date: now().toISOString().slice(0, 10) }
    try {
      return usable(await this.#call(generator, input, signal))
    } catch (error) {
      if (signal?.aborted || !(error instanceof GenerationError) || (patient && error.retryable)) throw error
      logger.warn({ reason: error.message }, 'an exchange is read without the model')
      return usable(await this.#call(plainGenerator, input, signal))
    }
  }

  async #call(
    generator: MemoryGenerator,
    input: ExchangeInput,
    leaving: AbortSignal | undefined,
  ): Promise<FactDraft[]> {
    assertOutsideTransaction('a call of the generator')
    const { metrics, generationTimeoutMs } = this.#options
    const timeout = new AbortController()
    const timer = setTimeout(
      () => timeout.abort(new GenerationError('The generation took too long.', { retryable: true })),
      generationTimeoutMs,
    )
    const signal = leaving ? AbortSignal.any([leaving, timeout.signal]) : timeout.signal
    const stopTimer = metrics.providerSeconds.startTimer({ kind: KIND })
    let outcome = 'success'
    try {
      return await abortable(generator.extractFacts(input, { signal, reportProgress: () => {} }), signal)
    } catch (error) {
      outcome = timeout.signal.aborted ? 'timeout' : signal.aborted ? 'aborted' : 'error'
      throw error
    } finally {
      clearTimeout(timer)
      stopTimer()
      metrics.providerCalls.inc({ kind: KIND, outcome })
    }
  }
}

/** Whatever a model says is bounded before it is kept. */
function usable(drafts: readonly FactDraft[]): FactDraft[] {
  return drafts
    .slice(0, MAX_FACTS)
    .map(draft => ({ ...draft, content: draft.content.trim().slice(0, MAX_FACT_CHARACTERS).toWellFormed() }))
    .filter(({ content }) => content !== '')
}
