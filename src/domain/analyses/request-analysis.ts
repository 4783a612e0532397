import type { Outcome, RunOnce, RunSpec } from '../../coordination/run-once.ts'
import {
  type AnalysisRow,
  findAnalysesByIds,
  findLatestAnalysis,
  insertInsights,
  readDecisionFacts,
  upsertAnalysis,
} from '../../database/analyses.ts'
import type { Queryable } from '../../database/client.ts'
import { readDataPointWindow } from '../../database/data-points.ts'
import { isDatabaseAway } from '../../database/postgres-errors.ts'
import { findTrackingByUserIds, type TrackingRow, upsertTracking } from '../../database/tracking.ts'
import type { AnalysisDraft, AnalysisInput, Generator } from '../../providers/generator.ts'
import type { Archetype } from '../../shared/archetype.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { SharedRead } from '../../shared/shared-read.ts'
import { type AnalysisRules, decideAnalysis, triggerName, windowStart } from './decide-analysis.ts'

export interface AnalysisRequest {
  userId: string
  archetype: Archetype
  forceRefresh: boolean
  /** Milliseconds; null waits to the end. */
  waitMs: number | null
  /** Aborts when the client leaves. */
  signal?: AbortSignal
}

export interface AnalysisResult {
  analysis: AnalysisRow
  tracking: TrackingRow
}

export type RequestAnalysisOutcome =
  | ({
      type: 'result'
      source: 'FRESH' | 'JOINED' | 'RECENT' | 'CACHED' | 'FALLBACK'
      runId: string | null
    } & AnalysisResult)
  | { type: 'pending'; runId: string }
  | { type: 'failed'; runId: string; message: string; retryable: boolean; retryAt: Date | null }
  | { type: 'unavailable' }

export interface RequestAnalysisOptions {
  db: Queryable
  runOnce: RunOnce
  generator: Generator
  rules: AnalysisRules
  logger: Logger
  metrics: Metrics
}

/** A late sync that goes further back than this is history, not behavior to analyse. */
const LATE_SYNC_MS = 90 * 86_400_000
/** More points than a day has minutes, for 90 days; of more the newest are analysed. */
const MAX_POINTS = 200_000

interface Inputs {
  input: AnalysisInput
  trigger: 'scheduled' | 'threshold_exceeded' | 'forced'
  dataRevision: number
}

/**
 * The behavior analysis of a user and archetype: a stored one that still serves, or a new one, made once for everyone
 * who asks at the same time. When the generation fails, an older analysis serves.
 */
export class RequestAnalysis {
  readonly #options: RequestAnalysisOptions
  readonly #facts = new SharedRead<Awaited<ReturnType<typeof readDecisionFacts>>>()
  readonly #results = new SharedRead<AnalysisResult>()

  constructor(options: RequestAnalysisOptions) {
    this.#options = options
  }

  async execute(request: AnalysisRequest): Promise<RequestAnalysisOutcome> {
    const { metrics } = this.#options
    const startedAtMs = performance.now()
    const kind = 'BEHAVIOR_ANALYSIS'
    try {
      const outcome = await this.#answer(request)
      if (outcome.type === 'result') metrics.coordinationRequests.inc({ kind, source: outcome.source })
      return outcome
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      this.#options.logger.warn({ err: error }, 'an analysis was asked for while the database was away')
      return { type: 'unavailable' }
    } finally {
      metrics.coordinationWait.observe({ kind }, (performance.now() - startedAtMs) / 1000)
    }
  }

  async #answer(request: AnalysisRequest): Promise<RequestAnalysisOutcome> {
    const { userId, archetype, forceRefresh, waitMs, signal } = request
    const outcome: Outcome<AnalysisResult> = await this.#options.runOnce.request(
      this.#spec(userId, archetype, forceRefresh),
      {
        joinsAnyRun: !forceRefresh,
        waitMs,
        ...(signal && { signal }),
      },
    )
    if (outcome.type === 'result')
      return { ...outcome.result, type: 'result', source: outcome.source, runId: outcome.runId }
    if (outcome.type === 'pending') return outcome
    const older = await findLatestAnalysis(this.#options.db, userId, archetype)
    if (!older) return outcome
    return { ...(await this.#load(older.id)), type: 'result', source: 'FALLBACK', runId: outcome.runId }
  }

  #spec(
    userId: string,
    archetype: Archetype,
    forced: boolean,
  ): RunSpec<Inputs, AnalysisDraft, AnalysisResult> {
    const { db, generator, rules } = this.#options
    const readFacts = () =>
      this.#facts.read(`${userId} ${archetype}`, () => readDecisionFacts(db, userId, archetype))
    // A forced request takes what was made while it waited, from all the data that was there when it came.
    let asked: { at: Date; dataRevision: number } | undefined
    return {
      subject: {
        key: `behavior-analysis:${userId}:${archetype}`,
        kind: 'BEHAVIOR_ANALYSIS',
        userId,
        archetype,
      },

      find: async () => {
        const facts = await readFacts()
        const decision = decideAnalysis(facts, forced, rules)
        if (decision.type === 'reuse' && facts.latest)
          return { type: 'serves', result: await this.#load(facts.latest.id), source: decision.source }
        asked = { at: facts.now, dataRevision: facts.dataRevision }
        return { type: 'wanted', needsRevision: forced ? facts.dataRevision : 0 }
      },

      findAgain: async () => {
        const { latest, ...facts } = await readDecisionFacts(db, userId, archetype)
        if (!latest) return undefined
        const serves = forced
          ? asked !== undefined && latest.createdAt > asked.at && latest.dataRevision >= asked.dataRevision
          : decideAnalysis({ ...facts, latest }, false, rules).type === 'reuse'
        if (!serves) return undefined
        const result = await this.#load(latest.id)
        return { result, runId: result.analysis.generationId }
      },

      collect: async () => {
        const facts = await readDecisionFacts(db, userId, archetype)
        const { now, latest, dataRevision } = facts
        const decision = decideAnalysis(facts, forced, rules)
        const from = windowStart(now, latest?.createdAt ?? null)
        const points = await readDataPointWindow(db, {
          userId,
          revision: dataRevision,
          from,
          to: now,
          sinceRevision: latest?.dataRevision ?? dataRevision,
          lateFrom: new Date(now.getTime() - LATE_SYNC_MS),
          limit: MAX_POINTS,
        })
        const [previous] = latest ? await findAnalysesByIds(db, [latest.id]) : []
        const inputs: Inputs = {
          input: {
            archetype,
            mode: latest ? 'FOLLOW_UP' : 'INITIAL',
            window: { from, to: now },
            points,
            previous: previous ? { result: previous.result, createdAt: previous.createdAt } : null,
          },
          // Nobody stores an analysis under our lease, so the decision still says what it said.
          trigger: decision.type === 'new' ? decision.trigger : 'scheduled',
          dataRevision,
        }
        return { inputs, inputRevision: dataRevision }
      },

      generate: ({ input }, context) => generator.generateAnalysis(input, context),

      store:
        (draft, inputs) =>
        async (transaction, { runId, epoch, committedAt }) => {
          const { input, trigger, dataRevision } = inputs
          const analysisId = await upsertAnalysis(transaction, {
            userId,
            archetype,
            mode: input.mode,
            trigger: triggerName(trigger, committedAt),
            summary: draft.summary,
            result: draft.result,
            dataPointCount: input.points.length,
            dataRevision,
            generationId: runId,
            createdAt: committedAt,
            epoch,
          })
          await upsertTracking(transaction, { userId, archetype, analysisAt: committedAt, dataRevision })
          this.#countTracking(transaction)
          const failure = await transaction.savepoint(() =>
            insertInsights(transaction, analysisId, draft.insights),
          )
          if (failure)
            this.#options.logger.error(
              { err: failure.error, run: runId },
              'insights were not stored; the analysis is',
            )
          return analysisId
        },

      load: resultId => this.#load(resultId),
    }
  }

  #countTracking(transaction: { afterCommit(action: () => void): void }): void {
    transaction.afterCommit(() => this.#options.metrics.trackingUpdates.inc({ outcome: 'success' }))
  }

  #load(analysisId: string): Promise<AnalysisResult> {
    const { db } = this.#options
    return this.#results.read(analysisId, async () => {
      const [analysis] = await findAnalysesByIds(db, [analysisId])
      if (!analysis) throw new Error('a stored analysis is gone')
      const tracking = (await findTrackingByUserIds(db, [analysis.userId])).find(
        row => row.archetype === analysis.archetype,
      )
      if (!tracking) throw new Error('an analysis has no tracking')
      return { analysis, tracking }
    })
  }
}
