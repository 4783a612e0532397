import type { Queryable } from './client.ts'
import { SQLSTATE, sqlState } from './postgres-errors.ts'
import type { RunTransaction, Transaction } from './transaction.ts'

/** A database with pgvector and the table of vectors. */
export interface VectorStore {
  /** Of the extension, quoted: it may be outside of the search path. */
  readonly schema: string
}

export type VectorStoreOutcome = { type: 'open'; store: VectorStore } | { type: 'absent'; why: string }

const LOCK_STORE = {
  name: 'vectors-lock-store',
  // Any number will do; every instance must use the same one.
  text: 'SELECT pg_advisory_xact_lock(72707370)::text',
}
const FIND_EXTENSION = {
  name: 'vectors-find-extension',
  text: `
    SELECT quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector'`,
}
const IS_AVAILABLE = {
  name: 'vectors-is-available',
  text: "SELECT 1 AS available FROM pg_available_extensions WHERE name = 'vector'",
}
const FIND_TABLE = {
  name: 'vectors-find-table',
  text: `
    SELECT EXISTS (
      SELECT 1 FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'embedding' AND NOT a.attisdropped) AS whole
    FROM (SELECT to_regclass('document_vectors')::oid AS oid) t WHERE t.oid IS NOT NULL`,
}

/**
 * Opens the vectors of a database, made on first sight where that is possible and permitted. No migration makes them: it
 * would fail wherever the extension is not. Instances that start together take turns.
 */
export async function openVectorStore(transaction: RunTransaction): Promise<VectorStoreOutcome> {
  return transaction('open-vector-store', async tx => {
    await tx.query(LOCK_STORE)
    const [known] = await tx.query<VectorStore>(FIND_EXTENSION)
    if (!known && (await tx.query(IS_AVAILABLE)).length === 0)
      return { type: 'absent', why: 'the database server does not have the extension pgvector' }
    if (!known && !(await permitted(tx, 'CREATE EXTENSION IF NOT EXISTS vector')))
      return {
        type: 'absent',
        why: 'this user may not CREATE EXTENSION vector; somebody who may has to do it once',
      }
    const [store] = known ? [known] : await tx.query<VectorStore>(FIND_EXTENSION)
    if (!store) throw new Error('an extension that was made is gone')
    const [table] = await tx.query<{ whole: boolean }>(FIND_TABLE)
    if (table?.whole) return { type: 'open', store }
    // Whoever dropped the extension has dropped the vectors with it.
    if (table) await tx.prisma.$executeRawUnsafe('DELETE FROM collection_vectors')
    return (await permitted(tx, 'DROP TABLE IF EXISTS document_vectors', createTable(store)))
      ? { type: 'open', store }
      : { type: 'absent', why: 'this user may not create the table document_vectors' }
  })
}

const createTable = ({ schema }: VectorStore) => `
  CREATE TABLE document_vectors (
    collection_id uuid NOT NULL,
    edition integer NOT NULL,
    document_id text NOT NULL,
    model text NOT NULL,
    -- SHA-256 of the text that the vector is of.
    text_hash bytea NOT NULL,
    -- Null: the model takes no text like this.
    embedding ${schema}.vector,
    PRIMARY KEY (collection_id, edition, document_id)
  -- A search reads every vector of a collection: those that fit into a page are kept in the row, and not aside.
  ) WITH (toast_tuple_target = 8160)`

/** @returns false where this user lacks the right to; then nothing of it was done. */
async function permitted(tx: Transaction, ...statements: string[]): Promise<boolean> {
  const failure = await tx.savepoint(async () => {
    for (const statement of statements) await tx.prisma.$executeRawUnsafe(statement)
  })
  if (!failure) return true
  if (sqlState(failure.error) === SQLSTATE.insufficientPrivilege) return false
  throw failure.error
}

export function toLiteral(vector: readonly number[]): string {
  return `[${vector.join(',')}]`
}

/** Of a collection what one instance makes vectors for. */
export interface VectorClaim {
  collectionId: string
  edition: number
  model: string
  /** Of the collection, when it was claimed. */
  version: number
  /** Of the vectors that are there; null where there is none that counts. */
  dimensions: number | null
}

const CLAIM = {
  name: 'vectors-claim',
  text: `
    WITH due AS (
      SELECT c.id, c.edition, c.version FROM collections c LEFT JOIN collection_vectors s ON s.collection_id = c.id
      WHERE c.version > 0 AND (s.collection_id IS NULL OR (
        (s.edition < c.edition OR (s.model = $1::text AND s.version < c.version))
        AND (s.claimed_until IS NULL OR s.claimed_until < clock_timestamp())))
      ORDER BY c.updated_at LIMIT 1
    )
    INSERT INTO collection_vectors AS s (collection_id, edition, model, claimed_until)
    SELECT id, edition, $1::text, clock_timestamp() + $2::int * interval '1 millisecond' FROM due
    ON CONFLICT (collection_id) DO UPDATE SET edition = excluded.edition, model = excluded.model,
      claimed_until = excluded.claimed_until,
      dimensions = CASE WHEN s.model = excluded.model THEN s.dimensions END,
      version = CASE WHEN s.edition = excluded.edition THEN s.version ELSE 0 END
    -- Seen again under the row's lock: somebody else may have been faster.
    WHERE (s.edition < excluded.edition OR (s.edition = excluded.edition AND s.model = excluded.model))
      AND (s.claimed_until IS NULL OR s.claimed_until < clock_timestamp())
    RETURNING s.collection_id AS "collectionId", s.edition, s.model, s.dimensions, (SELECT version FROM due) AS version`,
}
/**
 * Claims a collection whose newest version has documents without vectors. An edition keeps the model of who claims it
 * first: two instances with different settings would else throw away each other's work for ever.
 */
export async function claimVectors(
  db: Queryable,
  { model, claimMs }: { model: string; claimMs: number },
): Promise<VectorClaim | undefined> {
  return (await db.query<VectorClaim>(CLAIM, [model, claimMs]))[0]
}

const RELEASE = {
  name: 'vectors-release',
  text: `
    UPDATE collection_vectors SET claimed_until = clock_timestamp() + $4::int * interval '1 millisecond'
    WHERE collection_id = $1::uuid AND edition = $2::int AND model = $3::text`,
}
/** Nobody claims the collection for so long. */
export async function releaseVectors(db: Queryable, claim: VectorClaim, pauseMs: number): Promise<void> {
  await db.query(RELEASE, [claim.collectionId, claim.edition, claim.model, pauseMs])
}

export interface PendingDocument {
  documentId: string
  /** SHA-256 of the text, in hex. */
  textHash: string
  /** The beginning of it; null where the replaced edition has a vector of the same text. */
  text: string | null
}

const FIND_WINDOW = {
  name: 'vectors-find-window',
  text: `
    SELECT max(document_id) AS "until" FROM (
      SELECT document_id FROM documents
      WHERE collection_id = $1::uuid AND edition = $2::int AND document_id > $3::text ORDER BY document_id LIMIT $4::int
    ) AS next`,
}
/** The id of the last of the next documents, `limit` at most; undefined behind the last of all. */
export async function findWindow(
  db: Queryable,
  { collectionId, edition }: VectorClaim,
  { after, limit }: { after: string; limit: number },
): Promise<string | undefined> {
  const [row] = await db.query<{ until: string | null }>(FIND_WINDOW, [collectionId, edition, after, limit])
  return row?.until ?? undefined
}

const FIND_PENDING = {
  name: 'vectors-find-pending',
  text: `
    SELECT d.document_id AS "documentId", encode(d.text_hash, 'hex') AS "textHash",
      CASE WHEN old.document_id IS NULL THEN left(d.text, $6::int) END AS text
    FROM (
      SELECT d.collection_id, d.edition, d.document_id, d.text, sha256(convert_to(d.text, 'UTF8')) AS text_hash
      FROM documents d
      WHERE d.collection_id = $1::uuid AND d.edition = $2::int AND d.document_id > $4::text AND d.document_id <= $5::text
    ) d
    LEFT JOIN document_vectors v ON v.collection_id = d.collection_id AND v.edition = d.edition
      AND v.document_id = d.document_id AND v.text_hash = d.text_hash AND v.model = $3::text
    LEFT JOIN LATERAL (
      SELECT o.document_id FROM document_vectors o
      WHERE o.collection_id = d.collection_id AND o.edition < d.edition AND o.document_id = d.document_id
        AND o.text_hash = d.text_hash AND o.model = $3::text AND $7::boolean LIMIT 1
    ) old ON true
    WHERE v.document_id IS NULL
    ORDER BY d.document_id`,
}
/** Of the documents between two ids those without a vector of their present text, in the order of their ids. */
export function findPendingDocuments(
  db: Queryable,
  { collectionId, edition, model, dimensions }: VectorClaim,
  { after, until, characters }: { after: string; until: string; characters: number },
): Promise<PendingDocument[]> {
  const reuse = dimensions !== null
  const values = [collectionId, edition, model, after, until, characters, reuse]
  return db.query<PendingDocument>(FIND_PENDING, values)
}

/** The claim goes on, and its collection's vectors have these dimensions, which the first of them decide. */
const GO_ON = `
      UPDATE collection_vectors s SET claimed_until = clock_timestamp() + $4::int * interval '1 millisecond',
        dimensions = coalesce(s.dimensions, $5::int)
      WHERE s.collection_id = $1::uuid AND s.edition = $2::int AND s.model = $3::text
        AND (s.dimensions IS NULL OR $5::int IS NULL OR s.dimensions = $5::int)
      RETURNING s.*`

const INSERT = (schema: string) => ({
  name: 'vectors-insert',
  text: `
    WITH claim AS (${GO_ON})
    INSERT INTO document_vectors AS v (collection_id, edition, document_id, model, text_hash, embedding)
    SELECT claim.collection_id, claim.edition, new."documentId", claim.model, decode(new."textHash", 'hex'),
      new.vector::${schema}.vector
    FROM jsonb_to_recordset($6::jsonb) AS new ("documentId" text, "textHash" text, vector text), claim
    ON CONFLICT (collection_id, edition, document_id) DO UPDATE
      SET model = excluded.model, text_hash = excluded.text_hash, embedding = excluded.embedding
    RETURNING 1 AS stored`,
})

export interface NewVector {
  documentId: string
  textHash: string
  /** Null: the model takes no text like this, and is not asked again before it has changed. */
  vector: readonly number[] | null
}

/** Renews the claim as well. @returns false where the edition or the dimensions are others by now: nothing was stored. */
export async function insertVectors(
  db: Queryable,
  store: VectorStore,
  claim: VectorClaim,
  { vectors, claimMs }: { vectors: readonly NewVector[]; claimMs: number },
): Promise<boolean> {
  const rows = vectors.map(({ vector, ...row }) => ({ ...row, vector: vector && toLiteral(vector) }))
  const dimensions = vectors.find(({ vector }) => vector)?.vector?.length ?? null
  const { collectionId, edition, model } = claim
  const values = [collectionId, edition, model, claimMs, dimensions, JSON.stringify(rows)]
  return (await db.query(INSERT(store.schema), values)).length > 0
}

const COPY = {
  name: 'vectors-copy',
  text: `
    WITH claim AS (${GO_ON})
    INSERT INTO document_vectors AS v (collection_id, edition, document_id, model, text_hash, embedding)
    SELECT DISTINCT ON (o.document_id)
      claim.collection_id, claim.edition, o.document_id, o.model, o.text_hash, o.embedding
    FROM claim
    CROSS JOIN jsonb_to_recordset($6::jsonb) AS wanted ("documentId" text, "textHash" text)
    JOIN document_vectors o ON o.collection_id = claim.collection_id AND o.document_id = wanted."documentId"
      AND o.edition < claim.edition AND o.model = claim.model AND o.text_hash = decode(wanted."textHash", 'hex')
    ON CONFLICT (collection_id, edition, document_id) DO UPDATE
      SET model = excluded.model, text_hash = excluded.text_hash, embedding = excluded.embedding
    RETURNING 1 AS stored`,
}
/** From the edition that was replaced, whose vectors are there until the new one has all of its own. Renews the claim. */
export async function copyVectors(
  db: Queryable,
  { collectionId, edition, model, dimensions }: VectorClaim,
  { documents, claimMs }: { documents: readonly { documentId: string; textHash: string }[]; claimMs: number },
): Promise<boolean> {
  const wanted = documents.map(({ documentId, textHash }) => ({ documentId, textHash }))
  const values = [collectionId, edition, model, claimMs, dimensions, JSON.stringify(wanted)]
  return (await db.query(COPY, values)).length > 0
}

const DELETE = {
  name: 'vectors-delete',
  text: `
    WITH deleted AS (
      DELETE FROM document_vectors WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM document_vectors WHERE collection_id = $1::uuid AND edition < $2::int LIMIT $3::int))
      RETURNING 1
    )
    SELECT count(*)::int AS count FROM deleted`,
}
/** Vectors of editions before this one, `limit` at most. @returns how many. */
export async function deleteVectorsBefore(
  db: Queryable,
  { collectionId, edition, limit }: { collectionId: string; edition: number; limit: number },
): Promise<number> {
  const [row] = await db.query<{ count: number }>(DELETE, [collectionId, edition, limit])
  return row?.count ?? 0
}

const COMPLETE = {
  name: 'vectors-complete',
  text: `
    UPDATE collection_vectors SET version = $4::int, claimed_until = NULL
    WHERE collection_id = $1::uuid AND edition = $2::int AND model = $3::text`,
}
/** Every document of the claim's version has its vector. Ends the claim. */
export async function completeVectors(db: Queryable, claim: VectorClaim): Promise<void> {
  await db.query(COMPLETE, [claim.collectionId, claim.edition, claim.model, claim.version])
}

const FORGET_DIMENSIONS = {
  name: 'vectors-forget-dimensions',
  text: `
    UPDATE collection_vectors SET dimensions = NULL, version = 0
    WHERE collection_id = $1::uuid AND edition = $2::int AND model = $3::text AND dimensions <> $4::int
    RETURNING 1 AS forgotten`,
}
/** Where the model makes vectors of other dimensions than before, what is there is compared with nothing any more. */
export async function forgetDimensions(
  db: Queryable,
  { collectionId, edition, model }: VectorClaim,
  dimensions: number,
): Promise<boolean> {
  return (await db.query(FORGET_DIMENSIONS, [collectionId, edition, model, dimensions])).length > 0
}
