import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import type { Queryable, Value } from './client.ts'
import type { AnalysisMode, InsightKind } from './generated/enums.ts'
import type { KeysetPage } from './keyset.ts'

export interface AnalysisRow {
  id: string
  userId: string
  archetype: Archetype
  mode: AnalysisMode
  trigger: string
  /** YYYY-MM-DD */
  date: string
  summary: string
  result: JsonValue
  dataPointCount: number
  dataRevision: number
  generationId: string
  createdAt: Date
}

export interface NewInsight {
  kind: InsightKind
  title: string
  body: string
  confidence: number
}

export interface InsightRow extends NewInsight {
  id: string
  analysisId: string
}

const COLUMNS = `
  id, user_id AS "userId", archetype, mode, trigger, date::text AS date, summary, result,
  data_point_count AS "dataPointCount", data_revision AS "dataRevision", generation_id AS "generationId", created_at AS "createdAt"`

export interface DecisionFacts {
  /** The database's clock at the read. */
  now: Date
  /** The user's data revision at the read. */
  dataRevision: number
  /** Of the same user and archetype; what decides about it, not its content. */
  latest: { id: string; createdAt: Date; dataRevision: number; newDataPoints: number } | null
}

const FIND_NEWEST = {
  name: 'analyses-find-newest',
  text: 'SELECT user_id AS "userId", archetype, created_at AS "createdAt" FROM analyses ORDER BY created_at DESC LIMIT 1',
}
/** The newest of all users and archetypes. */
export async function findNewestAnalysis(
  db: Queryable,
): Promise<{ userId: string; archetype: Archetype; createdAt: Date } | undefined> {
  return (await db.query<{ userId: string; archetype: Archetype; createdAt: Date }>(FIND_NEWEST))[0]
}

const READ_DECISION_FACTS = {
  name: 'analyses-read-decision-facts',
  text: `
    SELECT clock_timestamp() AS now, u.data_revision AS "dataRevision",
      a.id AS "latestId", a.created_at AS "latestCreatedAt", a.data_revision AS "latestDataRevision",
      (SELECT count(*)::int FROM data_points d WHERE d.user_id = u.id AND d.revision > a.data_revision) AS "newDataPoints"
    FROM users u
    LEFT JOIN LATERAL (
      SELECT id, created_at, data_revision FROM analyses
      WHERE user_id = u.id AND archetype = $2::"Archetype"
      ORDER BY created_at DESC, id DESC LIMIT 1
    ) a ON true
    WHERE u.id = $1::uuid`,
}
/** All that the decision about a new analysis needs, in one read of one snapshot. */
export async function readDecisionFacts(
  db: Queryable,
  userId: string,
  archetype: Archetype,
): Promise<DecisionFacts> {
  const [row] = await db.query<{
    now: Date
    dataRevision: number
    latestId: string | null
    latestCreatedAt: Date
    latestDataRevision: number
    newDataPoints: number
  }>(READ_DECISION_FACTS, [userId, archetype])
  if (!row) throw new Error('the user is gone')
  const { now, dataRevision, latestId, latestCreatedAt, latestDataRevision, newDataPoints } = row
  return {
    now,
    dataRevision,
    latest:
      latestId === null
        ? null
        : { id: latestId, createdAt: latestCreatedAt, dataRevision: latestDataRevision, newDataPoints },
  }
}

export interface NewAnalysis extends Omit<AnalysisRow, 'id' | 'date'> {
  /** The fence's epoch: tells two analyses of one second apart. */
  epoch: number
}

const UPSERT = {
  name: 'analyses-upsert',
  text: `
    INSERT INTO analyses (user_id, type, archetype, mode, trigger, date, summary, result, data_point_count, data_revision, generation_id, created_at)
    SELECT $1::uuid, 'BEHAVIOR_ANALYSIS', $2::"Archetype", $3::"AnalysisMode",
      -- Under the fence nobody else writes for this user and archetype, so what is looked up here stays true. Without one,
      -- as with COORDINATION=local, it may not: then no row comes back, and the next look sees the other.
      CASE WHEN EXISTS (
        SELECT 1 FROM analyses taken
        WHERE taken.user_id = $1::uuid AND taken.type = 'BEHAVIOR_ANALYSIS' AND taken.archetype = $2::"Archetype"
          AND taken.date = ($10::timestamptz AT TIME ZONE 'UTC')::date AND taken.trigger = $4::text AND taken.generation_id <> $9::uuid
      ) THEN $4::text || '_' || $11::int ELSE $4::text END,
      ($10::timestamptz AT TIME ZONE 'UTC')::date, $5::text, $6::jsonb, $7::int, $8::int, $9::uuid, $10::timestamptz
    ON CONFLICT (user_id, type, date, archetype, trigger) DO UPDATE SET
      mode = excluded.mode, summary = excluded.summary, result = excluded.result, data_point_count = excluded.data_point_count,
      data_revision = excluded.data_revision, created_at = excluded.created_at
    WHERE analyses.generation_id = excluded.generation_id
    RETURNING id`,
}
/** More than there are instances that could make the same analysis within one second. */
const MAX_NAMES = 20
/** Stores an analysis under its unique key, and never over that of another run. @returns its id. */
export async function upsertAnalysis(db: Queryable, analysis: NewAnalysis): Promise<string> {
  const values = (suffix: number): Value[] => [
    analysis.userId,
    analysis.archetype,
    analysis.mode,
    analysis.trigger,
    analysis.summary,
    JSON.stringify(analysis.result),
    analysis.dataPointCount,
    analysis.dataRevision,
    analysis.generationId,
    analysis.createdAt,
    suffix,
  ]
  for (let taken = 0; taken < MAX_NAMES; taken++) {
    // The first one that is taken may be the name without a suffix.
    const suffix = analysis.epoch + Math.max(0, taken - 1)
    const [row] = await db.query<{ id: string }>(UPSERT, values(suffix))
    if (row) return row.id
  }
  throw new Error('every name of an analysis is taken')
}

const INSERT_INSIGHTS = {
  name: 'insights-insert',
  text: `
    INSERT INTO insights (analysis_id, position, kind, title, body, confidence)
    SELECT $1::uuid, ordinality::int, (insight->>'kind')::"InsightKind", insight->>'title', insight->>'body', (insight->>'confidence')::float8
    FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS listed (insight, ordinality)
    RETURNING 1`,
}
export async function insertInsights(
  db: Queryable,
  analysisId: string,
  insights: readonly NewInsight[],
): Promise<void> {
  await db.query(INSERT_INSIGHTS, [analysisId, JSON.stringify(insights)])
}

const FIND_BY_IDS = {
  name: 'analyses-find-by-ids',
  text: `SELECT ${COLUMNS} FROM analyses WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))`,
}
export function findAnalysesByIds(db: Queryable, ids: readonly string[]): Promise<AnalysisRow[]> {
  return db.query<AnalysisRow>(FIND_BY_IDS, [JSON.stringify(ids)])
}

const FIND_LATEST = {
  name: 'analyses-find-latest',
  text: `
    SELECT ${COLUMNS} FROM analyses WHERE user_id = $1::uuid AND archetype = $2::"Archetype"
    ORDER BY created_at DESC, id DESC LIMIT 1`,
}
export async function findLatestAnalysis(
  db: Queryable,
  userId: string,
  archetype: Archetype,
): Promise<AnalysisRow | undefined> {
  return (await db.query<AnalysisRow>(FIND_LATEST, [userId, archetype]))[0]
}

const page = (name: string, filter: string) => ({
  name,
  text: `
    SELECT ${COLUMNS} FROM analyses
    WHERE user_id = $1::uuid AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
      ${filter}
    ORDER BY created_at DESC, id DESC LIMIT $4::int`,
})
const PAGE = page('analyses-page', '')
const PAGE_OF_ARCHETYPE = page('analyses-page-of-archetype', 'AND archetype = $5::"Archetype"')
/** Newest first. */
export function findAnalysisPage(
  db: Queryable,
  userId: string,
  archetype: Archetype | null,
  { after, limit }: KeysetPage,
): Promise<AnalysisRow[]> {
  const values = [userId, after?.at ?? null, after?.id ?? null, limit]
  return archetype === null ? db.query(PAGE, values) : db.query(PAGE_OF_ARCHETYPE, [...values, archetype])
}

const COUNT = {
  name: 'analyses-count',
  text: 'SELECT count(*)::int AS count FROM analyses WHERE user_id = $1::uuid AND ($2::"Archetype" IS NULL OR archetype = $2::"Archetype")',
}
export async function countAnalyses(
  db: Queryable,
  userId: string,
  archetype: Archetype | null,
): Promise<number> {
  return (await db.query<{ count: number }>(COUNT, [userId, archetype]))[0]?.count ?? 0
}

const INSIGHT_COLUMNS = 'id, analysis_id AS "analysisId", kind, title, body, confidence'
const FIND_INSIGHTS = {
  name: 'insights-find-by-analysis-ids',
  text: `
    SELECT ${INSIGHT_COLUMNS} FROM insights
    WHERE analysis_id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb)) ORDER BY analysis_id, position`,
}
export function findInsightsByAnalysisIds(
  db: Queryable,
  analysisIds: readonly string[],
): Promise<InsightRow[]> {
  return db.query<InsightRow>(FIND_INSIGHTS, [JSON.stringify(analysisIds)])
}

const FIND_INSIGHTS_BY_IDS = {
  name: 'insights-find-by-ids',
  text: `
    SELECT i.id, i.analysis_id AS "analysisId", i.kind, i.title, i.body, i.confidence, a.user_id AS "userId"
    FROM insights i JOIN analyses a ON a.id = i.analysis_id
    WHERE i.id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))`,
}
export function findInsightsByIds(
  db: Queryable,
  ids: readonly string[],
): Promise<(InsightRow & { userId: string })[]> {
  return db.query(FIND_INSIGHTS_BY_IDS, [JSON.stringify(ids)])
}
