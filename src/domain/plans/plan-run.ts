import { z } from 'zod'
import { NO_REVISION } from '../../coordination/lease.ts'
import {
  type FoundAgain,
  type ResumableRun,
  type RunSpec,
  UnresumableError,
} from '../../coordination/run-once.ts'
import type { AnalysisRow } from '../../database/analyses.ts'
import type { Queryable } from '../../database/client.ts'
import { readDataPointWindow } from '../../database/data-points.ts'
import type { IdempotencyClaim } from '../../database/idempotency.ts'
import {
  findPlansByIds,
  type PlanFacts,
  type PlanRow,
  readPlanFacts,
  storePlan,
} from '../../database/plans.ts'
import type { Transaction } from '../../database/transaction.ts'
import { GenerationError } from '../../providers/generator.ts'
import type { PlanDraft, PlanGenerator, PlanInput, PlanKind } from '../../providers/plan.ts'
import type { Archetype } from '../../shared/archetype.ts'
import { SharedRead } from '../../shared/shared-read.ts'
import { madeUnder } from '../answer-once.ts'
import { claimToTakeUp, RunClaim, RunInstant, readRunRequest, runClaimOf } from '../run-request.ts'
import { preferenceHashes } from './preference-hashes.ts'

/** What a plan stands on, and how it came about. */
export interface AnalysisBehind {
  analysis: AnalysisRow
  source: PlanRow['analysisSource']
}

/** The path of requestAnalysis, and the only one to an analysis. A plan that needs none made asks with `peek`. */
export interface AnalysisPath {
  /** Gets or makes the analysis that a plan of now stands on. @throws GenerationError where there is none and none can be made. */
  get(userId: string, archetype: Archetype): Promise<AnalysisBehind>
  /** The analysis that `get` would reuse now; undefined where it would make a new one. */
  peek(
    userId: string,
    archetype: Archetype,
  ): Promise<{ analysisId: string; source: 'RECENT' | 'CACHED' } | undefined>
}

export interface PlanRunOptions {
  db: Queryable
  generator: PlanGenerator
  analyses: AnalysisPath
  /** A plan no older than this, from the same analysis and under the same preferences, is reused. */
  recentWindowMs: number
  /** Called after a commit that left events in the outbox. */
  eventsCommitted: () => void
}

/** All that says which plan a run makes; plain data, from which it can be described again. */
export interface PlanSubject {
  userId: string
  kind: PlanKind
  archetype: Archetype
  days: number
  /** Of the preferences at the request: who asks under other ones gets another run. */
  preferencesHash: string
}

export interface PlanResult {
  plan: PlanRow
  analysisSource: PlanRow['analysisSource']
}

interface Inputs {
  input: PlanInput
  behind: AnalysisBehind
}

export type PlanRun = RunSpec<Inputs, PlanDraft, PlanResult>
export type AlsoStore = (
  transaction: Transaction,
  stored: {
    runId: string
    planId: string
    analysisSource: PlanRow['analysisSource']
    takenUp: IdempotencyClaim | null
  },
) => Promise<void>

/** How it is asked for. */
export interface PlanAsked {
  forced: boolean
  /** The idempotency key that came with the request. */
  claim: IdempotencyClaim | null
  /** When the request came, by the database's clock: what was made since then serves. */
  at: Date
  /** As they were then; left out where nobody waits any more, for a run that its owner has abandoned. */
  facts?: PlanFacts
}

const Request = z.object({
  kind: z.enum(['ROUTINE', 'NUTRITION', 'MENU']),
  days: z.int(),
  preferencesHash: z.string(),
  forced: z.boolean(),
  claim: RunClaim,
  at: RunInstant,
})

export const GENERATION_KINDS = {
  ROUTINE: 'ROUTINE_PLAN',
  NUTRITION: 'NUTRITION_PLAN',
  MENU: 'MENU_PLAN',
} as const
/** The days whose times of day say when somebody sleeps and moves. */
const OBSERVED_MS = 14 * 86_400_000
const MAX_POINTS = 20_000

/**
 * A plan as run-once needs it. The analysis behind it is got inside the run, by the path of requestAnalysis: three plans
 * that are asked for in the same second are three runs that share one analysis, and go on when their callers leave.
 */
export class PlanRuns {
  readonly #options: PlanRunOptions
  readonly #results = new SharedRead<PlanRow>()

  constructor(options: PlanRunOptions) {
    this.#options = options
  }

  /** What was wanted of a run that nobody is left to describe. @throws UnresumableError */
  readWanted({ userId, archetype, request }: ResumableRun): { subject: PlanSubject; asked: PlanAsked } {
    const { kind, days, preferencesHash, forced, claim, at } = readRunRequest(Request, request)
    if (archetype === null) throw new UnresumableError('A plan was begun for no archetype.')
    const subject = { userId, kind, archetype, days, preferencesHash }
    return { subject, asked: { forced, claim: claim && { ...claim, userId }, at } }
  }

  describe(subject: PlanSubject, asked: PlanAsked, alsoStore: AlsoStore): PlanRun {
    const { db, generator, analyses, recentWindowMs, eventsCommitted } = this.#options
    const { userId, kind, archetype, days, preferencesHash } = subject
    let stored: PlanRow | undefined
    let takenUp: IdempotencyClaim | null = null
    return {
      subject: {
        key: `plan:${userId}:${archetype}:${kind}:${days}:${preferencesHash}`,
        kind: GENERATION_KINDS[kind],
        userId,
        archetype,
      },

      request: () => ({
        ...{ kind, days, preferencesHash, forced: asked.forced },
        ...{ claim: runClaimOf(asked.claim), at: asked.at.toISOString() },
      }),

      // That it was forced is no matter: who takes it over came later, and looks for no plan of before.
      takesUp: request => {
        takenUp = claimToTakeUp(request, userId)
      },

      find: async () => {
        const { now, latest } = asked.facts ?? (await readPlanFacts(db, subject))
        const isRecent = latest !== null && now.getTime() - latest.createdAt.getTime() <= recentWindowMs
        if (asked.forced || !isRecent || latest.preferencesHash !== preferencesHash)
          return { type: 'wanted', needsRevision: NO_REVISION }
        const behind = await analyses.peek(userId, archetype)
        if (behind?.analysisId !== latest.analysisId) return { type: 'wanted', needsRevision: NO_REVISION }
        const plan = await this.load(latest.id)
        return { type: 'serves', result: { plan, analysisSource: behind.source }, source: 'RECENT' }
      },

      findAgain: async () => {
        const mine = await madeUnder<{ planId: string }>(db, asked.claim)
        if (mine) return this.#foundAgain(mine.planId)
        const { latest } = await readPlanFacts(db, subject)
        const isNewer = latest !== null && latest.createdAt > asked.at
        if (!isNewer || latest.preferencesHash !== preferencesHash) return undefined
        return this.#foundAgain(latest.id)
      },

      collect: async () => {
        const behind = await analyses.get(userId, archetype)
        // Now, as the analysis may have taken minutes.
        const { now, preferences, lastMainDishes } = await readPlanFacts(db, subject)
        const { dataRevision } = behind.analysis
        const input: PlanInput = {
          kind,
          archetype,
          date: now.toISOString().slice(0, 10),
          days,
          analysis: {
            summary: behind.analysis.summary,
            result: behind.analysis.result,
            createdAt: behind.analysis.createdAt,
          },
          preferences,
          points: await readDataPointWindow(db, {
            userId,
            revision: dataRevision,
            from: new Date(now.getTime() - OBSERVED_MS),
            to: now,
            sinceRevision: dataRevision,
            lateFrom: now,
            limit: MAX_POINTS,
          }),
          previousDishes: lastMainDishes,
        }
        // Checked before the run was asked for; changed since then, they may have become impossible.
        const [conflict] = generator.findPreferenceConflicts(input)
        if (conflict) throw new GenerationError(conflict.message, { retryable: false })
        return { inputs: { input, behind }, inputRevision: dataRevision }
      },

      generate: ({ input }, context) => generator.generatePlan(input, context),

      store:
        (draft, { input, behind }) =>
        async (transaction, run) => {
          const hashes = preferenceHashes(input.preferences)
          stored = await storePlan(transaction, {
            userId,
            kind,
            archetype,
            analysisId: behind.analysis.id,
            analysisSource: behind.source,
            days,
            title: draft.title,
            summary: draft.summary,
            items: draft.items,
            notes: draft.notes,
            // What a later menu does not repeat: where the generator does not say which dishes are main ones, all of them.
            metadata: {
              ...(kind === 'MENU' && { mainDishes: draft.items.map(item => item.title) }),
              ...draft.metadata,
            },
            preferencesHash: hashes.all,
            eatingHash: hashes.eating,
            date: input.date,
            generationId: run.runId,
            createdAt: run.committedAt,
          })
          const { id: planId, analysisSource } = stored
          transaction.afterCommit(eventsCommitted)
          await alsoStore(transaction, { runId: run.runId, planId, analysisSource, takenUp })
          return planId
        },

      load: async planId => {
        // What was committed here need not be read back.
        const plan = stored?.id === planId ? stored : await this.load(planId)
        return { plan, analysisSource: plan.analysisSource }
      },
    }
  }

  async #foundAgain(planId: string): Promise<FoundAgain<PlanResult>> {
    const plan = await this.load(planId)
    const result = { plan, analysisSource: plan.analysisSource }
    return { result, resultId: plan.id, runId: plan.generationId }
  }

  load(planId: string): Promise<PlanRow> {
    return this.#results.read(planId, async () => {
      const [plan] = await findPlansByIds(this.#options.db, [planId])
      if (!plan) throw new Error('a stored plan is gone')
      return plan
    })
  }
}
