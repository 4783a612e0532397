import type { Queryable } from '../../database/client.ts'
import {
  type Finding,
  findDuplicateAnalyses,
  findFactCountMismatches,
  findHistoryGaps,
  findMessageCountMismatches,
  findMessageGaps,
  findMissingPrompts,
  findOrphanedPrompts,
  findPromotionMismatches,
  findTrackingMismatches,
  recountFacts,
  recountMessages,
  repairTracking,
} from '../../database/consistency.ts'
import { changeInterviewStatus } from '../../database/interview-changes.ts'
import { findPromptsByInterviewIds } from '../../database/interview-prompts.ts'
import { countOverdueInterviews, lockInterviews, lockOverdueInterviews } from '../../database/interviews.ts'
import type { RunTransaction, Transaction } from '../../database/transaction.ts'
import type { ConversationCache } from '../../redis/conversation-cache.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { findWrongCacheEntries } from './conversation-cache-check.ts'

/** One thing that must never be, how to find it, and what can be done about it. */
interface Check {
  name: string
  find(limit: number): Promise<Finding>
  /** Inside a transaction; looks again under lock at what was found. @returns how many it mended. */
  repair?(transaction: Transaction, ids: readonly string[]): Promise<number>
}

export interface ConsistencyFinding {
  check: string
  count: number
  sampleIds: string[]
  repaired: number
}

export interface ConsistencyReport {
  checkedAt: Date
  /** Nothing was found, or all of it was repaired. */
  healthy: boolean
  /** Those checks alone that found something. */
  findings: ConsistencyFinding[]
}

export interface RunConsistencyCheckOptions {
  db: Queryable
  transaction: RunTransaction
  conversationCache: ConversationCache
  interviewDeadlineMs: number
  eventsCommitted: () => void
  now: () => Date
  metrics: Metrics
}

const SAMPLE = 10
/** In one call; what is left is found by the next. */
const MAX_REPAIRS = 1000

/** Looks for what no transaction of ours leaves behind, and mends it when asked to. */
export class RunConsistencyCheck {
  readonly #options: RunConsistencyCheckOptions
  readonly #checks: readonly Check[]

  constructor(options: RunConsistencyCheckOptions) {
    this.#options = options
    this.#checks = [
      ...interviewChecks(options),
      ...analysisChecks(options),
      ...factChecks(options),
      ...conversationChecks(options),
    ]
  }

  async execute({ repair }: { repair: boolean }): Promise<ConsistencyReport> {
    const { transaction, now, metrics, eventsCommitted } = this.#options
    const findings: ConsistencyFinding[] = []
    for (const check of this.#checks) {
      const { count, ids } = await check.find(repair ? MAX_REPAIRS : SAMPLE)
      if (count === 0) continue
      if (check.name === 'orphaned_prompt' || check.name === 'missing_prompt') metrics.ragOrphaned.inc(count)
      const { repair: mend } = check
      const repaired =
        repair && mend
          ? await transaction('consistency-repair', async transaction => {
              transaction.afterCommit(eventsCommitted)
              return mend(transaction, ids)
            })
          : 0
      findings.push({ check: check.name, count, sampleIds: ids.slice(0, SAMPLE), repaired })
    }
    return {
      checkedAt: now(),
      healthy: findings.every(({ count, repaired }) => count === repaired),
      findings,
    }
  }
}

function interviewChecks({ db, interviewDeadlineMs }: RunConsistencyCheckOptions): Check[] {
  return [
    {
      name: 'orphaned_prompt',
      find: limit => findOrphanedPrompts(db, limit),
      // What was accepted is not thrown away: the interview becomes READY, by the changes that every interview makes.
      async repair(transaction, ids) {
        const interviews = await lockInterviews(transaction, ids)
        const withPrompt = new Set(
          (await findPromptsByInterviewIds(transaction, ids)).map(prompt => prompt.interviewId),
        )
        const orphaned = interviews.filter(
          ({ id, status }) => withPrompt.has(id) && (status === 'ENHANCING' || status === 'FAILED'),
        )
        const failed = orphaned.filter(({ status }) => status === 'FAILED')
        const reason = 'Its prompt was found.'
        const changesTo = (rows: typeof orphaned, to: 'ENHANCING' | 'READY') =>
          rows.length > 0 &&
          changeInterviewStatus(
            transaction,
            rows.map(({ id }) => ({ interviewId: id, to, reason })),
          )
        await changesTo(failed, 'ENHANCING')
        await changesTo(orphaned, 'READY')
        return orphaned.length
      },
    },
    {
      name: 'missing_prompt',
      find: limit => findMissingPrompts(db, limit),
      // The one change of status that the table does not have: nobody can be interviewed without a prompt, and a FAILED
      // interview can be retried. One that has begun is for a person to look at.
      async repair(transaction, ids) {
        const interviews = await lockInterviews(transaction, ids)
        const withPrompt = new Set(
          (await findPromptsByInterviewIds(transaction, ids)).map(prompt => prompt.interviewId),
        )
        const lost = interviews.filter(({ id, status }) => status === 'READY' && !withPrompt.has(id))
        const reason = 'Its prompt is gone. Retry the interview.'
        if (lost.length > 0)
          await changeInterviewStatus(
            transaction,
            lost.map(({ id }) => ({ interviewId: id, to: 'FAILED', reason })),
          )
        return lost.length
      },
    },
    { name: 'interview_history_gap', find: limit => findHistoryGaps(db, limit) },
    {
      name: 'stuck_interview',
      async find() {
        return { count: await countOverdueInterviews(db, interviewDeadlineMs), ids: [] }
      },
      async repair(transaction) {
        const overdue = await lockOverdueInterviews(transaction, interviewDeadlineMs, MAX_REPAIRS)
        const reason = 'No prompt arrived in time. Retry the interview.'
        if (overdue.length > 0)
          await changeInterviewStatus(
            transaction,
            overdue.map(({ id }) => ({ interviewId: id, to: 'FAILED', reason })),
          )
        return overdue.length
      },
    },
  ]
}

function analysisChecks({ db }: RunConsistencyCheckOptions): Check[] {
  return [
    {
      name: 'tracking_mismatch',
      find: limit => findTrackingMismatches(db, limit),
      repair: (transaction, ids) => repairTracking(transaction, ids),
    },
    // Plans may stand on either: which one goes is for a person to say.
    { name: 'duplicate_analysis', find: limit => findDuplicateAnalyses(db, limit) },
  ]
}

function factChecks({ db }: RunConsistencyCheckOptions): Check[] {
  return [
    {
      name: 'fact_count_mismatch',
      find: limit => findFactCountMismatches(db, limit),
      repair: (transaction, ids) => recountFacts(transaction, ids),
    },
    // Subscribers have been told, or not: making it good would tell them again, or keep it from them.
    { name: 'promotion_mismatch', find: limit => findPromotionMismatches(db, limit) },
  ]
}

function conversationChecks({ db, conversationCache: cache }: RunConsistencyCheckOptions): Check[] {
  return [
    // What is missing was somebody's words: there is nothing to write it anew from.
    { name: 'message_gap', find: limit => findMessageGaps(db, limit) },
    {
      name: 'message_count_mismatch',
      find: limit => findMessageCountMismatches(db, limit),
      repair: (transaction, ids) => recountMessages(transaction, ids),
    },
    {
      name: 'cache_mismatch',
      async find(limit) {
        const ids = await findWrongCacheEntries(db, cache)
        return { count: ids.length, ids: ids.slice(0, limit) }
      },
      // Absent is always right: the next reader writes it anew.
      async repair(_transaction, ids) {
        for (const id of ids) await cache.invalidate(id)
        return ids.length
      },
    },
  ]
}
