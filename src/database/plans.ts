import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import type { Queryable, Value } from './client.ts'
import type { GenerationSource, PlanKind } from './generated/enums.ts'
import type { KeysetPage } from './keyset.ts'
import { NOTHING_SAID, PREFERENCES, type PreferencesRow } from './preferences.ts'

export interface PlanItemRow {
  day: number
  time: string | null
  title: string
  description: string
  ingredients: string[]
  nutrition: { calories: number; proteinGrams: number; carbsGrams: number; fatGrams: number } | null
}

export interface PlanNoteRow {
  kind: string
  day: number | null
  dish: string | null
  message: string
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
  notes: PlanNoteRow[]
  /** YYYY-MM-DD */
  date: string
  generationId: string
  createdAt: Date
}

const COLUMNS = `
  id, user_id AS "userId", kind, archetype, analysis_id AS "analysisId", analysis_source AS "analysisSource", days,
  title, summary, items, notes, date::text AS date, generation_id AS "generationId", created_at AS "createdAt"`

/** What decides about a plan, and what a new one is made from beside the analysis. */
export interface PlanFacts {
  /** The database's clock at the read. */
  now: Date
  preferences: PreferencesRow
  /** The newest of the same user, kind, archetype and length. */
  latest: { id: string; analysisId: string; createdAt: Date; preferencesHash: string | null } | null
  /** The main dishes of the user's last menu, of whatever archetype and length; of a MENU alone. */
  lastMainDishes: string[]
}

const READ_FACTS = {
  name: 'plans-read-facts',
  text: `
    SELECT clock_timestamp() AS now,
      (SELECT to_jsonb(said) FROM (${PREFERENCES} WHERE user_id = $1::uuid) said) AS preferences,
      (SELECT metadata->'mainDishes' FROM plans
       WHERE user_id = $1::uuid AND kind = 'MENU' AND $2::"PlanKind" = 'MENU' ORDER BY created_at DESC, id DESC LIMIT 1) AS "mainDishes",
      p.id, p.analysis_id AS "analysisId", p.created_at AS "createdAt", p.preferences_hash AS "preferencesHash"
    FROM (VALUES (1)) AS one
    LEFT JOIN LATERAL (
      SELECT id, analysis_id, created_at, preferences_hash FROM plans
      WHERE user_id = $1::uuid AND kind = $2::"PlanKind" AND archetype = $3::"Archetype" AND days = $4::int
      ORDER BY created_at DESC, id DESC LIMIT 1
    ) p ON true`,
}
/** All of it in one read of one snapshot. */
export async function readPlanFacts(
  db: Queryable,
  of: { userId: string; kind: PlanKind; archetype: Archetype; days: number },
): Promise<PlanFacts> {
  const [row] = await db.query<{
    now: Date
    preferences: PreferencesRow | null
    mainDishes: JsonValue
    id: string | null
    analysisId: string
    createdAt: Date
    preferencesHash: string | null
  }>(READ_FACTS, [of.userId, of.kind, of.archetype, of.days])
  if (!row) throw new Error('a read of one row returned none')
  const { now, preferences, mainDishes, id, analysisId, createdAt, preferencesHash } = row
  return {
    now,
    preferences: preferences ?? NOTHING_SAID,
    latest: id === null ? null : { id, analysisId, createdAt, preferencesHash },
    lastMainDishes: Array.isArray(mainDishes) ? mainDishes.filter(dish => typeof dish === 'string') : [],
  }
}

export interface NewPlan extends Omit<PlanRow, 'id'> {
  metadata: { [key: string]: JsonValue }
  preferencesHash: string
  eatingHash: string
}

const INSERT = {
  name: 'plans-insert',
  text: `
    WITH stored AS (
      INSERT INTO plans (user_id, kind, archetype, analysis_id, analysis_source, days, title, summary, items, metadata, date,
        generation_id, created_at, notes, preferences_hash, eating_hash)
      VALUES ($1::uuid, $2::"PlanKind", $3::"Archetype", $4::uuid, $5::"GenerationSource", $6::int, $7::text, $8::text, $9::jsonb,
        $10::jsonb, $11::date, $12::uuid, $13::timestamptz, $14::jsonb, $15::text, $16::text)
      ON CONFLICT (generation_id) DO UPDATE SET title = excluded.title
      RETURNING *
    ), told AS (
      INSERT INTO outbox (topic, key, payload)
      SELECT 'plan.made', 'plan:' || id, jsonb_build_object('planId', id, 'userId', user_id, 'kind', kind, 'archetype', archetype,
        'analysisId', analysis_id)
      FROM stored
      ON CONFLICT (key) DO NOTHING
    )
    SELECT ${COLUMNS} FROM stored`,
}
/** Stores the plan of a run together with the event that tells of it, in one statement. @returns it as it is stored. */
export async function storePlan(db: Queryable, plan: NewPlan): Promise<PlanRow> {
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
    JSON.stringify(plan.notes),
    plan.preferencesHash,
    plan.eatingHash,
  ]
  const [row] = await db.query<PlanRow>(INSERT, values)
  if (!row) throw new Error('an upsert returned no row')
  return row
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

const FIND_STILL_FITTING = {
  name: 'plans-find-still-fitting',
  text: `
    SELECT ${COLUMNS} FROM plans
    WHERE user_id = $1::uuid AND kind = $2::"PlanKind" AND archetype = $3::"Archetype" AND days = $4::int
      AND (kind = 'ROUTINE' OR eating_hash = $5::text)
    ORDER BY created_at DESC, id DESC LIMIT 1`,
}
/** The newest of its kind, archetype and length; one that says what to eat only where it was made under the same eating rules. */
export async function findPlanStillFitting(
  db: Queryable,
  of: { userId: string; kind: PlanKind; archetype: Archetype; days: number; eatingHash: string },
): Promise<PlanRow | undefined> {
  return (
    await db.query<PlanRow>(FIND_STILL_FITTING, [of.userId, of.kind, of.archetype, of.days, of.eatingHash])
  )[0]
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
