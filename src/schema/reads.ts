import type { RunOnce } from '../coordination/run-once.ts'
import { type AccountRow, findAccountsByUserIds } from '../database/accounts.ts'
import {
  countAnalyses,
  findAnalysesByIds,
  findAnalysisHeadsByIds,
  findAnalysisPages,
  findAnalysisPagesOfArchetype,
  findInsightsByAnalysisIds,
  findInsightsByIds,
  findLatestAnalyses,
  findLatestAnalysisHeads,
  type InsightRow,
} from '../database/analyses.ts'
import type { DatabaseClient, Queryable } from '../database/client.ts'
import {
  countConversations,
  findConversationPages,
  findConversationsByIds,
  findConversationsBySession,
} from '../database/conversations.ts'
import {
  countFacts,
  type FactFilter,
  type FactPageKey,
  findCollectiveFactsByIds,
  findContributed,
  findFactCategories,
  findFactPages,
} from '../database/facts.ts'
import { findInterviewHistory, type InterviewChangeRow } from '../database/interview-changes.ts'
import {
  type EnhancedPromptRow,
  findPromptsByIds,
  findPromptsByInterviewIds,
} from '../database/interview-prompts.ts'
import {
  countInterviews,
  findInterviewPages,
  findInterviewPagesOfStatus,
  findInterviewsByIds,
} from '../database/interviews.ts'
import type { KeysetPage } from '../database/keyset.ts'
import { findFactsByIds } from '../database/memory-facts.ts'
import { findMessagesByIds } from '../database/messages.ts'
import {
  countPlans,
  type FoundPlan,
  findLatestPlans,
  findPlanHeadsByIds,
  findPlanPages,
  findPlansByAnalysisIds,
  findPlansByIds,
} from '../database/plans.ts'
import { getVersionedPreferences } from '../database/preferences.ts'
import { findStatsByUserIds, type StatsRow } from '../database/stats.ts'
import { findTrackingByUserIds, type TrackingRow } from '../database/tracking.ts'
import { findUsersByIds } from '../database/users.ts'
import { Batcher } from '../shared/batcher.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { Tracing } from '../shared/tracing.ts'

/** Rows that a batch may bring: what PostgreSQL and this process turn over in a few milliseconds. */
const MAX_ROWS = 1000
/** Keys of which each brings some rows. */
const MAX_LISTS = 500
/** Keys of which each brings a page, of up to 101 rows. */
const MAX_PAGES = 50

export type Reads = ReturnType<typeof createReads>

/** Of a row with a large column: without it, or with it. */
type Columns = 'heads' | 'whole'

/** Enums, which hold no space. */
interface OfUser {
  userId: string
  archetype?: string | null
  kind?: string | null
  status?: string | null
}

/**
 * The reads of a gateway's schema, one batcher for each statement, for all requests together. Keys hold ids alone, which
 * callers have from the viewer or check against it on the way out. Of a row with a large column there are two reads: the
 * head, and the whole row for whoever selects that column.
 */
export function createReads({
  db,
  runOnce,
  metrics,
  tracing,
}: {
  db: DatabaseClient
  runOnce: RunOnce
  metrics: Metrics
  tracing?: Tracing | undefined
}) {
  const batcher = <Key, Value>(
    loader: string,
    maxKeys: number,
    identify: (key: NoInfer<Key>) => string,
    find: (db: Queryable, keys: readonly Key[], columns: Columns) => Promise<readonly Value[]>,
    columns: Columns = 'heads',
  ) =>
    new Batcher<Key, Value>({
      load: keys => find(db, keys, columns),
      identify,
      maxKeys,
      onBatch: metrics.observeBatches(loader),
      ...(tracing && { carry: tracing.carry }),
    })
  const itself = (id: string) => id
  /** One row or none for each id. */
  const rowBy = <Row>(
    loader: string,
    keyOf: (row: Row) => string,
    find: (db: Queryable, ids: readonly string[], columns: Columns) => Promise<readonly Row[]>,
    columns: Columns = 'heads',
  ) =>
    batcher<string, Row | null>(loader, MAX_ROWS, itself, async (db, ids) => {
      const rowById = new Map<string, Row>()
      for (const row of await find(db, ids, columns)) rowById.set(keyOf(row), row)
      return ids.map(id => rowById.get(id) ?? null)
    })
  const rowById = <Row extends { id: string }>(
    loader: string,
    find: (db: Queryable, ids: readonly string[], columns: Columns) => Promise<readonly Row[]>,
    columns: Columns = 'heads',
  ) => rowBy<Row>(loader, row => row.id, find, columns)
  /** A list for each id. */
  const rowsBy = <Row>(
    loader: string,
    keyOf: (row: Row) => string,
    find: (db: Queryable, ids: readonly string[], columns: Columns) => Promise<readonly Row[]>,
    columns: Columns = 'heads',
  ) =>
    batcher<string, Row[]>(loader, MAX_LISTS, itself, async (db, ids) => {
      const rowsById = Map.groupBy(await find(db, ids, columns), keyOf)
      return ids.map(id => rowsById.get(id) ?? [])
    })
  const userAndMore = (key: OfUser) => `${key.userId} ${key.archetype} ${key.kind} ${key.status}`
  const userAndPage = (key: OfUser & { page: KeysetPage }) => {
    const { after, limit } = key.page
    return `${userAndMore(key)} ${after?.at.getTime()} ${after?.id} ${limit}`
  }
  const sessionKey = (key: { userId: string; sessionId: string }) => `${key.userId} ${key.sessionId}`
  return {
    user: rowById('user', findUsersByIds),
    analysis: rowById('analysis', findAnalysisHeadsByIds),
    wholeAnalysis: rowById('analysis', findAnalysesByIds),
    insight: rowById('insight', findInsightsByIds),
    insightsByAnalysis: rowsBy<InsightRow>(
      'insightsByAnalysis',
      row => row.analysisId,
      findInsightsByAnalysisIds,
    ),
    latestAnalysis: batcher('latestAnalysis', MAX_LISTS, userAndMore, findLatestAnalysisHeads),
    latestWholeAnalysis: batcher('latestAnalysis', MAX_LISTS, userAndMore, findLatestAnalyses),
    analysisPage: batcher('analysisPage', MAX_PAGES, userAndPage, findAnalysisPages, 'heads'),
    wholeAnalysisPage: batcher('analysisPage', MAX_PAGES, userAndPage, findAnalysisPages, 'whole'),
    analysisPageOfArchetype: batcher(
      'analysisPage',
      MAX_PAGES,
      userAndPage,
      findAnalysisPagesOfArchetype,
      'heads',
    ),
    wholeAnalysisPageOfArchetype: batcher(
      'analysisPage',
      MAX_PAGES,
      userAndPage,
      findAnalysisPagesOfArchetype,
      'whole',
    ),
    analysisCount: batcher('analysisCount', MAX_LISTS, userAndMore, countAnalyses),
    trackingByUser: rowsBy<TrackingRow>('trackingByUser', row => row.userId, findTrackingByUserIds),
    generation: rowById('generation', (_db, ids) => runOnce.findRuns(ids)),
    plan: rowById('plan', findPlanHeadsByIds),
    wholePlan: rowById('plan', findPlansByIds),
    plansByAnalysis: rowsBy<FoundPlan>(
      'plansByAnalysis',
      row => row.analysisId,
      findPlansByAnalysisIds,
      'heads',
    ),
    wholePlansByAnalysis: rowsBy<FoundPlan>(
      'plansByAnalysis',
      row => row.analysisId,
      findPlansByAnalysisIds,
      'whole',
    ),
    latestPlan: batcher('latestPlan', MAX_LISTS, userAndMore, findLatestPlans, 'heads'),
    latestWholePlan: batcher('latestPlan', MAX_LISTS, userAndMore, findLatestPlans, 'whole'),
    planPage: batcher('planPage', MAX_PAGES, userAndPage, findPlanPages, 'heads'),
    wholePlanPage: batcher('planPage', MAX_PAGES, userAndPage, findPlanPages, 'whole'),
    planCount: batcher('planCount', MAX_LISTS, userAndMore, countPlans),
    interview: rowById('interview', findInterviewsByIds),
    interviewPage: batcher('interviewPage', MAX_PAGES, userAndPage, findInterviewPages),
    interviewPageOfStatus: batcher('interviewPage', MAX_PAGES, userAndPage, findInterviewPagesOfStatus),
    interviewCount: batcher('interviewCount', MAX_LISTS, userAndMore, countInterviews),
    enhancedPrompt: rowById('enhancedPrompt', findPromptsByIds),
    promptByInterview: rowBy<EnhancedPromptRow>(
      'promptByInterview',
      row => row.interviewId,
      findPromptsByInterviewIds,
    ),
    historyByInterview: rowsBy<InterviewChangeRow>(
      'historyByInterview',
      row => row.interviewId,
      findInterviewHistory,
    ),
    conversation: rowById('conversation', findConversationsByIds, 'heads'),
    wholeConversation: rowById('conversation', findConversationsByIds, 'whole'),
    conversationBySession: batcher(
      'conversationBySession',
      MAX_ROWS,
      sessionKey,
      findConversationsBySession,
      'heads',
    ),
    wholeConversationBySession: batcher(
      'conversationBySession',
      MAX_ROWS,
      sessionKey,
      findConversationsBySession,
      'whole',
    ),
    conversationPage: batcher('conversationPage', MAX_PAGES, userAndPage, findConversationPages, 'heads'),
    wholeConversationPage: batcher(
      'conversationPage',
      MAX_PAGES,
      userAndPage,
      findConversationPages,
      'whole',
    ),
    conversationCount: batcher('conversationCount', MAX_LISTS, itself, countConversations),
    message: rowById('message', findMessagesByIds),
    memoryFact: rowById('memoryFact', findFactsByIds),
    preferencesByUser: batcher('preferencesByUser', MAX_ROWS, itself, getVersionedPreferences),
    statsByUser: rowsBy<StatsRow>('statsByUser', row => row.userId, findStatsByUserIds),
    accountsByUser: rowsBy<AccountRow>('accountsByUser', row => row.userId, findAccountsByUserIds),
    fact: rowById('fact', findCollectiveFactsByIds),
    factPage: batcher(
      'factPage',
      MAX_PAGES,
      ({ promoted, category, page: { after, limit } }: FactPageKey) =>
        JSON.stringify([promoted, category, after, limit]),
      findFactPages,
    ),
    // Of few categories, and the same for everybody.
    factCount: batcher(
      'factCount',
      MAX_LISTS,
      ({ promoted, category }: FactFilter) => JSON.stringify([promoted, category]),
      (db: Queryable, keys: readonly FactFilter[]) => Promise.all(keys.map(filter => countFacts(db, filter))),
    ),
    /** The names; asked for by the empty key. */
    factCategories: batcher<string, string[]>('factCategories', 1, itself, async db => [
      await findFactCategories(db),
    ]),
    /** Whether a user has contributed a fact. */
    contributed: batcher(
      'contributed',
      MAX_ROWS,
      (key: { userId: string; factId: string }) => `${key.userId} ${key.factId}`,
      findContributed,
    ),
  }
}
