import { type Placed, toArray } from './arrays.ts'
import { CHANGE_CHANNEL } from './changes.ts'
import type { Queryable, Value } from './client.ts'

/** In ChangeWakes: `facts:promoted`. */
export const FACT_TOPIC = 'facts'
/** In the outbox, and so for whoever listens outside. */
export const FACT_EVENT = 'fact.promoted'

export interface FactRow {
  id: string
  content: string
  category: string
  sourceCount: number
  promotedAt: Date | null
  firstSeenAt: Date
  lastConfirmedAt: Date
}

const COLUMNS = `
  f.id, f.content, f.category, f.source_count AS "sourceCount", f.promoted_at AS "promotedAt",
  f.first_seen_at AS "firstSeenAt", f.last_confirmed_at AS "lastConfirmedAt"`

const FIND_CATEGORIES = {
  name: 'fact-categories-find',
  text: 'SELECT name FROM fact_categories ORDER BY name',
}
export async function findFactCategories(db: Queryable): Promise<string[]> {
  return (await db.query<{ name: string }>(FIND_CATEGORIES)).map(row => row.name)
}

export interface NewFact {
  /** SHA-256, in hex. */
  hash: string
  content: string
  category: string
}

const LOCK = {
  name: 'facts-lock',
  text: `
    INSERT INTO collective_facts AS f (hash, content, category, first_seen_at, last_confirmed_at)
    SELECT decode(new.hash, 'hex'), new.content, new.category, at.now, at.now
    FROM jsonb_to_recordset($1::jsonb) AS new (hash text, content text, category text),
      (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) AS at
    -- One order for everybody, so that two transactions with the same facts cannot deadlock.
    ORDER BY decode(new.hash, 'hex')
    ON CONFLICT (hash) DO UPDATE SET source_count = f.source_count
    RETURNING f.id, encode(f.hash, 'hex') AS hash`,
}
/** Locks the facts, each named once, until the transaction ends; those not seen before are made. @returns ids by hash. */
export async function lockFacts(db: Queryable, facts: readonly NewFact[]): Promise<Map<string, string>> {
  const rows = await db.query<{ id: string; hash: string }>(LOCK, [JSON.stringify(facts)])
  return new Map(rows.map(({ id, hash }) => [hash, id]))
}

export interface Contribution {
  factId: string
  userId: string
}

export interface CountedFact extends FactRow {
  /** Of the contributions, those that were not there before. */
  countedUserIds: string[]
  /** It was not promoted before, and is now. */
  promotedNow: boolean
}

const COUNT_SOURCES = {
  name: 'facts-count-sources',
  text: `
    WITH contribution AS (
      SELECT "factId" AS fact_id, "userId" AS user_id FROM jsonb_to_recordset($1::jsonb) AS c ("factId" uuid, "userId" uuid)
    ), counted AS (
      INSERT INTO fact_sources (fact_id, user_id, contributed_at)
      -- Under the fact's lock; a clock that was set back must not put a confirmation before those it comes after.
      SELECT c.fact_id, c.user_id, greatest(f.last_confirmed_at, date_trunc('milliseconds', statement_timestamp()))
      FROM contribution c JOIN collective_facts f ON f.id = c.fact_id
      ON CONFLICT (fact_id, user_id) DO NOTHING
      RETURNING fact_id, user_id, contributed_at
    ), added AS (
      SELECT fact_id, count(*)::int AS sources, max(contributed_at) AS at, jsonb_agg(user_id) AS user_ids FROM counted GROUP BY fact_id
    ), changed AS (
      UPDATE collective_facts f SET source_count = f.source_count + added.sources,
        last_confirmed_at = added.at,
        promoted_at = coalesce(f.promoted_at, CASE WHEN f.source_count + added.sources >= $2::int THEN added.at END)
      FROM added WHERE f.id = added.fact_id
      RETURNING f.*
    )
    SELECT ${COLUMNS}, added.user_ids AS "countedUserIds", before.promoted_at IS NULL AND f.promoted_at IS NOT NULL AS "promotedNow"
    FROM changed f JOIN added ON added.fact_id = f.id JOIN collective_facts before ON before.id = f.id
    UNION ALL
    SELECT ${COLUMNS}, '[]', false FROM collective_facts f
    WHERE f.id IN (SELECT fact_id FROM contribution EXCEPT SELECT fact_id FROM counted)`,
}
/**
 * Under the facts' locks: adds those contributions that were not there before, and counts them; a fact with `threshold`
 * sources is promoted. @returns each fact once, as it stands then.
 */
export function countSources(
  db: Queryable,
  contributions: readonly Contribution[],
  threshold: number,
): Promise<CountedFact[]> {
  return db.query<CountedFact>(COUNT_SOURCES, [JSON.stringify(contributions), threshold])
}

const INSERT_PROMOTIONS = {
  name: 'facts-insert-promotions',
  text: `
    WITH promoted AS (
      SELECT id, category, source_count, (row_number() OVER (ORDER BY id))::int AS number, (count(*) OVER ())::int AS total
      FROM collective_facts WHERE id = ANY ($1::uuid[])
    ), feed AS (
      UPDATE fact_feed SET position = position + (SELECT count(*)::int FROM promoted) RETURNING position
    ), recorded AS (
      INSERT INTO fact_promotions (position, fact_id, category)
      SELECT feed.position - promoted.total + promoted.number, promoted.id, promoted.category FROM promoted, feed
    ), told AS (
      INSERT INTO outbox (topic, key, payload)
      SELECT '${FACT_EVENT}', 'fact:' || id || ':promoted',
        jsonb_build_object('factId', id, 'category', category, 'sourceCount', source_count)
      FROM promoted
      ON CONFLICT (key) DO NOTHING
    )
    SELECT pg_notify('${CHANGE_CHANNEL}', '${FACT_TOPIC}:promoted')::text`,
}
/** What belongs to promotions, in the transaction that makes them: the log, the events for those outside, one wake. */
export async function insertPromotions(db: Queryable, factIds: readonly string[]): Promise<void> {
  await db.query(INSERT_PROMOTIONS, [toArray(factIds)])
}

const FIND_BY_IDS = {
  name: 'facts-find-by-ids',
  text: `SELECT ${COLUMNS} FROM collective_facts f WHERE f.id = ANY ($1::uuid[])`,
}
export function findCollectiveFactsByIds(db: Queryable, ids: readonly string[]): Promise<FactRow[]> {
  return db.query<FactRow>(FIND_BY_IDS, [toArray(ids)])
}

/** A user's sources are looked for together: asked for one by one, they take twice as long. */
const FIND_CONTRIBUTED = {
  name: 'facts-find-contributed',
  text: `
    SELECT k.place::int AS place, s.fact_id AS "factId"
    FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (user_id, fact_ids, place)
    JOIN fact_sources s ON s.user_id = k.user_id AND s.fact_id = ANY (k.fact_ids::uuid[])`,
}
/** As whoever asks alone asks. */
const FIND_CONTRIBUTED_BY_ONE = {
  name: 'facts-find-contributed-by-one',
  text: `
    SELECT 1 AS place, fact_id AS "factId" FROM fact_sources
    WHERE user_id = $1::uuid AND fact_id = ANY ($2::uuid[])`,
}
/** Of each, whether it was made. */
export async function findContributed(
  db: Queryable,
  contributions: readonly Contribution[],
): Promise<boolean[]> {
  const byUser = [...Map.groupBy(contributions, ({ userId }) => userId)].map(([userId, theirs]) => ({
    userId,
    // Ids alone, which need no quotes.
    factIds: `{${theirs.map(({ factId }) => factId).join(',')}}`,
    made: new Set<string>(),
  }))
  const [one, another] = byUser
  const rows =
    one && !another
      ? await db.query<Placed & { factId: string }>(FIND_CONTRIBUTED_BY_ONE, [one.userId, one.factIds])
      : await db.query<Placed & { factId: string }>(FIND_CONTRIBUTED, [
          toArray(byUser.map(({ userId }) => userId)),
          toArray(byUser.map(({ factIds }) => factIds)),
        ])
  for (const { place, factId } of rows) byUser[place - 1]?.made.add(factId)
  const madeByUser = new Map(byUser.map(({ userId, made }) => [userId, made]))
  return contributions.map(({ userId, factId }) => madeByUser.get(userId)?.has(factId) === true)
}

export interface FactFilter {
  /** Null: both. */
  promoted: boolean | null
  category: string | null
}

/** A place in the list, and what could be seen when its first page was read. */
export interface FactCursor {
  at: Date
  id: string
  /** The database's clock at the first page. */
  pinnedAt: Date
  /** pg_snapshot of the first page, as PostgreSQL writes it. */
  snapshot: string
}

export interface ListedFact extends FactRow {
  cursor: FactCursor
}

/** `listedAt` is where it stands in the list, unless that is where it was confirmed last. */
type Listed = FactRow & { listedAt?: Date; pinnedAt: Date; snapshot: string }

const filterSql = ({ promoted, category }: FactFilter, wanted: string) =>
  [
    promoted === null ? 'true' : promoted ? 'f.promoted_at IS NOT NULL' : 'f.promoted_at IS NULL',
    category === null ? 'true' : `f.category = ${wanted}`,
  ].join(' AND ')
/** A statement for each combination of filters: a plan for all of them could not use the indexes of each. */
const variantOf = ({ promoted, category }: FactFilter) =>
  `${promoted === null ? 'all' : promoted ? 'promoted' : 'unpromoted'}${category === null ? '' : '-of-category'}`

const firstPages = (filter: FactFilter) => ({
  name: `facts-first-pages-${variantOf(filter)}`,
  text: `
    SELECT k.place::int AS place, r.*, statement_timestamp() AS "pinnedAt", pg_current_snapshot()::text AS snapshot
    FROM unnest($1::int[], $2::text[]) WITH ORDINALITY AS k (size, category, place)
    CROSS JOIN LATERAL (
      SELECT ${COLUMNS} FROM collective_facts f WHERE ${filterSql(filter, 'k.category')}
      ORDER BY f.last_confirmed_at DESC, f.id DESC LIMIT k.size
    ) r
    ORDER BY k.place, r."lastConfirmedAt" DESC, r.id DESC`,
})
/** The same for one key, as which whatever all ask for comes: it takes half as long. */
const firstPage = (filter: FactFilter) => ({
  name: `facts-first-page-${variantOf(filter)}`,
  text: `
    SELECT 1 AS place, ${COLUMNS}, statement_timestamp() AS "pinnedAt", pg_current_snapshot()::text AS snapshot
    FROM collective_facts f WHERE ${filterSql(filter, '$2::text')}
    ORDER BY f.last_confirmed_at DESC, f.id DESC LIMIT $1::int`,
})

const nextPages = (filter: FactFilter) => ({
  name: `facts-next-pages-${variantOf(filter)}`,
  text: `
    SELECT k.place::int AS place, r.*, k.pinned_at AS "pinnedAt", k.snapshot
    FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::uuid[], $5::timestamptz[], $6::text[])
      WITH ORDINALITY AS k (size, category, after_at, after_id, pinned_at, snapshot, place)
    CROSS JOIN LATERAL (
      SELECT ${COLUMNS}, listed.at AS "listedAt"
      FROM (
        (SELECT f.id, f.last_confirmed_at AS at FROM collective_facts f
         WHERE f.last_confirmed_at <= k.pinned_at - interval '1 minute'
           AND (f.last_confirmed_at, f.id) < (k.after_at, k.after_id) AND ${filterSql(filter, 'k.category')}
         ORDER BY f.last_confirmed_at DESC, f.id DESC LIMIT k.size)
        UNION ALL
        (SELECT f.id, seen.at FROM collective_facts f
         CROSS JOIN LATERAL (
           SELECT s.contributed_at AS at FROM fact_sources s
           WHERE s.fact_id = f.id AND pg_visible_in_snapshot(s.counted_by, k.snapshot::pg_snapshot)
           ORDER BY s.contributed_at DESC LIMIT 1
         ) AS seen
         WHERE f.last_confirmed_at > k.pinned_at - interval '1 minute'
           AND (seen.at, f.id) < (k.after_at, k.after_id) AND ${filterSql(filter, 'k.category')}
         ORDER BY seen.at DESC, f.id DESC LIMIT k.size)
      ) AS listed JOIN collective_facts f ON f.id = listed.id
      ORDER BY listed.at DESC, listed.id DESC LIMIT k.size
    ) r
    ORDER BY k.place, r."listedAt" DESC, r.id DESC`,
})

export interface FactPageKey extends FactFilter {
  page: { after: FactCursor | undefined; limit: number }
}

/**
 * Facts, newest confirmation first: a page for each key, with one statement for each combination of filters among them. Pages
 * after the first keep the order of the first: a fact that was confirmed since then stands where it stood, by those of its
 * sources that the first page could see, so that it is neither shown twice nor skipped. An instant alone cannot tell that,
 * because a transaction may commit after a page that was read after its instant. Facts that nobody has confirmed since a
 * minute before the first page, which no transaction lasts, need no such look.
 */
export async function findFactPages(db: Queryable, keys: readonly FactPageKey[]): Promise<ListedFact[][]> {
  const pages = keys.map((): ListedFact[] => [])
  const places = keys.map((key, index) => ({ ...key, index }))
  const alike = Map.groupBy(places, key => `${key.page.after ? 'next' : 'first'} ${variantOf(key)}`)
  await Promise.all(
    [...alike.values()].map(async group => {
      const [first] = group
      if (!first) return
      for (const row of await findAlike(db, first, group)) {
        const { place, listedAt = row.lastConfirmedAt, pinnedAt, snapshot } = row
        const cursor = { at: listedAt, id: row.id, pinnedAt, snapshot }
        pages[group[place - 1]?.index ?? -1]?.push(Object.assign(row, { cursor }))
      }
    }),
  )
  return pages
}

/** Of keys with the same filters, and all of first pages or all of later ones. */
function findAlike(
  db: Queryable,
  first: FactPageKey,
  group: readonly FactPageKey[],
): Promise<(Listed & Placed)[]> {
  if (!first.page.after && group.length === 1) {
    const values = [first.page.limit, ...(first.category === null ? [] : [first.category])]
    return db.query(firstPage(first), values)
  }
  const values = [
    toArray(group.map(({ page }) => page.limit)),
    toArray(group.map(({ category }) => category)),
  ]
  if (!first.page.after) return db.query(firstPages(first), values)
  const column = (of: (after: FactCursor) => string | Date) =>
    toArray(group.map(({ page: { after } }) => (after ? of(after) : null)))
  return db.query(nextPages(first), [
    ...values,
    column(after => after.at),
    column(after => after.id),
    column(after => after.pinnedAt),
    column(after => after.snapshot),
  ])
}

const count = (filter: FactFilter) => ({
  name: `facts-count-${variantOf(filter)}`,
  text: `SELECT count(*)::int AS count FROM collective_facts f WHERE ${filterSql(filter, '$1::text')}`,
})
export async function countFacts(db: Queryable, filter: FactFilter): Promise<number> {
  const values: Value[] = filter.category === null ? [] : [filter.category]
  return (await db.query<{ count: number }>(count(filter), values))[0]?.count ?? 0
}

const READ_POSITION = { name: 'fact-feed-read-position', text: 'SELECT position FROM fact_feed' }
/** Of the newest promotion. */
export async function readPromotionPosition(db: Queryable): Promise<number> {
  const [row] = await db.query<{ position: number }>(READ_POSITION)
  if (!row) throw new Error('the feed of promotions is gone')
  return row.position
}

/** Promotions after a position, of one category or of all. */
export interface PromotionsRequest {
  category: string | null
  after: number
}

export interface PromotionRow {
  position: number
  factId: string
}

const FIND_PROMOTIONS = {
  name: 'fact-promotions-find-after',
  text: `
    SELECT request.index, p.position, p.fact_id AS "factId"
    FROM jsonb_to_recordset($1::jsonb) AS request (index int, category text, after int)
    CROSS JOIN LATERAL (
      (SELECT * FROM fact_promotions
       WHERE request.category IS NULL AND position > request.after ORDER BY position LIMIT $2::int)
      UNION ALL
      (SELECT * FROM fact_promotions
       WHERE category = request.category AND position > request.after ORDER BY position LIMIT $2::int)
    ) p
    ORDER BY request.index, p.position`,
}
/** For each request its promotions, in order, `limit` at most. */
export async function findPromotionsAfter(
  db: Queryable,
  requests: readonly PromotionsRequest[],
  limit: number,
): Promise<PromotionRow[][]> {
  const indexed = requests.map((request, index) => ({ index, ...request }))
  const rows = await db.query<PromotionRow & { index: number }>(FIND_PROMOTIONS, [
    JSON.stringify(indexed),
    limit,
  ])
  const pages = requests.map((): PromotionRow[] => [])
  for (const { index, ...row } of rows) pages[index]?.push(row)
  return pages
}
