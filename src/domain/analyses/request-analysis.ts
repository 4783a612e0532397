import type { RunOnce } from '../../coordination/run-once.ts'
import { findLatestAnalysis } from '../../database/analyses.ts'
import { findKeptAnswer, type IdempotencyClaim, keepAnswer } from '../../database/idempotency.ts'
import { isDatabaseAway } from '../../database/postgres-errors.ts'
import type { Archetype } from '../../shared/archetype.ts'
import { type FieldIssue, plainText } from '../field-issues.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { type AnalysisResult, type AnalysisRunOptions, AnalysisRuns } from './analysis-run.ts'

export interface AnalysisRequest {
  userId: string
  archetype: Archetype
  forceRefresh: boolean
  /** Milliseconds; null waits to the end. */
  waitMs: number | null
  /** The client's own: within 24 hours the same key and input get the same answer. */
  idempotencyKey: string | null
  /** Aborts when the client leaves. */
  signal?: AbortSignal
}

type Source = 'FRESH' | 'JOINED' | 'RECENT' | 'CACHED' | 'FALLBACK'

export type RequestAnalysisOutcome =
  | ({ type: 'result'; source: Source; runId: string | null } & AnalysisResult)
  | { type: 'pending'; runId: string }
  | { type: 'failed'; runId: string; message: string; retryable: boolean; retryAt: Date | null }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'idempotency-key-reused' }
  | { type: 'unavailable' }

/** What an idempotency key remembers. */
interface KeptAnswer {
  source: Source
  runId: string | null
  analysisId: string
}

/** Longer than any generation may take: who would wait for longer should follow the run instead. */
const MAX_WAIT_MS = 600_000
const IdempotencyKey = plainText({ min: 1, max: 128 })

/**
 * The behavior analysis of a user and archetype: a stored one that still serves, or a new one, made once for everyone
 * who asks at the same time. When the generation fails, an older analysis serves.
 */
export class RequestAnalysis {
  readonly #options: AnalysisRunOptions & { runOnce: RunOnce }
  readonly #runs: AnalysisRuns

  constructor(options: AnalysisRunOptions & { runOnce: RunOnce }) {
    this.#options = options
    this.#runs = new AnalysisRuns(options)
  }

  async execute(request: AnalysisRequest): Promise<RequestAnalysisOutcome> {
    const { metrics, logger } = this.#options
    const kind = 'BEHAVIOR_ANALYSIS'
    const stopTimer = metrics.coordinationWait.startTimer({ kind })
    try {
      const outcome = await this.#answer(request)
      if (outcome.type === 'result') metrics.coordinationRequests.inc({ kind, source: outcome.source })
      return outcome
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      logger.warn({ err: error }, 'an analysis was asked for while the database was away')
      return { type: 'unavailable' }
    } finally {
      stopTimer()
    }
  }

  async #answer(request: AnalysisRequest): Promise<RequestAnalysisOutcome> {
    const { db } = this.#options
    const { userId, archetype, forceRefresh, idempotencyKey } = request
    const issues = requestIssues(request)
    if (issues.length > 0) return { type: 'invalid-input', issues }
    if (idempotencyKey === null) return this.#answerAnew(request, null)

    // How long to wait changes nothing of what is asked for.
    const fingerprint = fingerprintOf('requestAnalysis', { archetype, forceRefresh })
    const claim: IdempotencyClaim = { userId, key: idempotencyKey, fingerprint }
    const before = await findKeptAnswer<KeptAnswer>(db, claim)
    if (before.type === 'reused') return { type: 'idempotency-key-reused' }
    if (before.type === 'kept') return this.#replay(before.answer)
    const outcome = await this.#answerAnew(request, claim)
    // A failure or a wait may end otherwise next time, so it is not kept.
    if (outcome.type !== 'result') return outcome
    const { source, runId, analysis } = outcome
    const kept = await keepAnswer<KeptAnswer>(db, claim, { source, runId, analysisId: analysis.id })
    return kept.type === 'reused' ? { type: 'idempotency-key-reused' } : this.#replay(kept.answer)
  }

  async #replay({ source, runId, analysisId }: KeptAnswer): Promise<RequestAnalysisOutcome> {
    return { ...(await this.#runs.load(analysisId)), type: 'result', source, runId }
  }

  async #answerAnew(
    request: AnalysisRequest,
    claim: IdempotencyClaim | null,
  ): Promise<RequestAnalysisOutcome> {
    const { userId, archetype, forceRefresh, waitMs, signal } = request
    const run = this.#runs.describe(
      userId,
      archetype,
      forceRefresh,
      async (transaction, { runId, analysisId }) => {
        // With the analysis or not at all: a crash in between must not make the key forget what it has paid for.
        if (claim) await keepAnswer<KeptAnswer>(transaction, claim, { source: 'FRESH', runId, analysisId })
      },
    )
    const outcome = await this.#options.runOnce.request(run, {
      joinsAnyRun: !forceRefresh,
      waitMs,
      ...(signal && { signal }),
    })
    switch (outcome.type) {
      case 'result':
        return { ...outcome.result, type: 'result', source: outcome.source, runId: outcome.runId }
      case 'pending':
        return outcome
      case 'failed': {
        const older = await findLatestAnalysis(this.#options.db, userId, archetype)
        if (!older) return outcome
        return {
          ...(await this.#runs.load(older.id)),
          type: 'result',
          source: 'FALLBACK',
          runId: outcome.runId,
        }
      }
    }
  }
}

function requestIssues({ waitMs, idempotencyKey }: AnalysisRequest): FieldIssue[] {
  const issues: FieldIssue[] = []
  if (waitMs !== null && (waitMs < 0 || waitMs > MAX_WAIT_MS))
    issues.push({ path: ['input', 'waitMs'], message: `expected 0 to ${MAX_WAIT_MS}` })
  const key = IdempotencyKey.nullable().safeParse(idempotencyKey)
  if (!key.success)
    issues.push({ path: ['input', 'idempotencyKey'], message: key.error.issues[0]?.message ?? '' })
  return issues
}
