import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import { listsByPlace, type Placed, rowsByPlace, toArray } from './arrays.ts'
import type { Queryable, Value } from './client.ts'
import type { AnalysisMode, InsightKind } from './generated/enums.ts'
import { type KeysetPage, pageOf, pageParameters } from './keyset.ts'

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

/** What lists and most readers show of an analysis; the result is large. */
export type AnalysisHead = Omit<AnalysisRow, 'result'>

const HEAD = `
  id, user_id AS "userId", archetype, mode, trigger, date::text AS date, summary,
  data_point_count AS "dataPointCount", data_revision AS "dataRevision", generation_id AS "generationId", created_at AS "createdAt"`
const COLUMNS = `${HEAD}, result`

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
    RETURNING ${COLUMNS}`,
}
/** More than there are instances that could make the same analysis within one second. */
const MAX_NAMES = 20
/** Stores an analysis under its unique key, and never over that of another run. @returns it as it is stored. */
export async function upsertAnalysis(db: Queryable, analysis: NewAnalysis): Promise<AnalysisRow> {
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
    const [row] = await db.query<AnalysisRow>(UPSERT, values(suffix))
    if (row) return row
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
  text: `SELECT ${COLUMNS} FROM analyses WHERE id = ANY ($1::uuid[])`,
}
export function findAnalysesByIds(db: Queryable, ids: readonly string[]): Promise<AnalysisRow[]> {
  return db.query<AnalysisRow>(FIND_BY_IDS, [toArray(ids)])
}

const FIND_HEADS_BY_IDS = {
  name: 'analyses-find-heads-by-ids',
  text: `SELECT ${HEAD} FROM analyses WHERE id = ANY ($1::uuid[])`,
}
export function findAnalysisHeadsByIds(db: Queryable, ids: readonly string[]): Promise<AnalysisHead[]> {
  return db.query<AnalysisHead>(FIND_HEADS_BY_IDS, [toArray(ids)])
}

export interface OfArchetype {
  userId: string
  archetype: Archetype
}

const latest = (name: string, columns: string) => ({
  name,
  text: `
    SELECT k.place::int AS place, a.*
    FROM unnest($1::uuid[], $2::"Archetype"[]) WITH ORDINALITY AS k (user_id, archetype, place)
    CROSS JOIN LATERAL (
      SELECT ${columns} FROM analyses WHERE user_id = k.user_id AND archetype = k.archetype
      ORDER BY created_at DESC, id DESC LIMIT 1
    ) a`,
})
const FIND_LATEST = latest('analyses-find-latest', COLUMNS)
const FIND_LATEST_HEADS = latest('analyses-find-latest-heads', HEAD)
const ofArchetype = (of: readonly OfArchetype[]) => [
  toArray(of.map(({ userId }) => userId)),
  toArray(of.map(({ archetype }) => archetype)),
]
export async function findLatestAnalyses(
  db: Queryable,
  of: readonly OfArchetype[],
): Promise<(AnalysisRow | null)[]> {
  return rowsByPlace(await db.query<AnalysisRow & Placed>(FIND_LATEST, ofArchetype(of)), of.length)
}
export async function findLatestAnalysisHeads(
  db: Queryable,
  of: readonly OfArchetype[],
): Promise<(AnalysisHead | null)[]> {
  return rowsByPlace(await db.query<AnalysisHead & Placed>(FIND_LATEST_HEADS, ofArchetype(of)), of.length)
}
export async function findLatestAnalysis(
  db: Queryable,
  userId: string,
  archetype: Archetype,
): Promise<AnalysisRow | undefined> {
  return (await findLatestAnalyses(db, [{ userId, archetype }]))[0] ?? undefined
}

export interface AnalysisPageKey {
  userId: string
  page: KeysetPage
}
const OF_ARCHETYPE = { types: ['"Archetype"'], condition: 'AND archetype = k.f5' }
const PAGES = {
  all: {
    heads: { name: 'analyses-head-pages', text: pageOf('analyses', HEAD) },
    whole: { name: 'analyses-pages', text: pageOf('analyses', COLUMNS) },
  },
  ofArchetype: {
    heads: { name: 'analyses-head-pages-of-archetype', text: pageOf('analyses', HEAD, OF_ARCHETYPE) },
    whole: { name: 'analyses-pages-of-archetype', text: pageOf('analyses', COLUMNS, OF_ARCHETYPE) },
  },
}
/** A page for each key, newest first: of every archetype, and whole, with the results, or not. */
export async function findAnalysisPages(
  db: Queryable,
  keys: readonly AnalysisPageKey[],
  rows: 'heads' | 'whole',
): Promise<(AnalysisHead & { result?: JsonValue })[][]> {
  const values = [toArray(keys.map(({ userId }) => userId)), ...pageParameters(keys.map(({ page }) => page))]
  return listsByPlace(await db.query<AnalysisHead & Placed>(PAGES.all[rows], values), keys.length)
}
/** The same, of one archetype each, which has an index of its own. */
export async function findAnalysisPagesOfArchetype(
  db: Queryable,
  keys: readonly (AnalysisPageKey & { archetype: Archetype })[],
  rows: 'heads' | 'whole',
): Promise<(AnalysisHead & { result?: JsonValue })[][]> {
  const values = [
    toArray(keys.map(({ userId }) => userId)),
    ...pageParameters(keys.map(({ page }) => page)),
    toArray(keys.map(({ archetype }) => archetype)),
  ]
  return listsByPlace(await db.query<AnalysisHead & Placed>(PAGES.ofArchetype[rows], values), keys.length)
}

const COUNT = {
  name: 'analyses-count',
  text: `
    SELECT (SELECT count(*)::int FROM analyses a
      WHERE a.user_id = k.user_id AND (k.archetype IS NULL OR a.archetype = k.archetype)) AS count
    FROM unnest($1::uuid[], $2::"Archetype"[]) WITH ORDINALITY AS k (user_id, archetype, place) ORDER BY k.place`,
}
/** For each key, of one archetype or of all. */
export async function countAnalyses(
  db: Queryable,
  of: readonly { userId: string; archetype: Archetype | null }[],
): Promise<number[]> {
  const values = [toArray(of.map(({ userId }) => userId)), toArray(of.map(({ archetype }) => archetype))]
  return (await db.query<{ count: number }>(COUNT, values)).map(row => row.count)
}

const INSIGHT_COLUMNS = 'id, analysis_id AS "analysisId", kind, title, body, confidence'
const FIND_INSIGHTS = {
  name: 'insights-find-by-analysis-ids',
  text: `
    SELECT ${INSIGHT_COLUMNS} FROM insights
    WHERE analysis_id = ANY ($1::uuid[]) ORDER BY analysis_id, position`,
}
export function findInsightsByAnalysisIds(
  db: Queryable,
  analysisIds: readonly string[],
): Promise<InsightRow[]> {
  return db.query<InsightRow>(FIND_INSIGHTS, [toArray(analysisIds)])
}

const FIND_INSIGHTS_BY_IDS = {
  name: 'insights-find-by-ids',
  text: `
    SELECT i.id, i.analysis_id AS "analysisId", i.kind, i.title, i.body, i.confidence, a.user_id AS "userId"
    FROM insights i JOIN analyses a ON a.id = i.analysis_id
    WHERE i.id = ANY ($1::uuid[])`,
}
export function findInsightsByIds(
  db: Queryable,
  ids: readonly string[],
): Promise<(InsightRow & { userId: string })[]> {
  return db.query(FIND_INSIGHTS_BY_IDS, [toArray(ids)])
}
