import type { RunOnce } from '../../coordination/run-once.ts'
import { findLatestAnalysis } from '../../database/analyses.ts'
import type { IdempotencyClaim } from '../../database/idempotency.ts'
import { isDatabaseAway } from '../../database/postgres-errors.ts'
import type { Archetype } from '../../shared/archetype.ts'
import { answerOnce, idempotencyKeyIssues, takeKey } from '../answer-once.ts'
import type { FieldIssue } from '../field-issues.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { keepAnswers } from '../run-request.ts'
import { waitIssues } from '../wait-issues.ts'
import {
  type AnalysisResult,
  type AnalysisRun,
  type AnalysisRunOptions,
  AnalysisRuns,
  type WantedAnalysis,
} from './analysis-run.ts'

export interface AnalysisRequest {
  userId: string
  archetype: Archetype
  forceRefresh: boolean
  /** Milliseconds; null waits to the end. */
  waitMs: number | null
  /** The client's own: within 24 hours the same key and input get the same answer. */
  idempotencyKey: string | null
  /** Asked by a run that has begun: it does not wait behind those that only begin. */
  isPartOfRun?: boolean
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
    // Nobody waits who could be told FRESH.
    options.runOnce.resumes('BEHAVIOR_ANALYSIS', async run =>
      this.#describe(this.#runs.readWanted(run), () => false),
    )
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
      logger.warn({ err: error }, 'an analysis was asked for that cannot be had at the moment')
      return { type: 'unavailable' }
    } finally {
      stopTimer()
    }
  }

  async #answer(request: AnalysisRequest): Promise<RequestAnalysisOutcome> {
    const { userId, archetype, forceRefresh, idempotencyKey } = request
    const issues = [...waitIssues(request.waitMs), ...idempotencyKeyIssues(idempotencyKey)]
    if (issues.length > 0) return { type: 'invalid-input', issues }
    // How long to wait changes nothing of what is asked for.
    const fingerprint = fingerprintOf('requestAnalysis', { archetype, forceRefresh })
    const claim = idempotencyKey === null ? null : { userId, key: idempotencyKey, fingerprint }
    return answerOnce<KeptAnswer, RequestAnalysisOutcome>(this.#options.db, claim, {
      anew: () => this.#answerAnew(request, claim),
      // A failure or a wait may end otherwise next time, and so may a failure behind which an older analysis was served.
      keep: outcome =>
        outcome.type === 'result' && outcome.source !== 'FALLBACK'
          ? { source: outcome.source, runId: outcome.runId, analysisId: outcome.analysis.id }
          : undefined,
      replay: kept => this.#replay(kept),
    })
  }

  async #replay({ source, runId, analysisId }: KeptAnswer): Promise<RequestAnalysisOutcome> {
    return { ...(await this.#runs.load(analysisId)), type: 'result', source, runId }
  }

  async #answerAnew(
    request: AnalysisRequest,
    claim: IdempotencyClaim | null,
  ): Promise<RequestAnalysisOutcome> {
    const { userId, archetype, forceRefresh, waitMs, signal } = request
    if (!(await takeKey(this.#options.db, claim, {}))) return { type: 'idempotency-key-reused' }
    let waits = true
    const run = this.#describe(
      { userId, archetype, forced: forceRefresh, claim, isPartOfRun: request.isPartOfRun ?? false },
      () => waits,
    )
    const caller = { joinsAnyRun: !forceRefresh, waitMs, ...(signal && { signal }) }
    const outcome = await this.#options.runOnce.request(run, caller).finally(() => {
      waits = false
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

  #describe(wanted: WantedAnalysis, isWaitedFor: () => boolean): AnalysisRun {
    const { claim } = wanted
    return this.#runs.describe(wanted, async (transaction, { runId, analysisId, takenUp }) => {
      // Where the request has ended before its run, FRESH is told to the next who waits for it, and to nobody twice.
      const source = isWaitedFor() ? 'FRESH' : 'JOINED'
      // With the analysis or not at all: a crash in between must not make the key forget what it has paid for.
      await keepAnswers<KeptAnswer>(transaction, { own: claim, takenUp }, { source, runId, analysisId })
    })
  }
}
