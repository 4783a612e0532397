import type { JsonValue } from '../shared/json.ts'
import type { Queryable } from './client.ts'

/** The text search configurations of documents; a query is read by each, and compared with the documents of its own. */
export type DocumentLanguage = 'english' | 'italian'

export interface NewDocument {
  documentId: string
  text: string
  metadata: JsonValue
  language: DocumentLanguage
}

export interface SearchHitRow {
  documentId: string
  text: string
  /** HTML: passages of the text, escaped, with what was found in <b>. */
  snippet: string
  /** 0 to 1; higher is better, and to be compared within one answer alone. */
  score: number
  metadata: JsonValue
}

/** Of an edition's documents in one language: a lexeme beside their words, so that one index finds both at once. */
const SCOPE = (collectionId: string, edition: string, language: string) =>
  `${collectionId}::text || ':' || ${edition} || ':' || ${language}`

/** How often: 2, 4 and 8 times and more. */
const OFTEN_LEVELS = 3
/**
 * Of the words that a document has often, further lexemes: the word behind a character that no text has. The index finds by
 * them the documents that are about a word, where it is in so many that not all can be ranked. A longer lexeme
 * than 2,046 bytes would be stored, and a dump of it not read again.
 */
const OFTEN = (words: string) => `ARRAY(
        SELECT chr(level) || lexeme FROM unnest(${words}) AS word (lexeme, positions, weights), generate_series(1, ${OFTEN_LEVELS}) AS level
        WHERE cardinality(positions) >= 2 ^ level AND octet_length(lexeme) < 2046)`
/** The documents that have all of a query's words so often. The query itself says what else it asks for. */
const HAVING_OFTEN = (query: string, level: string) =>
  `regexp_replace(regexp_replace(${query}::text, '<(-|\\d+)>', '&', 'g'), $word$'((?:[^']|'')*)'$word$, '''' || chr(${level}) || '\\1''', 'g')::tsquery`

/** Where documents are put, or are searched: of a collection's editions one is searched. */
export interface Edition {
  collectionId: string
  edition: number
}

const LOCK = {
  name: 'collections-lock',
  text: `
    INSERT INTO collections (name) VALUES ($1::text)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name
    RETURNING id AS "collectionId", edition`,
}
/** Locks the collection's row, made on first sight, until the transaction ends. @returns the edition that is searched. */
export async function lockCollection(db: Queryable, name: string): Promise<Edition> {
  const [row] = await db.query<Edition>(LOCK, [name])
  if (!row) throw new Error('an upsert returned no row')
  return row
}

const BOUND_LOCK_WAIT = {
  name: 'collections-bound-lock-wait',
  text: `SELECT set_config('lock_timeout', $1::text, true)`,
}
/** For the rest of the transaction: how long one statement waits for a lock. 0 would be without a bound. */
export async function boundLockWait(db: Queryable, timeoutMs: number): Promise<void> {
  await db.query(BOUND_LOCK_WAIT, [String(Math.max(1, Math.round(timeoutMs)))])
}

const UPSERT_DOCUMENTS = {
  name: 'documents-upsert',
  text: `
    INSERT INTO documents (collection_id, edition, document_id, text, metadata, language, search)
    SELECT $1::uuid, $2::int, new."documentId", new.text, coalesce(new.metadata, 'null'), new.language,
      of.words || array_to_tsvector(ARRAY[${SCOPE('$1::uuid', '$2::int', 'new.language')}] || ${OFTEN('of.words')})
    FROM jsonb_to_recordset($3::jsonb) AS new ("documentId" text, text text, metadata jsonb, language text)
    CROSS JOIN LATERAL (SELECT to_tsvector(new.language::regconfig, new.text) AS words OFFSET 0) AS of
    -- One look into the index for each. As a plain join the planner, which knows nothing of what this transaction has written, reads
    -- the whole edition for each batch.
    LEFT JOIN LATERAL (
      SELECT document_id, text, metadata, language FROM documents
      WHERE collection_id = $1::uuid AND edition = $2::int AND document_id = new."documentId" LIMIT 1
    ) old ON true
    -- What is there already costs no new row, and no new entries of the index.
    WHERE old.document_id IS NULL
      OR (old.text, old.metadata, old.language) IS DISTINCT FROM (new.text, coalesce(new.metadata, 'null'), new.language)
    ON CONFLICT (collection_id, edition, document_id) DO UPDATE
      SET text = excluded.text, metadata = excluded.metadata, language = excluded.language, search = excluded.search`,
}
/** Under the collection's lock; each documentId at most once. A metadata of null is stored as JSON's null. */
export async function upsertDocuments(
  db: Queryable,
  { collectionId, edition }: Edition,
  documents: readonly NewDocument[],
): Promise<void> {
  await db.query(UPSERT_DOCUMENTS, [collectionId, edition, JSON.stringify(documents)])
}

const DELETE_OTHER_EDITIONS = {
  name: 'documents-delete-other-editions',
  text: `
    WITH deleted AS (
      DELETE FROM documents WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM documents WHERE collection_id = $1::uuid AND edition <> $2::int LIMIT $3::int))
      RETURNING 1
    )
    SELECT count(*)::int AS count FROM deleted`,
}
/** Under the collection's lock: deletes documents that are not of this edition, `limit` at most. @returns how many. */
export async function deleteOtherEditions(
  db: Queryable,
  { collectionId, edition }: Edition,
  limit: number,
): Promise<number> {
  const [row] = await db.query<{ count: number }>(DELETE_OTHER_EDITIONS, [collectionId, edition, limit])
  return row?.count ?? 0
}

const COMPLETE = {
  name: 'collections-complete-ingestion',
  text: `
    UPDATE collections SET version = version + 1, edition = $2::int, updated_at = clock_timestamp(),
      document_count = (SELECT count(*) FROM documents WHERE collection_id = $1::uuid AND edition = $2::int)
    WHERE id = $1::uuid
    RETURNING version, document_count AS "documentCount"`,
}
/** The last statement of an ingestion: the next version is what its transaction commits, and searches read this edition. */
export async function completeIngestion(
  db: Queryable,
  { collectionId, edition }: Edition,
): Promise<{ version: number; documentCount: number }> {
  const [row] = await db.query<{ version: number; documentCount: number }>(COMPLETE, [collectionId, edition])
  if (!row) throw new Error('the collection is gone')
  return row
}

/** Passages of some ten to thirty words around what was found, as ts_headline knows to choose them. */
const HEADLINE = 'MaxFragments=2, MinWords=10, MaxWords=30, FragmentDelimiter=" … "'

/** The query `$2` as each language reads it. */
export const QUERIES = `(VALUES
        ('english', websearch_to_tsquery('english', $2::text)), ('italian', websearch_to_tsquery('italian', $2::text))
      ) AS q (language, query)`

/** Of the collection `$1` the documents `d` that have what `asked` asks for, each in its own language. */
const MATCHES = (asked: string) => `collections c
        CROSS JOIN ${QUERIES}
        JOIN documents d
          ON d.search @@ (quote_literal(${SCOPE('c.id', 'c.edition', 'q.language')})::tsquery && ${asked})
          AND d.collection_id = c.id AND d.edition = c.edition AND d.language = q.language
        WHERE c.name = $1::text AND numnode(q.query) > 0`

/** 1: a long text is not better for being long; 32: from 0 to 1. */
const RANK = 'ts_rank_cd(d.search, q.query, 1 | 32)'

/** Of a row with language, text and query. Characters that no text holds mark what was found, so that all else can be made harmless first. */
const SNIPPET = `replace(replace(replace(replace(replace(
        ts_headline(language, text, query, 'StartSel=' || chr(2) || ', StopSel=' || chr(3) || ', ${HEADLINE}'),
        '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), chr(2), '<b>'), chr(3), '</b>')`

/** Ranking reads every word of a document: so many take some ten milliseconds. */
const MAX_RANKED = 2000

/**
 * The best `limit` documents by their words, as the last of the common table expressions `best (document_id, score)`. All that
 * match are ranked; of a query that more documents match than that, those are that have its words most often, and some.
 */
export const BEST = (limit: string) => `
    found_first AS MATERIALIZED (
      SELECT d.document_id, ${RANK} AS score
      FROM ${MATCHES('q.query')}
      LIMIT ${MAX_RANKED}
    ), often AS (
      SELECT of_level.document_id, of_level.score
      FROM generate_series(${OFTEN_LEVELS}, 1, -1) AS level
      CROSS JOIN LATERAL (
        SELECT d.document_id, ${RANK} AS score
        FROM ${MATCHES(`q.query && ${HAVING_OFTEN('q.query', 'level')}`)}
        LIMIT ${MAX_RANKED}
      ) AS of_level
      WHERE (SELECT count(*) FROM found_first) = ${MAX_RANKED}
      LIMIT ${MAX_RANKED}
    ), best AS (
      SELECT document_id, max(score) AS score
      FROM (SELECT * FROM found_first UNION ALL SELECT * FROM often) AS ranked
      GROUP BY document_id
      ORDER BY score DESC, document_id LIMIT ${limit}
    )`

/** What is told of the documents of `hits (document_id, score)`, of the collection `$1`, best first. */
export const HITS = (hits: string) => `
    SELECT document_id AS "documentId", text, metadata, score::float8 AS score, ${SNIPPET} AS snippet
    FROM (
      SELECT d.document_id, d.text, d.metadata, d.language::regconfig AS language, q.query, ${hits}.score
      FROM ${hits}
      JOIN collections c ON c.name = $1::text
      JOIN documents d ON d.collection_id = c.id AND d.edition = c.edition AND d.document_id = ${hits}.document_id
      JOIN ${QUERIES} ON q.language = d.language
    ) AS hit
    ORDER BY hit.score DESC, document_id`

const SEARCH = {
  name: 'documents-search',
  text: `WITH ${BEST('$3::int')} ${HITS('best')}`,
}

export interface DocumentSearch {
  collection: string
  /** What web users type: words, "phrases", or, -without. */
  query: string
  limit: number
}

/**
 * The best documents of a collection's last completed ingestion, best first; none of one that does not exist. One
 * statement, so one version from first to last.
 */
export function searchCollection(
  db: Queryable,
  { collection, query, limit }: DocumentSearch,
): Promise<SearchHitRow[]> {
  return db.query<SearchHitRow>(SEARCH, [collection, query, limit])
}
