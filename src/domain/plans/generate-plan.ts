import type { RunOnce } from '../../coordination/run-once.ts'
import type { IdempotencyClaim } from '../../database/idempotency.ts'
import { findPlanStillFitting, type PlanFacts, type PlanRow, readPlanFacts } from '../../database/plans.ts'
import { isDatabaseAway } from '../../database/postgres-errors.ts'
import type { PlanKind } from '../../providers/plan.ts'
import type { Archetype } from '../../shared/archetype.ts'
import type { FewAtOnce } from '../../shared/few-at-once.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { SharedRead } from '../../shared/shared-read.ts'
import { answerOnce, idempotencyKeyIssues, takeKey } from '../answer-once.ts'
import type { FieldIssue } from '../field-issues.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { keepAnswers } from '../run-request.ts'
import { waitIssues } from '../wait-issues.ts'
import {
  GENERATION_KINDS,
  type PlanAsked,
  type PlanRun,
  type PlanRunOptions,
  PlanRuns,
  type PlanSubject,
} from './plan-run.ts'
import { preferenceHashes } from './preference-hashes.ts'

export interface PlanRequest {
  userId: string
  kind: PlanKind
  archetype: Archetype
  forceRefresh: boolean
  /** Milliseconds; null waits to the end. */
  waitMs: number | null
  /** MENU only; null takes the default. */
  days: number | null
  idempotencyKey: string | null
  /** Aborts when the client leaves. */
  signal?: AbortSignal
}

type Source = PlanRow['analysisSource']

export type GeneratePlanOutcome =
  | { type: 'result'; plan: PlanRow; source: Source; analysisSource: Source; runId: string | null }
  | { type: 'pending'; runId: string }
  | { type: 'failed'; runId: string; message: string; retryable: boolean; retryAt: Date | null }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'idempotency-key-reused' }
  | { type: 'unavailable' }

/** What an idempotency key remembers. */
interface KeptAnswer {
  source: Source
  analysisSource: Source
  runId: string | null
  planId: string
}

export interface GeneratePlanOptions extends PlanRunOptions {
  runOnce: RunOnce
  /** Under a burst, what has begun gets on before more begins. */
  starts: FewAtOnce
  logger: Logger
  metrics: Metrics
}

const DEFAULT_MENU_DAYS = 7
const MAX_MENU_DAYS = 14

/**
 * A plan made from the shared behavior analysis, once for everyone who asks at the same time under the same preferences.
 * When it cannot be made, an older plan of the same kind, archetype and length serves, but never one that says what to eat
 * and was made under another diet, other restrictions or other dislikes than those of today.
 */
export class GeneratePlan {
  readonly #options: GeneratePlanOptions
  readonly #runs: PlanRuns
  readonly #facts = new SharedRead<PlanFacts>()

  constructor(options: GeneratePlanOptions) {
    this.#options = options
    this.#runs = new PlanRuns(options)
    for (const kind of Object.values(GENERATION_KINDS))
      options.runOnce.resumes(kind, async run => {
        const { subject, asked } = this.#runs.readWanted(run)
        // Nobody waits who could be told FRESH.
        return this.#describe(subject, asked, () => false)
      })
  }

  async execute(request: PlanRequest): Promise<GeneratePlanOutcome> {
    const { metrics, logger } = this.#options
    const kind = `${request.kind}_PLAN`
    const stopTimer = metrics.coordinationWait.startTimer({ kind })
    try {
      const outcome = await this.#answer(request)
      if (outcome.type === 'result') metrics.coordinationRequests.inc({ kind, source: outcome.source })
      return outcome
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      logger.warn({ err: error }, 'a plan was asked for that cannot be had at the moment')
      return { type: 'unavailable' }
    } finally {
      stopTimer()
    }
  }

  async #answer(request: PlanRequest): Promise<GeneratePlanOutcome> {
    const { db } = this.#options
    const { userId, kind, archetype, forceRefresh, idempotencyKey } = request
    const days = kind === 'MENU' ? (request.days ?? DEFAULT_MENU_DAYS) : 1
    const issues = [
      ...waitIssues(request.waitMs),
      ...idempotencyKeyIssues(idempotencyKey),
      ...daysIssues(request),
    ]
    if (issues.length > 0) return { type: 'invalid-input', issues }
    // How long to wait changes nothing of what is asked for.
    const fingerprint = fingerprintOf('generatePlan', { kind, archetype, forceRefresh, days })
    const claim = idempotencyKey === null ? null : { userId, key: idempotencyKey, fingerprint }
    return answerOnce<KeptAnswer, GeneratePlanOutcome>(db, claim, {
      anew: () => this.#answerAnew(request, days, claim),
      keep: outcome => {
        // A failure or a wait may end otherwise next time, and so may a failure behind which an older plan was served.
        if (outcome.type !== 'result' || outcome.source === 'FALLBACK') return undefined
        const { source, analysisSource, runId, plan } = outcome
        return { source, analysisSource, runId, planId: plan.id }
      },
      replay: async ({ planId, ...kept }) => ({
        ...kept,
        type: 'result',
        plan: await this.#runs.load(planId),
      }),
    })
  }

  async #answerAnew(
    request: PlanRequest,
    days: number,
    claim: IdempotencyClaim | null,
  ): Promise<GeneratePlanOutcome> {
    const { db, generator, starts } = this.#options
    const { userId, kind, archetype, forceRefresh, waitMs, signal } = request
    const wanted = { userId, kind, archetype, days }
    const facts = await this.#facts.read(Object.values(wanted).join(' '), () =>
      starts.run(() => readPlanFacts(db, wanted)),
    )
    const { preferences } = facts
    const conflicts = generator.findPreferenceConflicts({ kind, days, preferences })
    if (conflicts.length > 0) {
      const issues = conflicts.map(conflict => ({
        path: ['preferences', ...conflict.preferences],
        message: conflict.message,
      }))
      return { type: 'invalid-input', issues }
    }
    // Sent again after the preferences have changed, it is still the same request, and joins its run.
    const taken = await takeKey(db, claim, { preferencesHash: preferenceHashes(preferences).all })
    if (!taken) return { type: 'idempotency-key-reused' }
    let waits = true
    const subject = { ...wanted, ...taken }
    const run = this.#describe(subject, { forced: forceRefresh, claim, at: facts.now, facts }, () => waits)
    const caller = { joinsAnyRun: true, waitMs, ...(signal && { signal }) }
    const outcome = await this.#options.runOnce.request(run, caller).finally(() => {
      waits = false
    })
    switch (outcome.type) {
      case 'result':
        return { ...outcome.result, type: 'result', source: outcome.source, runId: outcome.runId }
      case 'pending':
        return outcome
      case 'failed': {
        // As they are now: the run may have taken minutes.
        const today = preferenceHashes((await readPlanFacts(db, wanted)).preferences)
        const older = await findPlanStillFitting(db, { ...wanted, eatingHash: today.eating })
        if (!older) return outcome
        return {
          type: 'result',
          plan: older,
          source: 'FALLBACK',
          analysisSource: older.analysisSource,
          runId: outcome.runId,
        }
      }
    }
  }

  #describe(subject: PlanSubject, asked: PlanAsked, isWaitedFor: () => boolean): PlanRun {
    const { claim } = asked
    return this.#runs.describe(
      subject,
      asked,
      async (transaction, { runId, planId, analysisSource, takenUp }) => {
        // Where the request has ended before its run, FRESH is told to the next who waits for it, and to nobody twice.
        const source = isWaitedFor() ? 'FRESH' : 'JOINED'
        const answer = { source, analysisSource, runId, planId } as const
        await keepAnswers<KeptAnswer>(transaction, { own: claim, takenUp }, answer)
      },
    )
  }
}

function daysIssues({ kind, days }: PlanRequest): FieldIssue[] {
  if (kind !== 'MENU' || days === null || (days >= 1 && days <= MAX_MENU_DAYS)) return []
  return [{ path: ['input', 'days'], message: `expected 1 to ${MAX_MENU_DAYS}` }]
}
