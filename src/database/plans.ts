import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import type { Queryable, Value } from './client.ts'
import type { GenerationSource, PlanKind } from './generated/enums.ts'
import type { KeysetPage } from './keyset.ts'

export interface PlanItemRow {
  day: number
  time: string | null
  title: string
  description: string
  ingredients: string[]
  nutrition: { calories: number; proteinGrams: number; carbsGrams: number; fatGrams: number } | null
}

export interface PlanRow {
  id: string
  userId: string
  kind: PlanKind
  archetype: Archetype
  analysisId: string
  analysisSource: GenerationSource
  days: number
  title: string
  summary: string
  items: PlanItemRow[]
  /** YYYY-MM-DD */
  date: string
  generationId: string
  createdAt: Date
}

const COLUMNS = `
  id, user_id AS "userId", kind, archetype, analysis_id AS "analysisId", analysis_source AS "analysisSource", days,
  title, summary, items, date::text AS date, generation_id AS "generationId", created_at AS "createdAt"`

export interface LatestPlan {
  now: Date
  latest: { id: string; analysisId: string; createdAt: Date } | null
}

const READ_LATEST = {
  name: 'plans-read-latest',
  text: `
    SELECT clock_timestamp() AS now, p.id, p.analysis_id AS "analysisId", p.created_at AS "createdAt"
    FROM (VALUES (1)) AS one
    LEFT JOIN LATERAL (
      SELECT id, analysis_id, created_at FROM plans
      WHERE user_id = $1::uuid AND kind = $2::"PlanKind" AND archetype = $3::"Archetype" AND days = $4::int
      ORDER BY created_at DESC, id DESC LIMIT 1
    ) p ON true`,
}
/** The newest plan of a kind, archetype and length, and the database's clock at the read. */
export async function readLatestPlan(
  db: Queryable,
  of: { userId: string; kind: PlanKind; archetype: Archetype; days: number },
): Promise<LatestPlan> {
  const [row] = await db.query<{ now: Date; id: string | null; analysisId: string; createdAt: Date }>(
    READ_LATEST,
    [of.userId, of.kind, of.archetype, of.days],
  )
  if (!row) throw new Error('a read of one row returned none')
  const { now, id, analysisId, createdAt } = row
  return { now, latest: id === null ? null : { id, analysisId, createdAt } }
}

export interface NewPlan extends Omit<PlanRow, 'id'> {
  metadata: { [key: string]: JsonValue }
}

const INSERT = {
  name: 'plans-insert',
  text: `
    INSERT INTO plans (user_id, kind, archetype, analysis_id, analysis_source, days, title, summary, items, metadata, date, generation_id, created_at)
    VALUES ($1::uuid, $2::"PlanKind", $3::"Archetype", $4::uuid, $5::"GenerationSource", $6::int, $7::text, $8::text, $9::jsonb, $10::jsonb, $11::date, $12::uuid, $13::timestamptz)
    ON CONFLICT (generation_id) DO UPDATE SET title = excluded.title
    RETURNING id`,
}
/** Stores the plan of a run. @returns its id. */
export async function upsertPlan(db: Queryable, plan: NewPlan): Promise<string> {
  const values: Value[] = [
    plan.userId,
    plan.kind,
    plan.archetype,
    plan.analysisId,
    plan.analysisSource,
    plan.days,
    plan.title,
    plan.summary,
    JSON.stringify(plan.items),
    JSON.stringify(plan.metadata),
    plan.date,
    plan.generationId,
    plan.createdAt,
  ]
  const [row] = await db.query<{ id: string }>(INSERT, values)
  if (!row) throw new Error('an upsert returned no row')
  return row.id
}

const FIND_BY_IDS = {
  name: 'plans-find-by-ids',
  text: `SELECT ${COLUMNS} FROM plans WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))`,
}
export function findPlansByIds(db: Queryable, ids: readonly string[]): Promise<PlanRow[]> {
  return db.query<PlanRow>(FIND_BY_IDS, [JSON.stringify(ids)])
}

const FIND_BY_ANALYSIS_IDS = {
  name: 'plans-find-by-analysis-ids',
  text: `
    SELECT ${COLUMNS} FROM plans
    WHERE analysis_id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb)) ORDER BY created_at DESC, id DESC`,
}
export function findPlansByAnalysisIds(db: Queryable, analysisIds: readonly string[]): Promise<PlanRow[]> {
  return db.query<PlanRow>(FIND_BY_ANALYSIS_IDS, [JSON.stringify(analysisIds)])
}

const FIND_LATEST = {
  name: 'plans-find-latest',
  text: `
    SELECT ${COLUMNS} FROM plans
    WHERE user_id = $1::uuid AND kind = $2::"PlanKind" AND archetype = $3::"Archetype"
    ORDER BY created_at DESC, id DESC LIMIT 1`,
}
export async function findLatestPlan(
  db: Queryable,
  userId: string,
  kind: PlanKind,
  archetype: Archetype,
): Promise<PlanRow | undefined> {
  return (await db.query<PlanRow>(FIND_LATEST, [userId, kind, archetype]))[0]
}

const FIND_LAST_MENU = {
  name: 'plans-find-last-menu',
  text: `
    SELECT metadata->'mainDishes' AS "mainDishes" FROM plans
    WHERE user_id = $1::uuid AND kind = 'MENU' ORDER BY created_at DESC, id DESC LIMIT 1`,
}
/** The main dishes of the user's last menu, of whatever archetype. */
export async function findLastMainDishes(db: Queryable, userId: string): Promise<string[]> {
  const [row] = await db.query<{ mainDishes: JsonValue }>(FIND_LAST_MENU, [userId])
  return Array.isArray(row?.mainDishes) ? row.mainDishes.filter(dish => typeof dish === 'string') : []
}

export interface PlanFilter {
  kind: PlanKind | null
  archetype: Archetype | null
}

const PAGE = {
  name: 'plans-page',
  text: `
    SELECT ${COLUMNS} FROM plans
    WHERE user_id = $1::uuid
      AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
      AND ($5::"PlanKind" IS NULL OR kind = $5::"PlanKind") AND ($6::"Archetype" IS NULL OR archetype = $6::"Archetype")
    ORDER BY created_at DESC, id DESC LIMIT $4::int`,
}
/** Newest first. */
export function findPlanPage(
  db: Queryable,
  userId: string,
  { kind, archetype }: PlanFilter,
  { after, limit }: KeysetPage,
): Promise<PlanRow[]> {
  return db.query<PlanRow>(PAGE, [userId, after?.at ?? null, after?.id ?? null, limit, kind, archetype])
}

const COUNT = {
  name: 'plans-count',
  text: `
    SELECT count(*)::int AS count FROM plans
    WHERE user_id = $1::uuid AND ($2::"PlanKind" IS NULL OR kind = $2::"PlanKind")
      AND ($3::"Archetype" IS NULL OR archetype = $3::"Archetype")`,
}
export async function countPlans(
  db: Queryable,
  userId: string,
  { kind, archetype }: PlanFilter,
): Promise<number> {
  return (await db.query<{ count: number }>(COUNT, [userId, kind, archetype]))[0]?.count ?? 0
}
