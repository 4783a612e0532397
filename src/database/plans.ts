import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import { listsByPlace, type Placed, rowsByPlace, toArray } from './arrays.ts'
import type { Queryable, Value } from './client.ts'
import type { GenerationSource, PlanKind } from './generated/enums.ts'
import { type KeysetPage, pageOf, pageParameters } from './keyset.ts'
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

/** What lists and most readers show of a plan; its items are large, and its notes are JSON too. */
export type PlanHead = Omit<PlanRow, 'items' | 'notes'>

const HEAD = `
  id, user_id AS "userId", kind, archetype, analysis_id AS "analysisId", analysis_source AS "analysisSource", days,
  title, summary, date::text AS date, generation_id AS "generationId", created_at AS "createdAt"`
const COLUMNS = `${HEAD}, items, notes`
/** With the items and the notes, or without. */
export type PlanColumns = 'heads' | 'whole'
export type FoundPlan = PlanHead & Partial<Pick<PlanRow, 'items' | 'notes'>>

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
  text: `SELECT ${COLUMNS} FROM plans WHERE id = ANY ($1::uuid[])`,
}
export function findPlansByIds(db: Queryable, ids: readonly string[]): Promise<PlanRow[]> {
  return db.query<PlanRow>(FIND_BY_IDS, [toArray(ids)])
}

const FIND_HEADS_BY_IDS = {
  name: 'plans-find-heads-by-ids',
  text: `SELECT ${HEAD} FROM plans WHERE id = ANY ($1::uuid[])`,
}
export function findPlanHeadsByIds(db: Queryable, ids: readonly string[]): Promise<PlanHead[]> {
  return db.query<PlanHead>(FIND_HEADS_BY_IDS, [toArray(ids)])
}

const byAnalysisIds = (name: string, columns: string) => ({
  name,
  text: `SELECT ${columns} FROM plans WHERE analysis_id = ANY ($1::uuid[]) ORDER BY created_at DESC, id DESC`,
})
const FIND_BY_ANALYSIS_IDS = {
  heads: byAnalysisIds('plans-find-heads-by-analysis-ids', HEAD),
  whole: byAnalysisIds('plans-find-by-analysis-ids', COLUMNS),
}
export function findPlansByAnalysisIds(
  db: Queryable,
  analysisIds: readonly string[],
  columns: PlanColumns,
): Promise<FoundPlan[]> {
  return db.query<FoundPlan>(FIND_BY_ANALYSIS_IDS[columns], [toArray(analysisIds)])
}

export interface LatestPlanKey {
  userId: string
  kind: PlanKind
  archetype: Archetype
}
const latest = (name: string, columns: string) => ({
  name,
  text: `
    SELECT k.place::int AS place, p.*
    FROM unnest($1::uuid[], $2::"PlanKind"[], $3::"Archetype"[]) WITH ORDINALITY AS k (user_id, kind, archetype, place)
    CROSS JOIN LATERAL (
      SELECT ${columns} FROM plans
      WHERE user_id = k.user_id AND kind = k.kind AND archetype = k.archetype
      ORDER BY created_at DESC, id DESC LIMIT 1
    ) p`,
})
const FIND_LATEST = {
  heads: latest('plans-find-latest-heads', HEAD),
  whole: latest('plans-find-latest', COLUMNS),
}
export async function findLatestPlans(
  db: Queryable,
  of: readonly LatestPlanKey[],
  columns: PlanColumns,
): Promise<(FoundPlan | null)[]> {
  const values = [
    toArray(of.map(({ userId }) => userId)),
    toArray(of.map(({ kind }) => kind)),
    toArray(of.map(({ archetype }) => archetype)),
  ]
  return rowsByPlace(await db.query<FoundPlan & Placed>(FIND_LATEST[columns], values), of.length)
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

export interface PlanPageKey extends PlanFilter {
  userId: string
  page: KeysetPage
}
const FILTER = {
  types: ['"PlanKind"', '"Archetype"'],
  condition: 'AND (k.f5 IS NULL OR kind = k.f5) AND (k.f6 IS NULL OR archetype = k.f6)',
}
const PAGES = {
  heads: { name: 'plans-head-pages', text: pageOf('plans', HEAD, FILTER) },
  whole: { name: 'plans-pages', text: pageOf('plans', COLUMNS, FILTER) },
}
/** A page for each key, newest first. */
export async function findPlanPages(
  db: Queryable,
  keys: readonly PlanPageKey[],
  columns: PlanColumns,
): Promise<FoundPlan[][]> {
  const values = [
    toArray(keys.map(({ userId }) => userId)),
    ...pageParameters(keys.map(({ page }) => page)),
    toArray(keys.map(({ kind }) => kind)),
    toArray(keys.map(({ archetype }) => archetype)),
  ]
  return listsByPlace(await db.query<FoundPlan & Placed>(PAGES[columns], values), keys.length)
}

const COUNT = {
  name: 'plans-count',
  text: `
    SELECT (SELECT count(*)::int FROM plans p
      WHERE p.user_id = k.user_id AND (k.kind IS NULL OR p.kind = k.kind) AND (k.archetype IS NULL OR p.archetype = k.archetype)) AS count
    FROM unnest($1::uuid[], $2::"PlanKind"[], $3::"Archetype"[]) WITH ORDINALITY AS k (user_id, kind, archetype, place)
    ORDER BY k.place`,
}
/** For each key. */
export async function countPlans(
  db: Queryable,
  of: readonly (PlanFilter & { userId: string })[],
): Promise<number[]> {
  const values = [
    toArray(of.map(({ userId }) => userId)),
    toArray(of.map(({ kind }) => kind)),
    toArray(of.map(({ archetype }) => archetype)),
  ]
  return (await db.query<{ count: number }>(COUNT, values)).map(row => row.count)
}
