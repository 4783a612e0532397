import { z } from 'zod'
import { NO_REVISION } from '../../coordination/lease.ts'
import {
  type FoundAgain,
  type ResumableRun,
  type RunSpec,
  UnresumableError,
} from '../../coordination/run-once.ts'
import {
  type AnalysisRow,
  type DecisionFacts,
  findAnalysesByIds,
  insertInsights,
  readDecisionFacts,
  upsertAnalysis,
} from '../../database/analyses.ts'
import type { Queryable } from '../../database/client.ts'
import { readDataPointWindow } from '../../database/data-points.ts'
import type { IdempotencyClaim } from '../../database/idempotency.ts'
import { findTrackingByUserIds, type TrackingRow, upsertTracking } from '../../database/tracking.ts'
import type { Transaction } from '../../database/transaction.ts'
import type { AnalysisDraft, AnalysisInput, Generator } from '../../providers/generator.ts'
import type { Archetype } from '../../shared/archetype.ts'
import type { FewAtOnce } from '../../shared/few-at-once.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { SharedRead } from '../../shared/shared-read.ts'
import { madeUnder } from '../answer-once.ts'
import { claimToTakeUp, RunClaim, RunInstant, readRunRequest, runClaimOf } from '../run-request.ts'
import { type AnalysisRules, decideAnalysis, triggerName, windowStart } from './decide-analysis.ts'

export interface AnalysisRunOptions {
  db: Queryable
  generator: Generator
  rules: AnalysisRules
  /** Under a burst, what has begun gets on before more begins. */
  starts: FewAtOnce
  logger: Logger
  metrics: Metrics
}

export interface AnalysisResult {
  analysis: AnalysisRow
  tracking: TrackingRow
}

interface Inputs {
  input: AnalysisInput
  trigger: 'scheduled' | 'threshold_exceeded' | 'forced'
  dataRevision: number
}

export type AnalysisRun = RunSpec<Inputs, AnalysisDraft, AnalysisResult>

export interface WantedAnalysis {
  userId: string
  archetype: Archetype
  forced: boolean
  /** The key that it is asked for with. */
  claim: IdempotencyClaim | null
  /** As of when, where that is known: a forced request takes what was made since then, from all the data that were there. */
  asked?: { at: Date; dataRevision: number } | undefined
  /** Asked for by a run that has begun: it does not wait behind those that only begin. */
  isPartOfRun?: boolean
}

const Request = z.object({
  forced: z.boolean(),
  claim: RunClaim,
  asked: z.object({ at: RunInstant, dataRevision: z.int() }).nullable(),
})

/** More is done in the transaction that stores a new analysis, for the one who asked for it. */
export type AlsoStore = (
  transaction: Transaction,
  stored: { runId: string; analysisId: string; takenUp: IdempotencyClaim | null },
) => Promise<void>

/** A late sync counts, whenever its points were recorded. */
const OLDEST = new Date(0)
/** More points than 90 days have minutes; of more the newest are analysed. */
const MAX_POINTS = 200_000

/** The behavior analysis as run-once needs it: when one serves, what a new one is made from, and how it is stored. */
export class AnalysisRuns {
  readonly #options: AnalysisRunOptions
  readonly #facts = new SharedRead<DecisionFacts>()
  readonly #results = new SharedRead<AnalysisResult>()

  constructor(options: AnalysisRunOptions) {
    this.#options = options
  }

  /** What was wanted of a run that nobody is left to describe. @throws UnresumableError */
  readWanted({ userId, archetype, request }: ResumableRun): WantedAnalysis {
    const { forced, claim, asked } = readRunRequest(Request, request)
    if (archetype === null) throw new UnresumableError('An analysis was begun for no archetype.')
    return { userId, archetype, forced, claim: claim && { ...claim, userId }, asked: asked ?? undefined }
  }

  describe(wanted: WantedAnalysis, alsoStore: AlsoStore): AnalysisRun {
    const { db, generator, rules, starts } = this.#options
    const { userId, archetype, forced, claim, isPartOfRun = false } = wanted
    let { asked } = wanted
    /** Of whoever began the run, where it was taken over. */
    let takenUp: { claim: IdempotencyClaim | null; asked: WantedAnalysis['asked'] } | undefined
    // Read under the lease, where nobody else stores an analysis: what `findAgain` has seen holds for `collect`.
    let facts: DecisionFacts | undefined
    let stored: AnalysisResult | undefined
    const readFacts = () => readDecisionFacts(db, userId, archetype)
    return {
      subject: {
        key: `behavior-analysis:${userId}:${archetype}`,
        kind: 'BEHAVIOR_ANALYSIS',
        userId,
        archetype,
      },

      request: () => ({
        forced,
        claim: runClaimOf(claim),
        asked: asked ? { at: asked.at.toISOString(), dataRevision: asked.dataRevision } : null,
      }),

      find: async () => {
        const read = isPartOfRun
          ? await readFacts()
          : await this.#facts.read(`${userId} ${archetype}`, () => starts.run(readFacts))
        const decision = decideAnalysis(read, forced, rules)
        if (decision.type === 'reuse' && read.latest)
          return { type: 'serves', result: await this.load(read.latest.id), source: decision.source }
        asked = { at: read.now, dataRevision: read.dataRevision }
        return { type: 'wanted', needsRevision: forced ? read.dataRevision : NO_REVISION }
      },

      takesUp: request => {
        const begun = Request.safeParse(request).data
        const wasForced = begun?.forced ? begun.asked : null
        takenUp = { claim: claimToTakeUp(request, userId), asked: wasForced ?? undefined }
      },

      findAgain: async () => {
        facts = await readFacts()
        const { latest } = facts
        if (!latest) return undefined
        const isSince = (time: WantedAnalysis['asked']) =>
          time !== undefined && latest.createdAt > time.at && latest.dataRevision >= time.dataRevision
        const mine = takenUp?.asked ? undefined : await madeUnder<{ analysisId: string }>(db, claim)
        if (mine) return this.#foundAgain(mine.analysisId)
        const serves = forced ? isSince(asked) : decideAnalysis(facts, false, rules).type === 'reuse'
        if (!serves || (takenUp?.asked && !isSince(takenUp.asked))) return undefined
        return this.#foundAgain(latest.id)
      },

      collect: async () => {
        facts ??= await readFacts()
        const { now, latest, dataRevision } = facts
        const decision = decideAnalysis(facts, forced || takenUp?.asked !== undefined, rules)
        const from = windowStart(now, latest?.createdAt ?? null)
        const points = await readDataPointWindow(db, {
          userId,
          revision: dataRevision,
          from,
          to: now,
          sinceRevision: latest?.dataRevision ?? dataRevision,
          lateFrom: OLDEST,
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

      store: (draft, inputs) => async (transaction, run) => {
        stored = await this.#store(transaction, { userId, archetype, draft, inputs, run })
        const analysisId = stored.analysis.id
        await alsoStore(transaction, { runId: run.runId, analysisId, takenUp: takenUp?.claim ?? null })
        return analysisId
      },

      // What was committed here need not be read back.
      load: async resultId => (stored?.analysis.id === resultId ? stored : this.load(resultId)),
    }
  }

  load(analysisId: string): Promise<AnalysisResult> {
    const { db } = this.#options
    return this.#results.read(analysisId, async () => {
      const [analysis] = await findAnalysesByIds(db, [analysisId])
      if (!analysis) throw new Error('a stored analysis is gone')
      const rows = await findTrackingByUserIds(db, [analysis.userId])
      const tracking = rows.find(row => row.archetype === analysis.archetype)
      if (!tracking) throw new Error('an analysis has no tracking')
      return { analysis, tracking }
    })
  }

  async #foundAgain(analysisId: string): Promise<FoundAgain<AnalysisResult>> {
    const result = await this.load(analysisId)
    return { result, resultId: analysisId, runId: result.analysis.generationId }
  }

  /** Analysis, tracking, insights: one transaction, whose fence is its first statement. */
  async #store(
    transaction: Transaction,
    made: {
      userId: string
      archetype: Archetype
      draft: AnalysisDraft
      inputs: Inputs
      run: { runId: string; epoch: number; committedAt: Date }
    },
  ): Promise<AnalysisResult> {
    const { logger, metrics } = this.#options
    const { userId, archetype, draft, run } = made
    const { input, trigger, dataRevision } = made.inputs
    const analysis = await upsertAnalysis(transaction, {
      userId,
      archetype,
      mode: input.mode,
      trigger: triggerName(trigger, run.committedAt),
      summary: draft.summary,
      result: draft.result,
      dataPointCount: input.points.length,
      dataRevision,
      generationId: run.runId,
      createdAt: run.committedAt,
      epoch: run.epoch,
    })
    const tracking = await upsertTracking(transaction, {
      userId,
      archetype,
      analysisAt: run.committedAt,
      dataRevision,
    })
    transaction.afterCommit(() => metrics.trackingUpdates.inc({ outcome: 'success' }))
    const failure = await transaction.savepoint(() =>
      insertInsights(transaction, analysis.id, draft.insights),
    )
    if (failure)
      logger.error({ err: failure.error, run: run.runId }, 'insights were not stored; the analysis is')
    return { analysis, tracking }
  }
}
