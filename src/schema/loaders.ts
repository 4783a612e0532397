import DataLoader from 'dataloader'
import type { RunOnce } from '../coordination/run-once.ts'
import { type AccountRow, findAccountsByUserIds } from '../database/accounts.ts'
import {
  type AnalysisRow,
  countAnalyses,
  findAnalysesByIds,
  findInsightsByAnalysisIds,
  findInsightsByIds,
  findLatestAnalysis,
  type InsightRow,
} from '../database/analyses.ts'
import type { DatabaseClient } from '../database/client.ts'
import {
  type ConversationRow,
  countConversations,
  findConversationBySession,
  findConversationsByIds,
} from '../database/conversations.ts'
import { countFacts, type FactFilter, findCollectiveFactsByIds, findContributed } from '../database/facts.ts'
import { findInterviewHistory, type InterviewChangeRow } from '../database/interview-changes.ts'
import {
  type EnhancedPromptRow,
  findPromptsByIds,
  findPromptsByInterviewIds,
} from '../database/interview-prompts.ts'
import { countInterviews, findInterviewsByIds, type InterviewStatus } from '../database/interviews.ts'
import { findFactsByIds } from '../database/memory-facts.ts'
import { findMessagesByIds } from '../database/messages.ts'
import {
  countPlans,
  findLatestPlan,
  findPlansByAnalysisIds,
  findPlansByIds,
  type PlanFilter,
  type PlanRow,
} from '../database/plans.ts'
import { getVersionedPreferences, type VersionedPreferences } from '../database/preferences.ts'
import { findStatsByUserIds, type StatsRow } from '../database/stats.ts'
import { findTrackingByUserIds, type TrackingRow } from '../database/tracking.ts'
import { findUsersByIds } from '../database/users.ts'
import type { Archetype } from '../shared/archetype.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Context } from './context.ts'

export type Loaders = ReturnType<typeof createLoaders>

interface OfArchetype<A = Archetype> {
  userId: string
  archetype: A
}

export function createLoaders({
  db,
  runOnce,
  metrics,
}: {
  db: DatabaseClient
  runOnce: RunOnce
  metrics: Metrics
}) {
  const observe = (loader: string, size: number) => {
    metrics.loaderBatchSize.observe({ loader }, size)
    metrics.loaderQueries.inc({ loader })
  }
  /** One row or none for each id. */
  const rowById = <Row extends { id: string }>(
    name: string,
    find: (ids: readonly string[]) => Promise<Row[]>,
  ) =>
    new DataLoader<string, Row | null>(async ids => {
      observe(name, ids.length)
      const rowById = new Map((await find(ids)).map(row => [row.id, row]))
      return ids.map(id => rowById.get(id) ?? null)
    })
  /** A list for each id. */
  const rowsBy = <Row>(
    name: string,
    keyOf: (row: Row) => string,
    find: (ids: readonly string[]) => Promise<Row[]>,
  ) =>
    new DataLoader<string, Row[]>(async ids => {
      observe(name, ids.length)
      const rowsById = Map.groupBy(await find(ids), keyOf)
      return ids.map(id => rowsById.get(id) ?? [])
    })
  /** Few for each request, one statement each. */
  const each = <Key extends object, Value>(name: string, find: (key: Key) => Promise<Value>) =>
    new DataLoader<Key, Value, string>(
      async keys => {
        observe(name, keys.length)
        return Promise.all(keys.map(find))
      },
      { cacheKeyFn: key => JSON.stringify(key) },
    )
  return {
    user: rowById('user', ids => findUsersByIds(db, ids)),
    analysis: rowById('analysis', ids => findAnalysesByIds(db, ids)),
    insight: rowById('insight', ids => findInsightsByIds(db, ids)),
    generation: rowById('generation', ids => runOnce.findRuns(ids)),
    insightsByAnalysis: rowsBy<InsightRow>(
      'insightsByAnalysis',
      row => row.analysisId,
      ids => findInsightsByAnalysisIds(db, ids),
    ),
    trackingByUser: rowsBy<TrackingRow>(
      'trackingByUser',
      row => row.userId,
      ids => findTrackingByUserIds(db, ids),
    ),
    latestAnalysis: each<OfArchetype, AnalysisRow | null>(
      'latestAnalysis',
      async key => (await findLatestAnalysis(db, key.userId, key.archetype)) ?? null,
    ),
    analysisCount: each<OfArchetype<Archetype | null>, number>('analysisCount', key =>
      countAnalyses(db, key.userId, key.archetype),
    ),
    plan: rowById('plan', ids => findPlansByIds(db, ids)),
    plansByAnalysis: rowsBy<PlanRow>(
      'plansByAnalysis',
      row => row.analysisId,
      ids => findPlansByAnalysisIds(db, ids),
    ),
    latestPlan: each<OfArchetype & { kind: PlanRow['kind'] }, PlanRow | null>(
      'latestPlan',
      async ({ userId, kind, archetype }) => (await findLatestPlan(db, userId, kind, archetype)) ?? null,
    ),
    interview: rowById('interview', ids => findInterviewsByIds(db, ids)),
    enhancedPrompt: rowById('enhancedPrompt', ids => findPromptsByIds(db, ids)),
    promptsByInterview: rowsBy<EnhancedPromptRow>(
      'promptsByInterview',
      row => row.interviewId,
      ids => findPromptsByInterviewIds(db, ids),
    ),
    historyByInterview: rowsBy<InterviewChangeRow>(
      'historyByInterview',
      row => row.interviewId,
      ids => findInterviewHistory(db, ids),
    ),
    interviewCount: each<{ userId: string; status: InterviewStatus | null }, number>(
      'interviewCount',
      ({ userId, status }) => countInterviews(db, userId, status),
    ),
    conversation: rowById('conversation', ids => findConversationsByIds(db, ids)),
    memoryFact: rowById('memoryFact', ids => findFactsByIds(db, ids)),
    message: rowById('message', ids => findMessagesByIds(db, ids)),
    conversationBySession: each<{ userId: string; sessionId: string }, ConversationRow | null>(
      'conversationBySession',
      async ({ userId, sessionId }) => (await findConversationBySession(db, userId, sessionId)) ?? null,
    ),
    conversationCount: each<{ userId: string }, number>('conversationCount', ({ userId }) =>
      countConversations(db, userId),
    ),
    preferencesByUser: new DataLoader<string, VersionedPreferences>(async ids => {
      observe('preferencesByUser', ids.length)
      return getVersionedPreferences(db, ids)
    }),
    statsByUser: rowsBy<StatsRow>(
      'statsByUser',
      row => row.userId,
      ids => findStatsByUserIds(db, ids),
    ),
    accountsByUser: rowsBy<AccountRow>(
      'accountsByUser',
      row => row.userId,
      ids => findAccountsByUserIds(db, ids),
    ),
    fact: rowById('fact', ids => findCollectiveFactsByIds(db, ids)),
    factCount: each<FactFilter, number>('factCount', filter => countFacts(db, filter)),
    /** Whether a user has contributed a fact. */
    contributed: new DataLoader<{ userId: string; factId: string }, boolean, string>(
      async keys => {
        observe('contributed', keys.length)
        const keysByUser = Map.groupBy(keys, key => key.userId)
        const contributedByUser = new Map(
          await Promise.all(
            [...keysByUser].map(async ([userId, ofUser]) => {
              const factIds = ofUser.map(key => key.factId)
              return [userId, await findContributed(db, userId, factIds)] as const
            }),
          ),
        )
        return keys.map(({ userId, factId }) => contributedByUser.get(userId)?.has(factId) ?? false)
      },
      { cacheKeyFn: ({ userId, factId }) => `${userId} ${factId}` },
    ),
    planCount: each<PlanFilter & { userId: string }, number>('planCount', ({ userId, ...filter }) =>
      countPlans(db, userId, filter),
    ),
  }
}

/** After a mutation: what an earlier one of the same operation has loaded may have changed since. */
export function forgetLoaded(context: Context): void {
  context.loaders = createLoaders(context.services)
}
